"""Find the numbers of rows after which a series may repeat, by its calendar and by its training values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlrun.data.series.order import Times
from dlrun.data.series.steps import steps_of

Floats = npt.NDArray[np.float64]

_DAY = 86_400.0
_CALENDAR = (
    (89 * _DAY, 93 * _DAY, ((4, "quarters of a year"),)),
    (28 * _DAY, 31 * _DAY, ((12, "months of a year"),)),
    (7 * _DAY, 7 * _DAY, ((52, "weeks of a year"),)),
    (_DAY, _DAY, ((7, "days of a week"), (365, "days of a year"))),
    (3600.0, 3600.0, ((24, "hours of a day"), (168, "hours of a week"))),
    (1800.0, 1800.0, ((48, "half hours of a day"), (336, "half hours of a week"))),
    (900.0, 900.0, ((96, "quarter hours of a day"),)),
    (600.0, 600.0, ((144, "steps of ten minutes of a day"),)),
)
"""Shortest and longest step in seconds, and the seasons: number of steps, and name."""

_WORK_DAYS, _WEEKENDS = (5, "working days of a week"), (0.1, 0.4)
_PERIODS_SEEN = 2
_LARGEST_LAG = 400
_STRONG, _AS_GOOD = 0.4, 0.9
_SURE = 4.0
_FEWEST = 20


@dataclass(frozen=True)
class Season:
    """A number of rows after which a series may repeat.

    Args:
        rows: Number of rows.
        why: Where it comes from.
    """

    rows: int
    why: str


def find_seasons(values: Floats, times: Times | None) -> tuple[Season, ...]:
    """Find the seasons that a series may have, the calendar's first. Only a measurement tells whether they help.

    Args:
        values: Target values in the rows before the test split; NaN for missing values.
        times: Times of all rows; None if there is no time column.

    Returns:
        The seasons that the values contain at least twice, shortest first.
    """
    given = ~np.isnan(values)
    if not given.any():
        return ()
    known = np.interp(np.arange(len(values)), np.flatnonzero(given), values[given])
    found = {rows: Season(rows, f"the {rows} {name}") for rows, name in _by_calendar(times)}
    # Differences remove a trend, which would correlate at every lag.
    changes = np.diff(known)
    if (lag := _by_values(changes)) and lag not in found:
        found[lag] = Season(
            lag, f"every {lag} rows, where the changes have an autocorrelation of {autocorrelation(changes, lag):.2f}"
        )
    # The values cannot confirm a season that they contain less than twice, such as a year in 18 months.
    return tuple(found[rows] for rows in sorted(found) if len(known) >= _PERIODS_SEEN * rows)


def autocorrelation(values: Floats, lag: int) -> float:
    """Return the correlation of a series with itself `lag` rows later.

    Formula:
        sum (x_t - m)(x_(t+lag) - m) / sum (x_t - m)^2, m the mean of x.
    """
    centred = values - values.mean()
    power = float(np.square(centred).sum())
    return float((centred[:-lag] * centred[lag:]).sum()) / power if power and lag < len(values) else 0.0


def _by_calendar(times: Times | None) -> tuple[tuple[int, str], ...]:
    if times is None or times.order != "ascending":
        return ()
    steps = steps_of(times)
    if not steps.is_seconds:
        return ()
    low, high = _WEEKENDS
    # Working days have one gap in five steps, holidays some more; other daily data has hardly any.
    if steps.usual == _DAY and low < steps.gaps / max(1, steps.rows) < high:
        return (_WORK_DAYS,)
    return next((seasons for least, most, seasons in _CALENDAR if least <= steps.usual <= most), ())


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
