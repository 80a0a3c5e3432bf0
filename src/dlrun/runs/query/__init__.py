"""Find runs: by id, by a condition, sorted and listed."""
