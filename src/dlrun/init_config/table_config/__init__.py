"""Draft a config for a table: its columns, its codes, and the model for its size."""
