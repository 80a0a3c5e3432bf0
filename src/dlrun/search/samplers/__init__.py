"""Samplers: how to choose the next point of a search."""
