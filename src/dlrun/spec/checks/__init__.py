"""Checks that the parts of a spec fit together and fit the data."""
