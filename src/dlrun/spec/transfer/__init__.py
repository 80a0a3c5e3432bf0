"""Sections and keys about starting from what was learned before, and about what learns when."""
