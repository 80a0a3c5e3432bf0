"""What a user has said about a batch, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dlrun.batching.grid import Combination
from dlrun.runs import RUNS_DIR


@dataclass(frozen=True)
class BatchOptions:
    """What a user has said about a batch.

    Args:
        combinations: Its runs.
        runs_dir: Where run folders are made, and looked for.
        jobs: How many runs go on at a time; None: what suits the machine.
        retries: How often a run that has failed is tried again.
        again: Whether to train what is complete already.
        metric: What the table is sorted by, with a sign in front or without; empty: what the runs watched.
        trust_plugins: Whether the plugins of runs that were not made here, in whose folders configs lie, may be loaded.
        command: The command line, which goes on with a batch that was stopped.
    """

    combinations: tuple[Combination, ...]
    runs_dir: Path = RUNS_DIR
    jobs: int | None = None
    retries: int = 0
    again: bool = False
    metric: str = ""
    trust_plugins: bool = False
    command: tuple[str, ...] = ()
