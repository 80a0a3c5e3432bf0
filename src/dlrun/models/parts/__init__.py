"""Layers and shape arithmetic that several architectures share."""
