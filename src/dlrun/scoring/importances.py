"""Permutation importance: how much the loss grows when the values of a column are shuffled between examples.

Reference:
    Breiman, 2001, "Random Forests", section 10; Fisher, Rudin and Dominici, 2019, "All Models are Wrong, but Many are
    Useful".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.classification import weighted_mean
from dlrun.signature import Target

Array = npt.NDArray[Any]

_TURNS = 5
# A probability of 0 would make the loss infinite, and the increase of the loss undefined.
_LEAST = 1e-7


@dataclass(frozen=True)
class Importance:
    """Importance of a column for the predictions.

    Args:
        column: Name of the column.
        mean: Mean increase of the measure when the values of the column are shuffled.
        deviation: Standard deviation of the increase over several shuffles.
    """

    column: str
    mean: float
    deviation: float


def permutation_importances(
    predict: Callable[[Array], Array],
    stored: Array,
    columns: Mapping[str, tuple[int, ...]],
    *,
    measure: Callable[[Array], float],
    turns: int = _TURNS,
) -> tuple[Importance, ...]:
    """Return the permutation importance of each column.

    Args:
        predict: Function from stored examples to predictions.
        stored: Stored examples.
        columns: Indices of the values of each column in the last axis, by column name.
        measure: Function from predictions to a number that grows when they get worse.
        turns: Number of shuffles per column.

    Returns:
        The importances, most important first.

    Shape:
        stored: `(n, width)`, or `(n, steps, width)`, where all steps of an example are shuffled together.
    """
    generator = np.random.default_rng(0)  # a fixed seed, so that the same run has the same importances
    before = measure(predict(stored))
    found = []
    for name, places in columns.items():
        rises = []
        for _ in range(turns):
            changed = stored.copy()
            # One permutation for all values of a column: separately, they would form cells that no example has.
            changed[..., list(places)] = stored[generator.permutation(len(stored))][..., list(places)]
            rises.append(measure(predict(changed)) - before)
        found.append(Importance(name, float(np.mean(rises)), float(np.std(rises))))
    return tuple(sorted(found, key=lambda importance: -importance.mean))


def loss_of(
    truth: Array, target: Target, output: int | None = None, *, weights: Array | None = None
) -> tuple[Callable[[Array], float], str]:
    """Return a function that grows when predictions get worse, and its name.

    Args:
        truth: Truth; see `Split.target`.
        target: Target of the predictions.
        output: Index of a class, label or value to measure alone; None for all.
        weights: Weight of each example, `(n,)`; None for equal weights.
    """

    def mean(losses: Array) -> float:
        return float(losses.mean() if weights is None else weighted_mean(losses, weights).mean())

    if output is not None:
        return _loss_of_one(truth, target, output, mean)
    if target.kind == "classes":
        rows, classes = np.arange(len(truth)), truth.astype(np.int64)
        return lambda outputs: mean(-np.log(np.maximum(outputs[rows, classes], _LEAST))), "log loss"
    if target.kind == "class_columns":
        chosen = truth.astype(np.int64) + [part.first for part in target.parts]
        rows = np.arange(len(truth))[:, None]
        return lambda outputs: mean(-np.log(np.maximum(outputs[rows, chosen], _LEAST))), "log loss"
    if target.kind == "labels":

        def log_loss(outputs: Array) -> float:
            return mean(-np.log(np.maximum(np.where(truth > 0, outputs, 1 - outputs), _LEAST)))

        return log_loss, "log loss"
    values = truth.reshape(len(truth), -1)
    # Values have different units, so each error counts relative to the deviation of its value.
    spread = np.maximum(values.std(axis=0), _LEAST)
    if values.shape[1] == 1:
        return lambda outputs: mean(np.square(outputs - values)) ** 0.5, "RMSE"
    return lambda outputs: mean(np.square((outputs - values) / spread)) ** 0.5, "RMSE / standard deviation"


def change_of(outputs: Array, output: int | None = None) -> tuple[Callable[[Array], float], str]:
    """Return a function for the mean change of predictions, for data without truth, and its name.

    Args:
        outputs: Predictions for the unchanged examples, `(n, size)`.
        output: Index of a class, label or value to measure alone; None for all.
    """
    of = slice(None) if output is None else slice(output, output + 1)
    return lambda changed: float(np.abs(changed - outputs)[:, of].mean()), "mean change of the prediction"


def _loss_of_one(
    truth: Array, target: Target, output: int, mean: Callable[[Array], float]
) -> tuple[Callable[[Array], float], str]:
    if target.kind == "values":
        values = truth.reshape(len(truth), -1)[:, output]
        name = "RMSE" if target.size == 1 else f"RMSE of {target.output_names[output]}"
        return lambda outputs: mean(np.square(outputs[:, output] - values)) ** 0.5, name
    if target.kind == "labels":
        is_one = truth[:, output] > 0
    else:
        number, part = next((n, part) for n, part in enumerate(target.parts) if output < part.places.stop)
        is_one = truth.reshape(len(truth), -1)[:, number] == output - part.first

    def log_loss(outputs: Array) -> float:
        own = outputs[:, output]
        return mean(-np.log(np.maximum(np.where(is_one, own, 1 - own), _LEAST)))

    return log_loss, f"log loss of {target.output_names[output]}"
