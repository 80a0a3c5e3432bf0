"""Compare runs with each other, and with the baseline that needs no model."""
