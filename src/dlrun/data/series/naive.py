"""Naive forecasts of a series: each step repeats the last value, or the value one season before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.signature import LAST_VALUE, SEASONAL_VALUE

Array = npt.NDArray[Any]
Starts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NaiveForecast:
    """A forecast that repeats known values.

    Args:
        season: Number of rows after which it repeats; 1 for the last value.

    Formula:
        y(t + j) = y(t + j - season * ceil(j / season)), t the last row of the window
    """

    season: int = 1

    @property
    def method(self) -> str:
        """The description that `run.json` and reports show."""
        return LAST_VALUE if self.season == 1 else f"{SEASONAL_VALUE} ({self.season} rows)"

    def values(self, known: Array, starts: Starts, *, history: int, horizon: int) -> Array:
        """Return the forecasts of windows, step by step.

        Args:
            known: Values of the targets, without gaps.
            starts: First row of each window.
            history: Number of rows of a window.
            horizon: Number of rows that a window predicts.

        Shape:
            known: `(time, columns)`. starts: `(windows,)`. Returns: `(windows, horizon * columns)`.
        """
        repeated = starts[:, None] + history - np.array(rows_back(horizon, self.season))
        found: Array = known[repeated]
        return found.reshape(len(starts), horizon * known.shape[1])


@dataclass(frozen=True)
class NaiveForecasts:
    """The naive forecasts of every split.

    Args:
        best: The forecast with the smaller error on the training windows, which is the baseline.
        by_method: The forecasts of each method by split, the best one first.
    """

    best: NaiveForecast
    by_method: Mapping[str, Mapping[str, Array]]


def naive_forecasts(
    known: Array, starts: Mapping[str, Starts], truth: Array, *, history: int, horizon: int, season: int | None
) -> NaiveForecasts:
    """Make the naive forecasts of every split: the last value and, with a season, the value one season before.

    Args:
        known: Values of the targets, without gaps.
        starts: First row of each window, by split.
        truth: Targets of the training windows.
        history: Number of rows of a window.
        horizon: Number of rows that a window predicts.
        season: Number of rows after which the series repeats; None if it does not.

    Shape:
        known: `(time, columns)`. truth: `(windows,)`, or `(windows, horizon * columns)`.
    """
    made: dict[NaiveForecast, dict[str, Array]] = {}
    for naive in (NaiveForecast(), *([NaiveForecast(season)] if season else [])):
        made[naive] = {
            name: naive.values(known, rows, history=history, horizon=horizon) for name, rows in starts.items()
        }
    # In units of the standard deviation, so that a target with large numbers does not decide alone.
    truth = truth.reshape(len(truth), -1).astype(np.float64)
    unit = truth.std(axis=0)
    unit[unit == 0] = 1.0
    # Chosen on the training windows alone: a baseline that is chosen on the test split would be too strong by chance.
    order = sorted(made, key=lambda naive: float(np.square((made[naive]["train"] - truth) / unit).mean()))
    return NaiveForecasts(order[0], {naive.method: made[naive] for naive in order})


def rows_back(horizon: int, season: int) -> tuple[int, ...]:
    """Return how many rows before the end of a window the value lies that each step repeats; 1 is the last row."""
    return tuple(season * -(-step // season) - step + 1 for step in range(1, horizon + 1))
