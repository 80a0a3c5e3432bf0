"""Which values of an array float32 cannot hold apart: large ids, Unix times, numbers far from 0 beside their spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlrun.data.splits import Array

_DIGITS = 2.0**-24
"""The relative step of float32, halved: what rounding changes at most."""

_FINE = 1e-4
"""Steps of float32 that are a smaller part of a column's spread are too fine to merge what a model tells apart."""

_MOST_ROWS = 100_000
_WIDE_BYTES = 8


def can_merge(dtype: np.dtype[Any]) -> bool:
    """Whether numbers have digits that float32 lacks."""
    return dtype.kind in "iuf" and dtype.itemsize >= _WIDE_BYTES


def merged_values(values: Array, *, name: str) -> Iterator[str]:
    """Yield a sentence for each column of an array of which float32 makes fewer distinct values.

    Args:
        values: As the file holds them, `(rows, ...)`; only numbers of 8 bytes can lose anything.
        name: What to call the array.
    """
    if not can_merge(values.dtype) or not len(values):
        return
    rows = values[:_MOST_ROWS].reshape(min(len(values), _MOST_ROWS), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        lowest, highest = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
        step = np.maximum(np.abs(lowest), np.abs(highest)) * _DIGITS
        coarse = np.flatnonzero(step > _FINE * (highest - lowest))
    if rows.dtype.kind in "iu":  # whole numbers merge as soon as a step is more than 1
        coarse = np.union1d(coarse, np.flatnonzero(step > 0.5))  # half of 1
    for column in coarse.tolist():
        before = len(np.unique(rows[:, column]))
        after = len(np.unique(rows[:, column].astype(np.float32)))
        if after < before:
            where = name if rows.shape[1] == 1 else f"column {column} of {name}"
            yield (
                f"{where}: {before:,} distinct values became {after:,}, as float32 holds no more of their digits "
                "(subtract their mean before they are saved; of ids, save a whole number from 0 for each)"
            )
