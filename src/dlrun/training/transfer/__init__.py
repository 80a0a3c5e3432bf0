"""Start a model from weights that were learned before."""
