"""Partial dependence: the average prediction when a column has the same value in all examples.

Reference:
    Friedman, 2001, "Greedy Function Approximation: A Gradient Boosting Machine", section 8.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MOST_POINTS, MOST_CATEGORIES = 20, 12
_ENDS = (0.01, 0.99)
_VALUES = 100


@dataclass(frozen=True)
class ColumnGrid:
    """The values of a column at which to look at predictions.

    Args:
        name: Name of the column.
        cells: The values as stored, one row for each point.
        points: For numbers and dates, the place of each point on an axis; for categories, the part of the examples that
            have it.
        categories: Names of the categories; empty for numbers and dates.
        values: For numbers and dates, values of the column in examples, which show where the model has seen data.

    Shape:
        cells: `(points, width)`. points: `(points,)`. values: `(k,)`.
    """

    name: str
    cells: Array
    points: npt.NDArray[np.float64]
    categories: tuple[str, ...] = ()
    values: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


def number_grid(name: str, axis: Array, cells: Array) -> ColumnGrid | None:
    """Return the grid of a column of numbers or dates: values of examples, evenly spaced by rank.

    Args:
        name: Name of the column.
        axis: Number of each example, without missing ones.
        cells: Stored values of each example.

    Shape:
        axis: `(n,)`. cells: `(n, width)`.

    Returns:
        The grid; None for a column with fewer than two different numbers.
    """
    order = np.argsort(axis, kind="stable")
    if not len(order) or axis[order[0]] == axis[order[-1]]:
        return None
    # Without the outermost percent: one outlier would take most of the axis. Values of examples and not numbers between
    # them, so that parts of a date stay those of a day that exists.
    low, high = (round(end * (len(order) - 1)) for end in _ENDS)
    chosen = order[np.unique(np.linspace(low, high, MOST_POINTS).round().astype(int))]
    _, first = np.unique(axis[chosen], return_index=True)
    chosen = chosen[first]
    shown = order[np.linspace(low, high, min(_VALUES, len(order))).round().astype(int)]
    return ColumnGrid(name, cells[chosen], axis[chosen].astype(np.float64), values=axis[shown].astype(np.float64))


def category_grid(name: str, ids: Array, names: Callable[[int], str]) -> ColumnGrid | None:
    """Return the grid of a column of categories: the most frequent ones.

    Args:
        name: Name of the column.
        ids: Stored id of each example.
        names: Function from an id to the name of its category.

    Shape:
        ids: `(n,)`.

    Returns:
        The grid; None for a column with a single category.
    """
    found, counts = np.unique(ids, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    if len(found) < 2:
        return None
    shares = counts[order] / len(ids)
    return ColumnGrid(name, found[order][:, None], shares, tuple(names(int(number)) for number in found[order]))


def partial_dependence(
    predict: Callable[[Array], Array], stored: Array, places: Sequence[int], cells: Array
) -> npt.NDArray[np.float64]:
    """Return the mean prediction of examples for each value of a column.

    Args:
        predict: Function from stored examples to predictions, which is called once.
        stored: Stored examples.
        places: Indices of the values of the column in the last axis.
        cells: Values of the column, as stored.

    Formula:
        for each value v: the mean over examples x of f(x with v in the column)

    Shape:
        stored: `(n, width)`. cells: `(points, len(places))`. Returns: `(points, size)`.
    """
    changed = np.repeat(stored[None], len(cells), axis=0)
    changed[:, :, list(places)] = cells[:, None, :]
    outputs = predict(changed.reshape(-1, *stored.shape[1:]))
    return np.asarray(outputs.reshape(len(cells), len(stored), -1).mean(axis=1, dtype=np.float64))
