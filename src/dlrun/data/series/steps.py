"""Measure the time steps of a series: the usual step, gaps, and repeated times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dlrun.data.series.order import PARTS, Times, directions
from dlrun.data.series.time import DATES, Floats, seconds_since_1970

GAP = 1.5
"""A step of up to this multiple of the usual one is not a gap, since months have 28 to 31 days."""

_UNITS = (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0), ("second", 1.0))
_FIRST_DATE, _LAST_DATE = 1900_01_01, 2199_12_31
_LAST_MONTH = _LAST_DATE // 100
_MONTHS, _DAYS = 12, 31


@dataclass(frozen=True)
class Steps:
    """The time steps between the rows of a series.

    Args:
        rows: Number of rows.
        repeats: Number of rows with the same time as the row above.
        usual: Median of the other steps; 0 if there are none.
        gaps: Number of steps larger than `GAP` times the usual step.
        largest: Largest step.
        is_seconds: Whether steps are in seconds. If not, they have the unit of the column.
    """

    rows: int
    repeats: int
    usual: float = 0.0
    gaps: int = 0
    largest: float = 0.0
    is_seconds: bool = False

    def describe_gaps(self) -> str:
        """Return a sentence about the gaps."""
        usual = self.written(self.usual)
        if not self.gaps:
            return f"no gaps: the usual step is {usual}"
        row = f"{self.gaps:,} of {self.rows:,} rows follow" if self.gaps > 1 else f"1 of {self.rows:,} rows follows"
        return f"{row} a gap: the usual step is {usual}, the largest {self.written(self.largest)}"

    def describe_repeats(self) -> str:
        """Return a sentence about repeated times."""
        have = "have" if self.repeats > 1 else "has"
        return f"{self.repeats:,} of {self.rows:,} rows {have} the same time as the row above"

    def notes(self) -> Iterator[str]:
        """Yield notes for the user about gaps and repeated times."""
        if self.gaps:
            yield f"{self.describe_gaps()}; windows count rows, not time"
        if self.repeats:
            yield self.describe_repeats()

    def written(self, step: float) -> str:
        """Format a step with its unit."""
        if not self.is_seconds:
            return f"{step:g}"
        unit, size = next(((unit, size) for unit, size in _UNITS if step >= size), _UNITS[-1])
        return f"{step / size:.3g} {unit}{'' if step == size else 's'}"


def steps_of(times: Times) -> Steps:
    """Measure the steps of times that never go back."""
    repeats = int((directions(times.values) == 0).sum())
    axis, is_seconds = time_axis(times)
    if axis is None:
        return Steps(len(times.values), repeats)
    steps = np.diff(axis)
    steps = steps[steps > 0]
    if not len(steps):
        return Steps(len(axis), repeats)
    usual = float(np.median(steps))
    return Steps(len(axis), repeats, usual, int((steps > GAP * usual).sum()), float(steps.max()), is_seconds)


def time_axis(times: Times) -> tuple[Floats | None, bool]:
    """Return the time of each row as one number, and whether it is in seconds; None if that is not possible.

    Shape:
        Returns: `(rows,)`.
    """
    layouts, values = tuple(column.layout for column in times.columns), times.values
    first = values[:, 0]
    if len(layouts) == 1:
        return (_of_digits(first), True) if _is_digits(first) else (first, layouts[0] != "number")
    if len(layouts) == 2 and layouts[0] in DATES and layouts[1] == "clock":  # a date and its time of day
        return values.sum(axis=1), True
    names = tuple(name.lower() for name in times.names)
    if set(layouts) != {"number"} or names != PARTS[: len(names)]:
        return None, False
    rest = [np.ones(len(first)), np.ones(len(first)), *np.zeros((3, len(first)))]  # a month and a day begin at 1
    month, day, hour, minute, second = [*values[:, 1:].T, *rest[len(names) - 1 :]]
    return seconds_since_1970(first, month, day) + hour * 3600 + minute * 60 + second, True


def _is_digits(numbers: Floats) -> bool:
    """Return whether numbers are dates such as 20240331, or months such as 202403."""
    if len(numbers) and numbers.max() <= _LAST_MONTH:
        numbers = numbers * 100 + 1
    day, month = numbers % 100, numbers // 100 % 100
    fits = (numbers >= _FIRST_DATE) & (numbers <= _LAST_DATE) & (numbers == np.floor(numbers))
    return bool((fits & (month >= 1) & (month <= _MONTHS) & (day >= 1) & (day <= _DAYS)).all())


def _of_digits(numbers: Floats) -> Floats:
    if len(numbers) and numbers.max() <= _LAST_MONTH:
        numbers = numbers * 100 + 1
    return seconds_since_1970(numbers // 10_000, numbers // 100 % 100, numbers % 100)
