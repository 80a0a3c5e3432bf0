"""Evaluate the model of a run on the splits of its data or on another file."""
