"""Divide examples: into folds, and so that the examples of a group stay together."""
