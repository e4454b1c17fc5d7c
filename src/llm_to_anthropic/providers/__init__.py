"""Providers as data: quirks, presets, catalog of models. No network, no environment."""
