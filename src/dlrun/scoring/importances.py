"""Permutation importance: how much the loss grows when the values of a column are shuffled between examples.

Reference:
    Breiman, 2001, "Random Forests", section 10; Fisher, Rudin and Dominici, 2019, "All Models are Wrong, but Many are
    Useful".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.classification import ratio, weighted_mean
from dlrun.scoring.weighted import bootstrap_weights
from dlrun.signature import Target

Array = npt.NDArray[Any]

TURNS = 5
"""Number of shuffles of each column."""

_SAMPLES = 400
# A probability of 0 would make the loss infinite, and the increase of the loss undefined.
_LEAST = 1e-7


@dataclass(frozen=True)
class Importance:
    """Importance of a column for the predictions.

    Args:
        column: Name of the column.
        mean: Mean increase of the measure when the values of the column are shuffled.
        deviation: Standard deviation of the increase over several shuffles.
        low: Lower end of the 95 % interval of the mean increase; None if it was not computed.
        high: Upper end.
    """

    column: str
    mean: float
    deviation: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measure:
    """A quantity that grows when predictions get worse.

    Args:
        name: Name of the quantity.
        losses: Function from predictions to the loss of each example, `(n,)`.
        is_root: Whether it is the root of the mean loss, and not the mean loss itself.
        weights: Weight of each example, `(n,)`; None for equal weights.
    """

    name: str
    losses: Callable[[Array], Array]
    is_root: bool = False
    weights: Array | None = None

    def __call__(self, outputs: Array) -> float:
        """Return the quantity for some predictions."""
        return self.of_losses(self.losses(outputs))

    def of_losses(self, losses: Array) -> float:
        """Return the quantity for the losses of the examples, `(n,)`."""
        mean = float(losses.mean() if self.weights is None else weighted_mean(losses, self.weights).mean())
        return mean**0.5 if self.is_root else mean


def permutation_importances(
    predict: Callable[[Array], Array],
    stored: Array,
    columns: Mapping[str, tuple[int, ...]],
    *,
    measure: Measure,
    turns: int = TURNS,
) -> tuple[Importance, ...]:
    """Return the permutation importance of each column.

    Args:
        predict: Function from stored examples to predictions.
        stored: Stored examples.
        columns: Indices of the values of each column in the last axis, by column name.
        measure: Quantity that grows when predictions get worse.
        turns: Number of shuffles per column.

    Formula:
        the mean over shuffles of measure(shuffled) - measure(unchanged). Its interval has the 2.5 % and 97.5 %
        quantiles of bootstrap samples, each with examples and with shuffles that are drawn with replacement: another
        test split, and other shuffles, would give another mean.

    Returns:
        The importances, most important first.

    Shape:
        stored: `(n, width)`, or `(n, steps, width)`, where all steps of an example are shuffled together.
    """
    generator = np.random.default_rng(0)  # a fixed seed, so that the same run has the same importances
    unchanged = measure.losses(predict(stored))
    before, resampled = measure.of_losses(unchanged), _Resampled(measure, unchanged, turns)
    found = []
    for name, places in columns.items():
        losses = []
        for _ in range(turns):
            changed = stored.copy()
            # One permutation for all values of a column: separately, they would form cells that no example has.
            changed[..., list(places)] = stored[generator.permutation(len(stored))][..., list(places)]
            losses.append(measure.losses(predict(changed)))
        rises = [measure.of_losses(each) - before for each in losses]
        found.append(Importance(name, float(np.mean(rises)), float(np.std(rises)), *resampled.interval(losses)))
    return tuple(sorted(found, key=lambda importance: -importance.mean))


class _Resampled:
    """Bootstrap samples of examples and shuffles, which all columns share.

    Args:
        measure: Quantity to resample.
        unchanged: Losses of the unchanged examples.
        turns: Number of shuffles.
    """

    def __init__(self, measure: Measure, unchanged: Array, turns: int) -> None:
        blocks = bootstrap_weights(len(unchanged), seed=(1,), weight=measure.weights, samples=_SAMPLES)
        weights = np.concatenate([block.astype(np.float32) for block in blocks])
        # Divided now, so that a mean is a single product of matrices.
        self._shares = ratio(weights, weights.sum(axis=1, keepdims=True), otherwise=np.nan).astype(np.float32)
        self._is_root, self._unchanged = measure.is_root, unchanged
        drawn = np.random.default_rng(2).multinomial(turns, np.full(turns, 1 / turns), _SAMPLES)
        self._turns = drawn / turns

    def interval(self, losses: Sequence[Array]) -> tuple[float | None, float | None]:
        """Return the interval of the mean increase for the losses of each shuffle."""
        # The differences are summed, so that a column that changes nothing has an interval of exactly 0.
        rises = self._shares @ np.stack([each - self._unchanged for each in losses], axis=1)
        if self._is_root:  # sqrt(after) - sqrt(before) = (after - before) / (sqrt(after) + sqrt(before))
            before = (self._shares @ self._unchanged)[:, None]
            rises = ratio(rises, np.sqrt(np.maximum(before + rises, 0)) + np.sqrt(before), otherwise=0.0)
        means = (rises * self._turns).sum(axis=1)
        known = means[~np.isnan(means)]
        if not len(known):
            return None, None
        low, high = np.quantile(known, (0.025, 0.975))
        return float(low), float(high)


def loss_of(truth: Array, target: Target, output: int | None = None, *, weights: Array | None = None) -> Measure:
    """Return the loss of predictions: log loss for classes and labels, RMSE for values.

    Args:
        truth: Truth; see `Split.target`.
        target: Target of the predictions.
        output: Index of a class, label or value to measure alone; None for all.
        weights: Weight of each example, `(n,)`; None for equal weights.
    """
    if output is not None:
        return _loss_of_one(truth, target, output, weights)
    if target.kind == "classes":
        rows, classes = np.arange(len(truth)), truth.astype(np.int64)
        return Measure("log loss", lambda outputs: _log_losses(outputs[rows, classes]), weights=weights)
    if target.kind == "class_columns":
        chosen = truth.astype(np.int64) + [part.first for part in target.parts]
        rows = np.arange(len(truth))[:, None]
        return Measure("log loss", lambda outputs: _log_losses(outputs[rows, chosen]), weights=weights)
    if target.kind == "labels":
        return Measure(
            "log loss", lambda outputs: _log_losses(np.where(truth > 0, outputs, 1 - outputs)), weights=weights
        )
    values = truth.reshape(len(truth), -1)
    # Values have different units, so each error counts relative to the deviation of its value.
    one = values.shape[1] == 1
    spread = 1.0 if one else np.maximum(values.std(axis=0), _LEAST)
    name = "RMSE" if one else "RMSE / standard deviation"
    return Measure(name, lambda outputs: np.square((outputs - values) / spread).mean(axis=1), True, weights)


def change_of(outputs: Array, output: int | None = None) -> Measure:
    """Return the mean change of predictions, for data without truth.

    Args:
        outputs: Predictions for the unchanged examples, `(n, size)`.
        output: Index of a class, label or value to measure alone; None for all.
    """
    of = slice(None) if output is None else slice(output, output + 1)
    return Measure("mean change of the prediction", lambda changed: np.abs(changed - outputs)[:, of].mean(axis=1))


def _log_losses(probabilities: Array) -> Array:
    """Return the log loss of each example, the mean over its columns or labels if it has several."""
    losses = -np.log(np.maximum(probabilities, _LEAST))
    return np.asarray(losses.reshape(len(losses), -1).mean(axis=1))


def _loss_of_one(truth: Array, target: Target, output: int, weights: Array | None) -> Measure:
    if target.kind == "values":
        values = truth.reshape(len(truth), -1)[:, output]
        name = "RMSE" if target.size == 1 else f"RMSE of {target.output_names[output]}"
        return Measure(name, lambda outputs: np.square(outputs[:, output] - values), True, weights)
    if target.kind == "labels":
        is_one = truth[:, output] > 0
    else:
        number, part = next((n, part) for n, part in enumerate(target.parts) if output < part.places.stop)
        is_one = truth.reshape(len(truth), -1)[:, number] == output - part.first

    def losses(outputs: Array) -> Array:
        return _log_losses(np.where(is_one, outputs[:, output], 1 - outputs[:, output]))

    return Measure(f"log loss of {target.output_names[output]}", losses, weights=weights)
