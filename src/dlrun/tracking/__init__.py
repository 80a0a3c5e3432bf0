"""Trackers: services that follow a run, beside its folder. Importing this registers every built-in one."""

from dlrun.tracking import mlflow  # noqa: F401  it registers itself
from dlrun.tracking.tracker import Journal, RunFacts, Tracker, trackers

__all__ = ["Journal", "RunFacts", "Tracker", "trackers"]
