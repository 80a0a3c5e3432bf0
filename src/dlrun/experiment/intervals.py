"""Keep what prediction intervals need when a run ends, and record how well they cover the test split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlrun.runs.folder import RunFolder
from dlrun.runs.intervals import keep_scores
from dlrun.runs.record import IntervalsRecord, Scores

if TYPE_CHECKING:
    from dlrun.training.setup import TrainingSetup

_LEVEL, _MOST_COVERED = 0.9, 10_000


def keep_intervals(setup: TrainingSetup, folder: RunFolder) -> None:
    """Measure the conformity scores of the final model on the validation split, if there is one, and store them.

    Args:
        setup: The training setup of the run, with the final weights.
        folder: The run.

    Raises:
        RunError: They cannot be written.
    """
    from dlrun.training.checkpoints.choosing import FINAL, checkpoint_named
    from dlrun.training.intervals import Coverage, measure_scores

    split = setup.dataset.splits.get("validation")
    if split is None or setup.target.kind != "values" or not setup.replicas.cluster.is_chief:
        return
    conformal = measure_scores(split, setup.predictor())
    if conformal is None:  # a network that has diverged has no intervals
        return
    stopping = setup.spec.training.early_stopping
    ends_with_best = stopping is not None and stopping.restore_best
    keep_scores(folder, checkpoint_named(folder, FINAL, ends_with_best=ends_with_best), conformal)
    test = setup.dataset.splits.get("test")
    if test is not None and test is not split and conformal.allows(_LEVEL):
        coverage = Coverage(setup.predictor(), conformal, level=_LEVEL)
        coverage.add_split(test, most=_MOST_COVERED)
        scores: dict[str, Scores] = {name: {**found} for name, found in coverage.scores().items()}
        record = IntervalsRecord(level=_LEVEL, examples=conformal.examples, test=scores)
        folder.update_record(intervals=record)
