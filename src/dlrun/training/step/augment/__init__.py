"""Change training examples at random inside the training step."""
