"""Train many runs with one command: combinations of values, processes, and a table of the results."""
