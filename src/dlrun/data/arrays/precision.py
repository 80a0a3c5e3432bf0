"""Find values that become equal in float32: large ids, Unix times, and numbers far from 0 relative to their spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlrun.data.splits import Array

_DIGITS = 2.0**-24
"""The largest relative rounding error of float32."""

_FINE = 1e-4
"""If the steps of float32 are a smaller fraction of the spread of a column, merged values do not matter to a model."""

_MOST_ROWS = 100_000
_WIDE_BYTES = 8


def can_merge(dtype: np.dtype[Any]) -> bool:
    """Return whether numbers of a data type may have more digits than float32."""
    return dtype.kind in "iuf" and dtype.itemsize >= _WIDE_BYTES


def merged_values(values: Array, *, name: str) -> Iterator[str]:
    """Yield a warning for each column of an array with fewer distinct values in float32.

    Args:
        values: Values as in the file. Only 8-byte numbers can lose digits.
        name: Name of the array for messages.

    Shape:
        values: `(rows, ...)`.
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
                f"{where}: {before:,} distinct values became {after:,}, because float32 has too few digits for them "
                "(subtract their mean before saving them; number ids from 0)"
            )
