"""Comparing runs with each other and with a naive forecast."""
