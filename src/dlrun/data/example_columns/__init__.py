"""Columns that describe examples and are not features: their group, their split, and their weight."""
