"""Remove the checkpoints of trials that have lost: results always stay, checkpoints only where they may be needed."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from dlrun.errors import DlrunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.removal import remove_checkpoints
from dlrun.search.outcome import read_outcome
from dlrun.search.plan import SearchPlan
from dlrun.search.trials import Trials, TrialState


class CheckpointKeeper:
    """Keeps the checkpoints of the best trials, and of those that may still be promoted.

    Args:
        plan: What the search is about.
        most: The number of the best complete trials whose checkpoints are kept; None for all.
    """

    def __init__(self, plan: SearchPlan, most: int | None) -> None:
        self._plan = plan
        self._most = most
        self._dropped: set[int] = set()

    def drop_losers(self, trials: Trials, out_of_reach: Collection[int]) -> None:
        """Remove the checkpoints that are no longer needed. One that cannot be removed stays, which does no harm.

        Args:
            trials: All trials so far.
            out_of_reach: The paused trials that cannot be promoted any more.
        """
        if self._most is None:
            return
        outcome = read_outcome(trials, Path())
        complete = [trial for trial in outcome.ranked if trial.stage == "completed"]
        kept = {trial.number for trial in (*complete[: self._most], *(outcome.front if self._has_front else ()))}
        lost = {trial.number for trial in complete} - kept | set(out_of_reach) | {t.number for t in trials.at("failed")}
        for number in sorted(lost - self._dropped):
            self._dropped.add(number)
            self._drop(trials.by_number[number])
        # A trial that is begun again, because more trials were asked for, has checkpoints again.
        self._dropped &= lost

    @property
    def _has_front(self) -> bool:
        return len(self._plan.objectives) > 1

    def _drop(self, trial: TrialState) -> None:
        for run in trial.runs:
            with suppress(DlrunError, OSError):
                folder = RunFolder.open(self._plan.runs_dir / run)
                if is_own_run(folder, self._plan.name):
                    remove_checkpoints(folder, keep="none", runs_dir=self._plan.runs_dir)


def is_own_run(folder: RunFolder, search: str) -> bool:
    """Return whether a search trained a run and nobody has tagged it since.

    Another run may be the user's, which the search only found equal to a trial.

    Raises:
        RunError: The record of the run is damaged.
    """
    record = folder.read_record()
    return record.search is not None and record.search.name == search and not record.tags
