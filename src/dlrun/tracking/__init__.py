"""Trackers, which log a run to a service in addition to its folder. Importing this registers the built-in ones."""

from dlrun.tracking import mlflow  # noqa: F401  it registers itself
from dlrun.tracking.tracker import Journal, RunFacts, Tracker, trackers

__all__ = ["Journal", "RunFacts", "Tracker", "trackers"]
