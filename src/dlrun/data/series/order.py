"""The time of a series: which columns look like it, the time of every row, and whether rows are in its order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.columns import Block, ColumnSurvey, TableFiles
from dlrun.data.columns.planned import layout_of
from dlrun.data.columns.texts import MISSING_VALUES, known_values
from dlrun.data.series.time import DATES, LAYOUTS, PERIODS, WRITTEN, Floats, TimeColumn, TimeLayout, parse_times
from dlrun.errors import DataError

Order = Literal["ascending", "descending", "none"]


PARTS = ("year", "month", "day", "hour", "minute", "second")
"""Names of columns that tell the time together, from the slowest on."""

TIMES = ("time", "date", "datetime", "timestamp", "ds")
"""Names of columns that tell it alone."""

_SURELY = ("date", "datetime", "timestamp", "ds")
_YEARS = ("year", "years", "yr")
_FIRST_YEAR, _LAST_YEAR = 1500, 2200


@dataclass(frozen=True)
class Times:
    """The time of every row.

    Args:
        columns: The columns of the time, from the slowest on.
        values: As `parse_times` gives them.

    Shape:
        values: `(rows, columns)`.
    """

    columns: tuple[TimeColumn, ...]
    values: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def order(self) -> Order:
        """Whether time never goes back from one row to the next, or never forward; ascending if it stands still."""
        signs = directions(self.values)
        if not (signs < 0).any():
            return "ascending"
        return "descending" if not (signs > 0).any() else "none"


def directions(values: Floats) -> npt.NDArray[np.float64]:
    """Of each row but the first, whether it is later than the one above (1), earlier (-1) or neither (0).

    Shape:
        values: `(rows, columns)`. Returns: `(rows - 1,)`.
    """
    signs = np.zeros(max(0, len(values) - 1))
    for column in values.T:
        signs = np.where(signs == 0, np.sign(np.diff(column)), signs)
    return signs


def read_times(table: TableFiles, names: Sequence[str], *, missing: Sequence[str] = MISSING_VALUES) -> Times:
    """Read the columns of the time, each in the layout that all of its values fit.

    Where day and month may stand either way, the way in which the rows are in order is taken, else day first.

    Args:
        table: The series.
        names: The columns, from the slowest on.
        missing: The texts that mean missing.

    Raises:
        DataError: A value is missing or is not a time: names the row.
    """
    fitting = [_fitting(table, name, missing) for name in names]
    chosen = [next(iter(each)) for each in fitting]
    for is_wrong in (np.less, np.greater):
        sorted_in = [layout for layout, values in fitting[0].items() if not is_wrong(np.diff(values), 0).any()]
        if sorted_in:  # whatever the faster columns do, the slowest never goes back
            chosen[0] = sorted_in[0]
            break
    values = [each[layout] for each, layout in zip(fitting, chosen, strict=True)]
    columns = tuple(TimeColumn(name, layout) for name, layout in zip(names, chosen, strict=True))
    return Times(columns, np.stack(values, axis=-1))


def check_order(table: TableFiles, times: Times) -> None:
    """Refuse rows that are not in time order.

    Raises:
        DataError: A time is before that of the row above: names both rows.
    """
    if times.order == "ascending":
        return
    row = int(np.argmax(directions(times.values) < 0)) + 1
    before, now = (written_time(table, times.names, each) for each in (row - 1, row))
    raise gone_back(table, row, (before, now), times.names, is_descending=times.order == "descending")


def check_times(table: TableFiles, columns: Sequence[TimeColumn], *, missing: Sequence[str]) -> None:
    """Refuse rows that are not in the order of columns whose layout is known, in memory that does not grow with them.

    Args:
        table: Rows that continue or resemble the series in which the columns were detected.
        columns: The columns of the time.
        missing: The texts that mean missing.

    Raises:
        DataError: A time is before that of the row above, is missing, or is written otherwise: names the row.
    """
    names = [column.name for column in columns]
    last, back, goes_on = np.zeros((0, len(names))), None, False
    for block in table.blocks(names):
        values = np.concatenate([last, _values(table, block, columns, missing)])
        signs = directions(values)
        if back is None and (signs < 0).any():
            back = block.first - len(last) + int(np.argmax(signs < 0)) + 1
        goes_on = goes_on or bool((signs > 0).any())
        if back is not None and goes_on:
            break
        last = values[-1:]
    if back is not None:
        before, now = (written_time(table, names, each) for each in (back - 1, back))
        raise gone_back(table, back, (before, now), names, is_descending=not goes_on)


def describe_order(table: TableFiles, times: Times) -> str:
    """Describe rows that are not in the order of a column that looks like the time; empty if they are."""
    if times.order == "ascending":
        return ""
    row = int(np.argmax(directions(times.values) < 0)) + 1
    before, now = (written_time(table, times.names, each) for each in (row - 1, row))
    by = ", ".join(times.names)
    so = "the newest stands first" if times.order == "descending" else f"{now} comes after {before}"
    return f"the rows are not in the order of {by}, which looks like the time: {so} ({table.place(row)})"


def remedy_of_order(times: Times) -> str:
    """What to do about it."""
    what = times.names[0] if len(times.names) == 1 else f"[{', '.join(times.names)}]"
    return f"sort the file, the oldest row first, and say `time: {what}`: as they stand, windows mix past and future"


def _fitting(table: TableFiles, name: str, missing: Sequence[str]) -> dict[TimeLayout, Floats]:
    """The values of a column by each layout that fits them all."""
    found: dict[TimeLayout, list[Floats]] = {layout: [] for layout in LAYOUTS}
    for block in table.blocks([name]):
        known = known_values(block.columns[name], missing)
        reached: dict[TimeLayout, int] = {}
        for layout in list(found):
            values, _ = parse_times(known, layout)
            if np.isnan(values).any():
                reached[layout] = int(np.argmax(np.isnan(values)))
                continue
            found[layout].append(values)
        if len(reached) == len(found):
            row = max(reached.values())
            raise not_a_time(
                table,
                block.first + row,
                name,
                known[row].as_py(),
                expected=f"a number, or a time such as {', '.join(WRITTEN[layout] for layout in DATES)}",
                hint="write it alike in every row; or leave `time` out, if the rows are in order",
            )
        found = {layout: blocks for layout, blocks in found.items() if layout not in reached}
    return {layout: np.concatenate(blocks or [np.zeros(0)]) for layout, blocks in found.items()}


def _values(table: TableFiles, block: Block, columns: Sequence[TimeColumn], missing: Sequence[str]) -> Floats:
    """The times of a block.

    Shape:
        Returns: `(rows, columns)`.
    """
    found = []
    for column in columns:
        known = known_values(block.columns[column.name], missing)
        values, _ = parse_times(known, column.layout)
        if np.isnan(values).any():
            row = int(np.argmax(np.isnan(values)))
            raise not_a_time(
                table,
                block.first + row,
                column.name,
                known[row].as_py(),
                expected=f"a time as the training data has it: {WRITTEN[column.layout]}",
                hint="mend the value",
            )
        found.append(values)
    return np.stack(found, axis=-1)


def written_time(table: TableFiles, names: Sequence[str], row: int) -> str:
    """The time of a row as the file has it."""
    for block in table.blocks(list(names)):
        if row < block.first + block.rows:
            return " ".join(str(block.columns[name][row - block.first].as_py()).strip() for name in names)
    raise IndexError(row)


def gone_back(
    table: TableFiles, row: int, written: tuple[str, str], names: Sequence[str], *, is_descending: bool = False
) -> DataError:
    """The error of a time that goes back.

    Args:
        table: The series.
        row: The row that does it, from 0.
        written: The time of the row above, and its own.
        names: The columns of the time.
        is_descending: Whether all rows do it.
    """
    before, now = written
    by = ", ".join(names)
    said = f"{table.place(row)}: the time {now} comes after {before} in {table.place(row - 1)}"
    if is_descending:
        return DataError(
            f"{said}, and so on to the end: the file is descending, its newest row stands first",
            expected="rows in time order, the oldest first",
            hint=f"turn the file round, or sort it by {by}: with pandas pd.read_csv(A)[::-1].to_csv(B, index=False)",
        )
    return DataError(
        said,
        expected="rows in time order, the oldest first",
        hint=f"sort the file by {by}; if its rows are of several things (shops, sensors), keep those of one",
    )


def not_a_time(table: TableFiles, row: int, name: str, found: object, *, expected: str, hint: str) -> DataError:
    """The error for a value that is not a time, or is missing."""
    is_missing = found is None or (isinstance(found, float) and math.isnan(found))
    said = f"column {name!r} has no value" if is_missing else f"column {name!r} holds {found!r}"
    return DataError(f"{table.place(row)}: {said}", expected=expected, hint=hint)


def detect_time(
    table: TableFiles, surveys: Mapping[str, ColumnSurvey], *, missing: Sequence[str] = MISSING_VALUES
) -> Times | None:
    """The columns that tell the time: the first in whose order the rows are, else the first that looks like it anyway.

    Args:
        table: The series.
        surveys: The surveys of its columns.
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
    """Yield the columns that look like the time, the most likely first.

    Args:
        surveys: The surveys of the columns, in the order of the file.
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
        survey: The survey of the column.
        is_first: Whether it is the first of its file.
    """
    if not survey.numeric or not survey.is_whole or not _FIRST_YEAR <= survey.low <= survey.high <= _LAST_YEAR:
        return False
    return survey.name.lower() in _YEARS or (is_first and survey.is_permutation)
