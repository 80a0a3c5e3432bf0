"""Give a model the weights that it starts with, where they depend on the training split."""
