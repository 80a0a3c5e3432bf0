"""Layers and shape computations that several architectures share."""
