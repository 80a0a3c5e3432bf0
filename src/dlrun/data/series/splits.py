"""Windows divided by time: what comes last is held out, and no window of one split predicts a value of another."""

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
    """How a series is divided.

    Args:
        starts: By split: the first row of each window.
        train_rows: Rows from the beginning that the training split sees or predicts; what is adapted is measured here.
    """

    starts: Mapping[str, Starts]
    train_rows: int

    def notes(self) -> Iterator[str]:
        """What was held out."""
        for name in ("test", "validation"):
            if name in self.starts:
                count = len(self.starts[name])
                yield f"{name}: the {'last' if name == 'test' else 'next before'} {count:,} windows, by time"


def cut_by_time(rows: int, *, history: int, horizon: int, test: float, validation: float | str) -> Cut:
    """Divide the windows of a series.

    Args:
        rows: Number of rows of the series.
        history: Rows of a window.
        horizon: Rows that it predicts.
        test: Fraction or number of windows at the end.
        validation: Fraction or number of the windows before these; or `test`.

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
        # Those just before would predict rows that the held-out windows predict.
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
    """The values to predict, step by step.

    Shape:
        values: `(time, columns)`. first: `(windows,)`, the row of each window's first step. Returns: `(windows,
        horizon * columns)`.
    """
    steps: Array = values[first[:, None] + np.arange(horizon)]
    return steps.reshape(len(first), -1)


def known_before(values: Array) -> Array:
    """In place of each missing value the last known one before it; before the first, the first.

    Shape:
        `(time, columns)`, as the result.
    """
    filled = np.empty_like(values)
    for column in range(values.shape[1]):
        known = np.flatnonzero(~np.isnan(values[:, column]))
        last = np.searchsorted(known, np.arange(len(values)), side="right") - 1
        filled[:, column] = values[known[np.maximum(last, 0)], column]
    return filled
