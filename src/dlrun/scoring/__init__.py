"""How good predictions are: truth and predictions as numpy arrays in, numbers out; nothing here knows of models."""
