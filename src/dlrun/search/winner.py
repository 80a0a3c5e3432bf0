"""Score the winner of a search once on the splits that no trial has seen, and draw its report."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from dlrun.batching.engine import Order
from dlrun.batching.state import GOOD, RunState
from dlrun.runs.folder import RunFolder
from dlrun.search.outcome import read_outcome
from dlrun.search.source import TrialSource
from dlrun.search.trials import TrialState
from dlrun.spec.types import Spec


class WinnerSource:
    """Orders the runs of the winner as ordinary runs, which completes what they lack as trials; see `RunSource`.

    Args:
        source: The source of the trials, which has no more orders.
    """

    def __init__(self, source: TrialSource) -> None:
        self._source = source
        self._winner = self._unscored_winner()
        self.failure = ""
        """Why the winner could not be scored; empty if it was."""
        self._folders: list[Path] = []
        planned = source.planned_runs(self._winner) if self._winner is not None else ()
        self._queue = deque(Order(each) for each in planned)

    @property
    def is_over(self) -> bool:
        """Whether every run was ordered."""
        return not self._queue

    def next_order(self, fits: Callable[[Spec], bool]) -> Order | None:
        """Return the next run that fits."""
        return self._queue.popleft() if self._queue and fits(self._queue[0].planned.spec) else None

    def ended(self, state: RunState) -> None:
        """Take note of a run that is complete, and of the winner with the last of them.

        Raises:
            RunError: The ledger cannot be written.
        """
        if state.stage not in GOOD or state.folder is None:
            self.failure = self.failure or state.reason or state.stage
            return
        self._folders.append(state.folder)
        if self._winner is not None and len(self._folders) == len(self._winner.runs):
            self._record(self._winner)

    def _unscored_winner(self) -> TrialState | None:
        trials = self._source.trials
        best = read_outcome(trials, Path()).best if len(self._source.plan.objectives) == 1 else None
        is_known = best is not None and trials.winner is not None and trials.winner["trial"] == best.number
        return None if is_known else best

    def _record(self, winner: TrialState) -> None:
        records = {folder.name: RunFolder(folder).read_record() for folder in self._folders}
        objective = self._source.plan.objectives[0]
        values = dict(zip(winner.runs, map(objective.badness, winner.results[0]), strict=True))
        first = records[min(winner.runs, key=values.__getitem__)]
        splits = [split for split in first.result if split != "train"]
        self._source.append(
            "winner",
            trial=winner.number,
            run=first.id,
            scores={split: [records[run].result.get(split, {}) for run in winner.runs] for split in splits},
            naive={split: first.naive[split] for split in splits if split in first.naive},
            baseline=first.baseline.method if first.baseline else "",
        )
