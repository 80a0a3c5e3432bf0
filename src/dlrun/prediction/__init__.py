"""A run and raw input in; predictions, row by row, out: to a file or a stream."""
