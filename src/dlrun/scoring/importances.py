"""Which columns predictions rest on: the values of one are exchanged between the examples, and the loss is measured.

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

from dlrun.signature import Target

Array = npt.NDArray[Any]

_TURNS = 5
_LEAST = 1e-7


@dataclass(frozen=True)
class Importance:
    """How much predictions rest on a column.

    Args:
        column: Its name.
        mean: By how much the measure rises when its values are exchanged, on average.
        deviation: Of that, over several exchanges.
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
    """Exchange the values of each column in turn.

    Args:
        predict: From stored examples to predictions.
        stored: Examples.
        columns: By name, the places of their values on the last axis.
        measure: From predictions to what rises when they get worse.
        turns: How often each is exchanged.

    Returns:
        By column, the most important first.

    Shape:
        stored: `(n, width)`, or `(n, steps, width)`, of which whole histories are exchanged.
    """
    generator = np.random.default_rng(0)
    before = measure(predict(stored))
    found = []
    for name, places in columns.items():
        rises = []
        for _ in range(turns):
            changed = stored.copy()
            changed[..., list(places)] = stored[generator.permutation(len(stored))][..., list(places)]
            rises.append(measure(predict(changed)) - before)
        found.append(Importance(name, float(np.mean(rises)), float(np.std(rises))))
    return tuple(sorted(found, key=lambda importance: -importance.mean))


def loss_of(truth: Array, target: Target, output: int | None = None) -> tuple[Callable[[Array], float], str]:
    """What rises when predictions get worse, and its name.

    Args:
        truth: As `Split.target` holds it.
        target: What is predicted.
        output: Of one class, label or value alone, by its number; None: of all.
    """
    if output is not None:
        return _loss_of_one(truth, target, output)
    if target.kind == "classes":
        rows, classes = np.arange(len(truth)), truth.astype(np.int64)
        return lambda outputs: float(-np.log(np.maximum(outputs[rows, classes], _LEAST)).mean()), "log loss"
    if target.kind == "class_columns":
        chosen = truth.astype(np.int64) + [part.first for part in target.parts]
        rows = np.arange(len(truth))[:, None]
        return lambda outputs: float(-np.log(np.maximum(outputs[rows, chosen], _LEAST)).mean()), "log loss"
    if target.kind == "labels":

        def log_loss(outputs: Array) -> float:
            return float(-np.log(np.maximum(np.where(truth > 0, outputs, 1 - outputs), _LEAST)).mean())

        return log_loss, "log loss"
    values = truth.reshape(len(truth), -1)
    spread = np.maximum(values.std(axis=0), _LEAST)
    if values.shape[1] == 1:
        return lambda outputs: float(np.sqrt(np.square(outputs - values).mean())), "RMSE"
    return lambda outputs: float(np.sqrt(np.square((outputs - values) / spread).mean())), "RMSE / standard deviation"


def change_of(outputs: Array, output: int | None = None) -> tuple[Callable[[Array], float], str]:
    """How far predictions move, where no truth is known, and its name; of one class, label or value, or of all."""
    of = slice(None) if output is None else slice(output, output + 1)
    return lambda changed: float(np.abs(changed - outputs)[:, of].mean()), "mean change of the prediction"


def _loss_of_one(truth: Array, target: Target, output: int) -> tuple[Callable[[Array], float], str]:
    if target.kind == "values":
        values = truth.reshape(len(truth), -1)[:, output]
        name = "RMSE" if target.size == 1 else f"RMSE of {target.output_names[output]}"
        return lambda outputs: float(np.sqrt(np.square(outputs[:, output] - values).mean())), name
    if target.kind == "labels":
        is_one = truth[:, output] > 0
    else:
        number, part = next((n, part) for n, part in enumerate(target.parts) if output < part.places.stop)
        is_one = truth.reshape(len(truth), -1)[:, number] == output - part.first

    def log_loss(outputs: Array) -> float:
        own = outputs[:, output]
        return float(-np.log(np.maximum(np.where(is_one, own, 1 - own), _LEAST)).mean())

    return log_loss, f"log loss of {target.output_names[output]}"
