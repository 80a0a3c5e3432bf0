"""The columns of a series in, those that look as if they told the time out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dlrun.data.columns import ColumnSurvey, TableFiles
from dlrun.data.columns.planned import layout_of
from dlrun.data.columns.texts import MISSING_VALUES
from dlrun.data.series_order import Times, read_times
from dlrun.errors import DataError

PARTS = ("year", "month", "day", "hour", "minute", "second")
"""Names of columns that tell the time together, from the slowest on."""

TIMES = ("time", "date", "datetime", "timestamp", "ds")
"""Names of columns that tell it alone."""

_SURELY = ("date", "datetime", "timestamp", "ds")


def told_time(
    table: TableFiles, surveys: Mapping[str, ColumnSurvey], *, missing: Sequence[str] = MISSING_VALUES
) -> Times | None:
    """The columns that tell the time: the first in whose order the rows are, else the first that looks like it anyway.

    Args:
        table: The series.
        surveys: Of its columns.
        missing: The texts that mean missing.

    Returns:
        None if no column looks like a time.
    """
    unordered: list[Times] = []
    for names in possible_times(surveys):
        try:
            times = read_times(table, names, missing=missing)
        except DataError:
            continue
        if times.order == "ascending":
            return times
        # Numbers that are called time may be how long something took.
        if len(names) > 1 or is_dates(surveys[names[0]]) or names[0].lower() in _SURELY:
            unordered.append(times)
    unordered.sort(key=lambda times: times.order == "none")
    return unordered[0] if unordered else None


def possible_times(surveys: Mapping[str, ColumnSurvey]) -> Iterator[tuple[str, ...]]:
    """The columns that look as if they told the time, those first that do so most likely.

    Args:
        surveys: Of the columns, in the order of the file.
    """
    by_lower = {name.lower(): name for name in reversed(list(surveys))}
    found = [tuple(by_lower[part] for part in PARTS if part in by_lower)]
    if "date" in by_lower and "time" in by_lower:
        found.append((by_lower["date"], by_lower["time"]))
    dates = [survey.name for survey in surveys.values() if is_dates(survey)]
    named = [by_lower[name] for name in TIMES if name in by_lower and surveys[by_lower[name]].known]
    yield from (names for names in found if len(names) > 1)
    yield from dict.fromkeys((name,) for name in (*dates, *named))


def is_dates(survey: ColumnSurvey) -> bool:
    """Whether every value of a column is a date, and there are several."""
    is_written_so = layout_of(survey) is not None or survey.dates == survey.known
    return bool(survey.known) and is_written_so and not survey.is_constant
