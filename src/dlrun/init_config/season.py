"""Detect the season of a series, from its calendar or from the autocorrelation of its training values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlrun.data.series.order import Times
from dlrun.data.series.steps import steps_of

Floats = npt.NDArray[np.float64]

_DAY = 86_400.0
_CALENDAR = (
    (89 * _DAY, 93 * _DAY, 4, "quarters of a year"), (28 * _DAY, 31 * _DAY, 12, "months of a year"),
    (7 * _DAY, 7 * _DAY, 52, "weeks of a year"), (_DAY, _DAY, 7, "days of a week"),
    (3600.0, 3600.0, 24, "hours of a day"), (1800.0, 1800.0, 48, "half hours of a day"),
    (900.0, 900.0, 96, "quarter hours of a day"), (600.0, 600.0, 144, "steps of ten minutes of a day"),
)  # fmt: skip
"""Shortest and longest step in seconds, number of steps in a season, and its name."""

_WORK_DAYS, _WEEKENDS = (5, "working days of a week"), (0.1, 0.4)
_PERIODS_SEEN = 2
_LARGEST_LAG = 400
_STRONG, _AS_GOOD = 0.4, 0.9
_SURE = 4.0
_FEWEST = 20


@dataclass(frozen=True)
class Season:
    """The season of a series.

    Args:
        rows: Number of rows after which the series repeats.
        why: How the season was detected.
        strength: Autocorrelation of the differences between rows at this lag.
    """

    rows: int
    why: str
    strength: float

    @property
    def is_strong(self) -> bool:
        """Whether the values confirm the season, not only the calendar."""
        return self.strength >= _STRONG


def find_season(values: Floats, times: Times | None) -> Season | None:
    """Find the season of a series from its calendar, or else from its autocorrelation.

    Args:
        values: Target values in the rows before the hold-out; nan for missing values.
        times: Times of all rows; None if there is no time column.

    Returns:
        The season, or None if none was detected.
    """
    known = np.interp(np.arange(len(values)), np.flatnonzero(~np.isnan(values)), values[~np.isnan(values)])
    # Differences remove a trend, which would correlate at every lag.
    changes = np.diff(known)
    if found := _by_calendar(times):
        rows, name = found
        # The values cannot confirm a season that they contain less than twice, such as a year in 18 months.
        if len(known) >= _PERIODS_SEEN * rows:
            strength = autocorrelation(changes, rows)
            return Season(rows, _why_calendar(f"the {rows} {name}", strength), strength)
    if not (lag := _by_values(changes)):
        return None
    strength = autocorrelation(changes, lag)
    return Season(lag, f"{lag} rows (autocorrelation {strength:.2f})", strength)


def wanders(values: Floats) -> bool:
    """Return whether the last value predicts the next one better than the mean does, as in a random walk."""
    changes = np.diff(values)
    return bool(np.nanmean(np.square(changes)) < np.nanvar(values)) if len(values) > 1 else False


def is_chance(values: Floats, history: int) -> bool:
    """Return whether a window predicts no better than the last value or the mean, so that the rest is noise."""
    rest = np.diff(values) if wanders(values) else values
    rest = rest[~np.isnan(rest)]
    # The autocorrelation of noise has a standard deviation of 1 / sqrt(n); four of them are significant.
    lags = range(1, min(history, len(rest) - 1) + 1)
    return all(abs(autocorrelation(rest, lag)) < _SURE / len(rest) ** 0.5 for lag in lags)


def autocorrelation(values: Floats, lag: int) -> float:
    """Return the correlation of a series with itself `lag` rows later.

    Formula:
        sum (x_t - m)(x_(t+lag) - m) / sum (x_t - m)^2, m the mean of x.
    """
    centred = values - values.mean()
    power = float(np.square(centred).sum())
    return float((centred[:-lag] * centred[lag:]).sum()) / power if power and lag < len(values) else 0.0


def _by_calendar(times: Times | None) -> tuple[int, str] | None:
    if times is None or times.order != "ascending":
        return None
    steps = steps_of(times)
    if not steps.is_seconds:
        return None
    low, high = _WEEKENDS
    # Working days have one gap in five steps, holidays some more; other daily data has hardly any.
    if steps.usual == _DAY and low < steps.gaps / max(1, steps.rows) < high:
        return _WORK_DAYS
    return next(((rows, name) for least, most, rows, name in _CALENDAR if least <= steps.usual <= most), None)


def _why_calendar(period: str, strength: float) -> str:
    shown = f"autocorrelation {strength:.2f}"
    if strength >= _STRONG:
        return f"{period} ({shown})"
    return f"a guess from the calendar alone: {period}; the values hardly repeat ({shown})"


def _by_values(changes: Floats) -> int:
    """Return the smallest lag whose autocorrelation peak is about as high as the highest; 0 if no peak is high."""
    most = min(_LARGEST_LAG, len(changes) // (_PERIODS_SEEN + 1))
    if len(changes) < _FEWEST or not np.ptp(changes):
        return 0
    found = np.array([0.0, *(autocorrelation(changes, lag) for lag in range(1, most + 2))])
    peaks = [lag for lag in range(2, most + 1) if found[lag] >= max(found[lag - 1], found[lag + 1])]
    needed = max(_STRONG, _SURE / len(changes) ** 0.5)
    high = [lag for lag in peaks if found[lag] >= needed]
    highest = max((found[lag] for lag in high), default=0.0)
    # A multiple of the season correlates as well and may even be highest by chance, so take the smallest.
    return next((lag for lag in high if found[lag] >= _AS_GOOD * highest), 0)
