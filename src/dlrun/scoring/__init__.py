"""Scores of predictions, computed from NumPy arrays of truth and predictions, independent of models."""
