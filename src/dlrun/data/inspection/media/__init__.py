"""Checks of files that are examples: images, masks and recordings."""
