"""Runs: the folder that a run leaves behind, and the questions that are asked of many."""

from pathlib import Path

RUNS_DIR = Path("runs")
"""The folder that runs are made and looked for in, unless another is named."""
