"""The options of a batch, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dlrun.batching.grid import Combination
from dlrun.runs import RUNS_DIR


@dataclass(frozen=True)
class BatchOptions:
    """The options of a batch.

    Args:
        combinations: its runs.
        runs_dir: the folder for runs.
        jobs: how many runs train at a time; None for what suits the machine.
        retries: how often to try a failed run again.
        again: whether to train runs again that are complete already.
        metric: the score to sort the table by, perhaps with a sign; empty for the score that the runs monitored.
        trust_plugins: whether to load the plugins in the folders of runs that were not made here, if configs are there.
        command: the command line, which continues a stopped batch.
    """

    combinations: tuple[Combination, ...]
    runs_dir: Path = RUNS_DIR
    jobs: int | None = None
    retries: int = 0
    again: bool = False
    metric: str = ""
    trust_plugins: bool = False
    command: tuple[str, ...] = ()
