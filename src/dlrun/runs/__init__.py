"""Write, read, find, compare and remove runs; a run is a folder."""

from pathlib import Path

RUNS_DIR = Path("runs")
"""The default folder for runs."""

FOLDS_DIR = "folds"
"""The folder in it with the records of complete folds, which is not a run."""

SEARCHES_DIR = "searches"
"""The folder in it with the ledgers of searches, which is not a run either."""
