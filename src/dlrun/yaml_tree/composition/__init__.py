"""Configs that share: `base:`, which other files to start from, and `variables:` in their values."""
