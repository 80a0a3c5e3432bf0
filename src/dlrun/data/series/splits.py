"""Split windows by time: the last windows are held out, and no split predicts values that another split predicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.splits import held_out_count
from dlrun.errors import DataError

Array = npt.NDArray[Any]
Starts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cut:
    """The splits of a series.

    Args:
        starts: First row of each window, by split.
        train_rows: Number of rows, from the first, that the training split reads or predicts. Statistics are measured
            on them.
    """

    starts: Mapping[str, Starts]
    train_rows: int

    def notes(self) -> Iterator[str]:
        """Yield notes on what is held out."""
        for name in ("test", "validation"):
            if name in self.starts:
                count = len(self.starts[name])
                yield f"{name}: the {'last' if name == 'test' else 'next before'} {count:,} windows, by time"


def cut_by_time(rows: int, *, history: int, horizon: int, test: float, validation: float | str) -> Cut:
    """Split the windows of a series by time.

    Args:
        rows: Number of rows of the series.
        history: Number of rows of a window.
        horizon: Number of rows that a window predicts.
        test: Fraction or number of windows at the end.
        validation: Fraction or number of windows before these, or `test`.

    Raises:
        DataError: There are too few rows.
    """
    windows = rows - history - horizon + 1
    if windows < 1:
        raise DataError(
            f"the series has {rows} rows",
            expected=f"at least {history + horizon}: history {history}, horizon {horizon}",
        )
    starts, end = {}, windows
    for name, value in (("test", test), ("validation", validation)):
        if isinstance(value, str) or not value:
            continue
        count = held_out_count(value, end)
        starts[name] = np.arange(end - count, end)
        # Skip the windows just before, which would predict rows that the held-out windows predict.
        end -= count + horizon - 1
        if end < 1:
            raise DataError(
                f"{name}: {value} holds out {count:,} of {windows:,} windows",
                expected="some examples left for training",
            )
    starts["train"] = np.arange(end)
    if isinstance(validation, str):
        if validation not in starts:
            raise DataError(f"validation: there is no split {validation!r}", expected="a fraction, or a test split")
        starts["validation"] = starts[validation]
    return Cut(
        {name: starts[name] for name in ("train", "validation", "test") if name in starts}, end + history + horizon - 1
    )


def targets_of(values: Array, first: Starts, horizon: int) -> Array:
    """Return the values to predict, step by step.

    Shape:
        values: `(time, columns)`. first: `(windows,)`, the row of each window's first step. Returns: `(windows,
        horizon * columns)`.
    """
    steps: Array = values[first[:, None] + np.arange(horizon)]
    return steps.reshape(len(first), -1)


def known_before(values: Array) -> Array:
    """Return values with each missing one replaced by the last known value before it, or else the first known value.

    Shape:
        values and result: `(time, columns)`.
    """
    filled = np.empty_like(values)
    for column in range(values.shape[1]):
        known = np.flatnonzero(~np.isnan(values[:, column]))
        last = np.searchsorted(known, np.arange(len(values)), side="right") - 1
        filled[:, column] = values[known[np.maximum(last, 0)], column]
    return filled
