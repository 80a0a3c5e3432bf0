"""The columns of a series in, those that look as if they told the time out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dlrun.data.columns import ColumnSurvey, TableFiles
from dlrun.data.columns.planned import layout_of
from dlrun.data.columns.texts import MISSING_VALUES
from dlrun.data.series.order import Times, read_times
from dlrun.data.series.time import PERIODS, parse_times
from dlrun.errors import DataError

PARTS = ("year", "month", "day", "hour", "minute", "second")
"""Names of columns that tell the time together, from the slowest on."""

TIMES = ("time", "date", "datetime", "timestamp", "ds")
"""Names of columns that tell it alone."""

_SURELY = ("date", "datetime", "timestamp", "ds")
_YEARS = ("year", "years", "yr")
_FIRST_YEAR, _LAST_YEAR = 1500, 2200


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
    years = [survey.name for number, survey in enumerate(surveys.values()) if is_years(survey, is_first=number == 0)]
    named = [by_lower[name] for name in TIMES if name in by_lower and surveys[by_lower[name]].known]
    yield from (names for names in found if len(names) > 1)
    yield from dict.fromkeys((name,) for name in (*dates, *named, *years))


def is_dates(survey: ColumnSurvey) -> bool:
    """Whether every value of a column is a date, and there are several."""
    is_written_so = layout_of(survey) is not None or survey.dates == survey.known or is_periods(survey)
    return bool(survey.known) and is_written_so and not survey.is_constant


def is_periods(survey: ColumnSurvey) -> bool:
    """Whether every value of a column names a month, a quarter or a week: 1949-01, Jan 1949, 1949-Q1, 1949-W01."""
    import pyarrow as pa

    if survey.is_many or survey.numeric or not survey.counts:
        return False
    texts = list(survey.counts)
    layouts = [layout for layout in ("ymd", *PERIODS) if parse_times(pa.array(texts[:1]), layout)[1] is None]
    return any(parse_times(pa.array(texts), layout)[1] is None for layout in layouts)


def is_years(survey: ColumnSurvey, *, is_first: bool) -> bool:
    """Whether a column of numbers is years: by its name, or the first one, in which every year has a row.

    Args:
        survey: Of the column.
        is_first: Whether it is the first of its file.
    """
    if not survey.numeric or not survey.is_whole or not _FIRST_YEAR <= survey.low <= survey.high <= _LAST_YEAR:
        return False
    return survey.name.lower() in _YEARS or (is_first and survey.is_permutation)
