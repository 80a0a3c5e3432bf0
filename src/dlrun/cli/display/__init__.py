"""How results, progress and errors are shown on a terminal."""
