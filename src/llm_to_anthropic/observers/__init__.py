"""Sinks for one Exchange each."""
