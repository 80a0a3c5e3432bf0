"""The examples that a report shows."""
