"""A run scored again: on the splits of its data, or on another file."""
