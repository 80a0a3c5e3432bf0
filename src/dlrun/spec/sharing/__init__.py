"""Configs that share values: which files a spec was made from, and where its values stand."""
