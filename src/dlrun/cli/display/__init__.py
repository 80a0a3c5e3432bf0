"""Shows results, progress and errors on a terminal."""
