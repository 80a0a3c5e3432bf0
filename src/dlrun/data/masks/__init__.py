"""Masks of images: files that give a class to each pixel."""
