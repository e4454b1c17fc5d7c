"""The verification programme: load, faults, mutations and supply chain. No part of what is installed.

Each module is a command of its own (`python -m verification.chaos`), called by a target of the Makefile.
"""
