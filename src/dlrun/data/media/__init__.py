"""Datasets whose examples are files, such as images and recordings."""
