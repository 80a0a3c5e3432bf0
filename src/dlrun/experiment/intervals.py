"""Prediction intervals: measured on the validation split when a run ends, and applied to predictions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data import Split
from dlrun.runs.folder import RunFolder
from dlrun.runs.intervals import keep_scores
from dlrun.runs.record import IntervalsRecord, Scores
from dlrun.scoring.conformal import ConformalScores
from dlrun.signature import Target
from dlrun.value_transform import transform_values

if TYPE_CHECKING:
    from dlrun.training.predictor import Predictor
    from dlrun.training.setup import TrainingSetup

Array = npt.NDArray[Any]

_LEVEL, _MOST_COVERED = 0.9, 10_000
"""The level at which the intervals of a run are scored at its end, and the largest number of test examples for it."""
_MOST_EXAMPLES, _BLOCK_BYTES = 200_000, 1 << 26


def keep_intervals(setup: TrainingSetup, folder: RunFolder) -> None:
    """Measure the conformity scores of the final model on the validation split, if there is one, and store them.

    Args:
        setup: The training setup of the run, with the final weights.
        folder: The run.

    Raises:
        RunError: They cannot be written.
    """
    split = setup.dataset.splits.get("validation")
    if split is None or setup.target.kind != "values" or not setup.replicas.cluster.is_chief:
        return
    with setup.timeline.spent("evaluate"):
        _measure_and_keep(setup, folder, split)


def _measure_and_keep(setup: TrainingSetup, folder: RunFolder, split: Split) -> None:
    from dlrun.training.checkpoints.choosing import FINAL, checkpoint_named

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


def measure_scores(split: Split, predictor: Predictor) -> ConformalScores | None:
    """Return the conformity scores of the validation split; None if a prediction is not finite.

    They are measured where the network learns, so that the bounds of a transformed target are as skewed as the target.

    Args:
        split: The validation split. Of a very large one, an even sample is used.
        predictor: The predictor with the final weights.
    """
    truth, predicted = [], []
    for part in _parts(split, most=_MOST_EXAMPLES):
        predicted.append(predictor.learned(part.features))
        truth.append(learned_values(np.asarray(part.target), predictor.target))
    values, found = np.concatenate(truth), np.concatenate(predicted)
    if not (np.isfinite(values).all() and np.isfinite(found).all()):
        return None
    target = predictor.target
    return ConformalScores.measure(values, found, levels=target.levels, main=target.main_level)


def learned_values(values: Array, target: Target) -> Array:
    """Return values in the unit of the data as the network learns them: transformed and standardized.

    Shape:
        values: `(n,)` or `(n, size)`. Returns: `(n, size)`, float64.
    """
    learned = transform_values(values.reshape(len(values), -1), target)
    return (learned - np.array(target.mean)) / np.array(target.scale) if target.scale else learned


def interval_bounds(
    predictor: Predictor, learned: Array, conformal: ConformalScores, *, level: float
) -> tuple[Array, Array]:
    """Return the lower and upper bound of each value in the unit of the data.

    Args:
        predictor: The predictor of the model.
        learned: Its predictions, from `Predictor.learned`.
        conformal: The conformity scores of the validation split.
        level: The probability that the truth is within the bounds.

    Shape:
        learned: `(n, levels, size)`. Returns: `(n, size)` each, float64.
    """
    lower, upper = conformal.bounds(learned, level, main=predictor.target.main_level)
    return predictor.in_own_unit(lower), predictor.in_own_unit(upper)


class Coverage:
    """Counts how often the truth is within an interval, and how wide the intervals are, for each value.

    Args:
        predictor: The predictor of the model.
        conformal: The conformity scores of the validation split.
        level: The probability that the truth is within the bounds.
    """

    def __init__(self, predictor: Predictor, conformal: ConformalScores, *, level: float) -> None:
        self._predictor, self._conformal, self._level = predictor, conformal, level
        self._inside, self._width = np.zeros((2, predictor.target.size))
        self._examples = 0

    def add(self, stored: Array, truth: Array) -> None:
        """Add a block of examples.

        Shape:
            stored: `(n, *raw_shape)`. truth: `(n,)` or `(n, size)`, in the unit of the data.
        """
        learned = self._predictor.learned(stored)
        lower, upper = interval_bounds(self._predictor, learned, self._conformal, level=self._level)
        values = np.asarray(truth, np.float64).reshape(len(truth), -1)
        self._inside += ((lower <= values) & (values <= upper)).sum(axis=0)
        self._width += (upper - lower).sum(axis=0)
        self._examples += len(values)

    def add_split(self, split: Split, *, most: int | None = None) -> None:
        """Add the examples of a split, or an even sample of them.

        Args:
            split: The split, which is not the one that the scores come from.
            most: Number of examples of the sample; None for all.
        """
        for part in _parts(split, most=len(split) if most is None else most):
            self.add(part.features, np.asarray(part.target))

    def scores(self) -> dict[str, dict[str, float]]:
        """Return the fraction of covered examples and the mean width, as `coverage_90` and `interval_width_90`."""
        percent, names = f"{100 * self._level:g}", self._predictor.target.output_names
        columns = {f"coverage_{percent}": self._inside, f"interval_width_{percent}": self._width}
        return {
            name: {column: float(values[place] / self._examples) for column, values in columns.items()}
            for place, name in enumerate(names)
        }


def _parts(split: Split, *, most: int) -> Iterator[Split]:
    rows = np.unique(np.linspace(0, len(split) - 1, min(len(split), most)).astype(np.int64))
    at_once = max(1, _BLOCK_BYTES // max(1, split.features[:1].nbytes))
    for start in range(0, len(rows), at_once):
        yield split.take(rows[start : start + at_once])
