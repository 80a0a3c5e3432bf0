"""The role of a run as a trial of a search: it may be paused at the end of an epoch, and is not scored on test data."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlrun.runs.folder import RunFolder
from dlrun.runs.record import TrialRecord

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup

_REPEATS = 3


@dataclass(frozen=True)
class Trial:
    """The role of a run that a search trains. It changes nothing about the training, so not the run's identity either.

    A trial is scored on the validation split only, so that nothing can be chosen on test data, and has no report.
    `complete_run` adds what it lacks.

    Args:
        search: The name of the search.
        number: The number of the trial in it, from 1.
        pause_after: The epoch, from 1, at whose end training pauses if it is not over; None to train to the end.
        parent: The id of the search in the experiment tracker of the spec; None if it is not tracked.
        costs: Whether to measure what the model costs, because the search looks at that.
    """

    search: str
    number: int
    pause_after: int | None = None
    parent: str | None = None
    costs: bool = False

    def record(self) -> TrialRecord:
        """Return what run.json says about it."""
        return TrialRecord(name=self.search, trial=self.number)

    def pause_text(self, epoch: int, *, epochs: int) -> str:
        """Return why training has paused.

        Args:
            epoch: The number of completed epochs.
            epochs: The number of epochs of the whole training.
        """
        return f"paused after epoch {epoch} of {epochs} by the search {self.search}"


def keep_costs(setup: TrainingSetup, folder: RunFolder) -> None:
    """Measure the model on the validation split, and record its costs.

    Args:
        setup: The parts of the run, with the final weights, once the split has been scored.
        folder: The run folder.
    """
    split = setup.held_out_splits()[0]
    evaluator, seconds = setup.evaluator(split), []
    with setup.timeline.spent("evaluate"):
        for _ in range(_REPEATS):
            began = time.perf_counter()
            evaluator.scores()
            seconds.append(time.perf_counter() - began)
    examples = len(setup.dataset.splits[split])
    size = sum(variable.numpy().nbytes for variable in setup.compiled.model.variables)
    folder.update_record(
        costs={"seconds_per_example": statistics.median(seconds) / examples, "size_bytes": float(size)}
    )
