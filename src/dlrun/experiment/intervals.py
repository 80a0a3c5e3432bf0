"""Prediction intervals: measured on the validation split when a run ends, and applied to predictions."""

from __future__ import annotations

import math
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
        conformal = measure_scores(split, setup.predictor())
        if conformal is not None:  # a network that has diverged has no intervals
            keep_measured(setup, folder, conformal)


def keep_measured(setup: TrainingSetup, folder: RunFolder, conformal: ConformalScores) -> None:
    """Store conformity scores of the final model, and record the coverage of their intervals on the test split.

    Args:
        setup: The training setup of the run, with the final weights.
        folder: The run.
        conformal: The scores.

    Raises:
        RunError: They cannot be written.
    """
    from dlrun.training.checkpoints.choosing import FINAL, checkpoint_named

    stopping = setup.spec.training.early_stopping
    ends_with_best = stopping is not None and stopping.restore_best
    keep_scores(folder, checkpoint_named(folder, FINAL, ends_with_best=ends_with_best), conformal)
    test = setup.dataset.splits.get("test")
    if test is not None and test is not setup.dataset.splits.get("validation") and conformal.allows(_LEVEL):
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
    truth, predicted, weights = [], [], []
    for part in _parts(split, most=_MOST_EXAMPLES):
        predicted.append(predictor.learned(part.features))
        truth.append(learned_values(np.asarray(part.target), predictor.target))
        weights.append(part.weight)
    weight = None if split.weight is None else np.concatenate([each for each in weights if each is not None])
    return scores_of(np.concatenate(truth), np.concatenate(predicted), target=predictor.target, weight=weight)


def scores_of(truth: Array, predicted: Array, *, target: Target, weight: Array | None = None) -> ConformalScores | None:
    """Return the conformity scores of predictions; None if one is not finite, or no example counts.

    Args:
        truth: The true values as the network learns them.
        predicted: The predictions in the same unit.
        target: What the model predicts.
        weight: What each example counts; None if all count once.

    Shape:
        truth: `(n, size)`. predicted: `(n, levels, size)`. weight: `(n,)`.
    """
    if not (np.isfinite(truth).all() and np.isfinite(predicted).all()) or (weight is not None and not weight.any()):
        return None
    return ConformalScores.measure(truth, predicted, levels=target.levels, main=target.main_level, weight=weight)


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

    Weighted examples count by their weights.

    Args:
        predictor: The predictor of the model.
        conformal: The conformity scores of the validation split.
        level: The probability that the truth is within the bounds.
    """

    def __init__(self, predictor: Predictor, conformal: ConformalScores, *, level: float) -> None:
        self._predictor, self._conformal, self._level = predictor, conformal, level
        self._inside, self._width = np.zeros((2, predictor.target.size))
        self._counted = 0.0

    def add(self, stored: Array, truth: Array, weight: Array | None = None) -> None:
        """Add a block of examples.

        Shape:
            stored: `(n, *raw_shape)`. truth: `(n,)` or `(n, size)`, in the unit of the data. weight: `(n,)`.
        """
        learned = self._predictor.learned(stored)
        lower, upper = interval_bounds(self._predictor, learned, self._conformal, level=self._level)
        values = np.asarray(truth, np.float64).reshape(len(truth), -1)
        counts = np.ones(len(values)) if weight is None else weight.astype(np.float64)
        self._inside += counts @ ((lower <= values) & (values <= upper))
        self._width += (upper - lower).sum(axis=0) if weight is None else counts @ (upper - lower)
        self._counted += float(counts.sum())

    def add_split(self, split: Split, *, most: int | None = None) -> None:
        """Add the examples of a split, or an even sample of them.

        Args:
            split: The split, which is not the one that the scores come from.
            most: Number of examples of the sample; None for all.
        """
        for part in _parts(split, most=len(split) if most is None else most):
            self.add(part.features, np.asarray(part.target), part.weight)

    def scores(self) -> dict[str, dict[str, float]]:
        """Return the fraction of covered examples and the mean width, as `coverage_90` and `interval_width_90`."""
        percent, names = f"{100 * self._level:g}", self._predictor.target.output_names
        columns = {f"coverage_{percent}": self._inside, f"interval_width_{percent}": self._width}
        return {
            name: {
                column: float(values[place] / self._counted) if self._counted else math.nan
                for column, values in columns.items()
            }
            for place, name in enumerate(names)
        }


def _parts(split: Split, *, most: int) -> Iterator[Split]:
    rows = np.unique(np.linspace(0, len(split) - 1, min(len(split), most)).astype(np.int64))
    at_once = max(1, _BLOCK_BYTES // max(1, split.features[:1].nbytes))
    for start in range(0, len(rows), at_once):
        yield split.take(rows[start : start + at_once])
