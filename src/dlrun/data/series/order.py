"""The time of a series: detect time columns, read the time of every row, and check the order of rows."""

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
"""Names of columns that form the time together, from the slowest to the fastest."""

TIMES = ("time", "date", "datetime", "timestamp", "ds")
"""Names of columns that are the time on their own."""

_SURELY = ("date", "datetime", "timestamp", "ds")
_YEARS = ("year", "years", "yr")
_FIRST_YEAR, _LAST_YEAR = 1500, 2200


@dataclass(frozen=True)
class Times:
    """The time of every row.

    Args:
        columns: The time columns, from the slowest to the fastest.
        values: Times as returned by `parse_times`.

    Shape:
        values: `(rows, columns)`.
    """

    columns: tuple[TimeColumn, ...]
    values: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def order(self) -> Order:
        """The order of the rows: ascending if time never goes back, descending if it never goes forward."""
        signs = directions(self.values)
        if not (signs < 0).any():
            return "ascending"
        return "descending" if not (signs > 0).any() else "none"


def directions(values: Floats) -> npt.NDArray[np.float64]:
    """Return for each row except the first whether it is later than the row above (1), earlier (-1), or equal (0).

    Shape:
        values: `(rows, columns)`. Returns: `(rows - 1,)`.
    """
    signs = np.zeros(max(0, len(values) - 1))
    for column in values.T:
        # A faster column decides only where all slower ones are equal.
        signs = np.where(signs == 0, np.sign(np.diff(column)), signs)
    return signs


def read_times(table: TableFiles, names: Sequence[str], *, missing: Sequence[str] = MISSING_VALUES) -> Times:
    """Read the time columns, each in a layout that all of its values fit.

    If day and month are ambiguous, the layout in which the rows are in order is used, or else day first.

    Args:
        table: The series.
        names: The columns, from the slowest to the fastest.
        missing: Texts that mark missing values.

    Raises:
        DataError: A value is missing or is not a time; the error names the row.
    """
    fitting = [_fitting(table, name, missing) for name in names]
    chosen = [next(iter(each)) for each in fitting]
    # Ascending order is tried first; a file with the newest row first still tells which number is the day.
    for is_wrong in (np.less, np.greater):
        sorted_in = [layout for layout, values in fitting[0].items() if not is_wrong(np.diff(values), 0).any()]
        if sorted_in:  # in sorted rows the slowest column never goes back, whatever the faster ones do
            chosen[0] = sorted_in[0]
            break
    values = [each[layout] for each, layout in zip(fitting, chosen, strict=True)]
    columns = tuple(TimeColumn(name, layout) for name, layout in zip(names, chosen, strict=True))
    return Times(columns, np.stack(values, axis=-1))


def check_order(table: TableFiles, times: Times) -> None:
    """Check that rows are in time order.

    Raises:
        DataError: A time is before that of the row above; the error names both rows.
    """
    if times.order == "ascending":
        return
    row = int(np.argmax(directions(times.values) < 0)) + 1
    before, now = (written_time(table, times.names, each) for each in (row - 1, row))
    raise gone_back(table, row, (before, now), times.names, is_descending=times.order == "descending")


def check_times(table: TableFiles, columns: Sequence[TimeColumn], *, missing: Sequence[str]) -> None:
    """Check that rows are in the order of known time columns, in bounded memory.

    Args:
        table: A new file of the same kind as the series.
        columns: The time columns.
        missing: Texts that mark missing values.

    Raises:
        DataError: A time is before that of the row above, missing, or in another layout; the error names the row.
    """
    names = [column.name for column in columns]
    last, back, goes_on = np.zeros((0, len(names))), None, False
    for block in table.blocks(names):
        values = np.concatenate([last, _values(table, block, columns, missing)])
        signs = directions(values)
        if back is None and (signs < 0).any():
            back = block.first - len(last) + int(np.argmax(signs < 0)) + 1
        # A file that never goes forward is descending, and the error says so. This is known only at its end.
        goes_on = goes_on or bool((signs > 0).any())
        if back is not None and goes_on:
            break
        last = values[-1:]
    if back is not None:
        before, now = (written_time(table, names, each) for each in (back - 1, back))
        raise gone_back(table, back, (before, now), names, is_descending=not goes_on)


def describe_order(table: TableFiles, times: Times) -> str:
    """Return a message if rows are not in the order of a detected time column; empty otherwise."""
    if times.order == "ascending":
        return ""
    row = int(np.argmax(directions(times.values) < 0)) + 1
    before, now = (written_time(table, times.names, each) for each in (row - 1, row))
    by = ", ".join(times.names)
    how = "the newest row is first" if times.order == "descending" else f"{now} comes after {before}"
    return f"the rows are not in the order of {by}, which looks like the time: {how} ({table.place(row)})"


def remedy_of_order(times: Times) -> str:
    """Return advice for rows that are not in order."""
    what = times.names[0] if len(times.names) == 1 else f"[{', '.join(times.names)}]"
    return f"sort the file with the oldest row first, and set `time: {what}`; otherwise windows mix past and future"


def _fitting(table: TableFiles, name: str, missing: Sequence[str]) -> dict[TimeLayout, Floats]:
    """Return the values of a column for each layout that fits all of them."""
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
            # The layout that fits the most rows from the start is probably the one that was meant.
            row = max(reached.values())
            raise not_a_time(
                table,
                block.first + row,
                name,
                known[row].as_py(),
                expected=f"a number, or a time such as {', '.join(WRITTEN[layout] for layout in DATES)}",
                hint="use the same notation in every row; or leave out `time` if the rows are in order",
            )
        found = {layout: blocks for layout, blocks in found.items() if layout not in reached}
    return {layout: np.concatenate(blocks or [np.zeros(0)]) for layout, blocks in found.items()}


def _values(table: TableFiles, block: Block, columns: Sequence[TimeColumn], missing: Sequence[str]) -> Floats:
    """Return the times of a block.

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
                expected=f"a time as in the training data: {WRITTEN[column.layout]}",
                hint="correct the value",
            )
        found.append(values)
    return np.stack(found, axis=-1)


def written_time(table: TableFiles, names: Sequence[str], row: int) -> str:
    """Return the time of a row as in the file."""
    for block in table.blocks(list(names)):
        if row < block.first + block.rows:
            return " ".join(str(block.columns[name][row - block.first].as_py()).strip() for name in names)
    raise IndexError(row)


def gone_back(
    table: TableFiles, row: int, written: tuple[str, str], names: Sequence[str], *, is_descending: bool = False
) -> DataError:
    """Return the error for a time that goes back.

    Args:
        table: The series.
        row: The first row that is earlier than the row above, from 0.
        written: The time of the row above, and its own.
        names: The time columns.
        is_descending: Whether all rows are in descending order.
    """
    before, now = written
    by = ", ".join(names)
    what = f"{table.place(row)}: the time {now} comes after {before} in {table.place(row - 1)}"
    if is_descending:
        return DataError(
            f"{what}, and so on to the end: the file is in descending order, with the newest row first",
            expected="rows in time order, the oldest first",
            hint=f"reverse the file, or sort it by {by}; with pandas: pd.read_csv(A)[::-1].to_csv(B, index=False)",
        )
    return DataError(
        what,
        expected="rows in time order, the oldest first",
        hint=f"sort the file by {by}; if it contains several shops or sensors, keep the rows of one",
    )


def not_a_time(table: TableFiles, row: int, name: str, found: object, *, expected: str, hint: str) -> DataError:
    """Return the error for a value that is missing or not a time."""
    is_missing = found is None or (isinstance(found, float) and math.isnan(found))
    what = f"column {name!r} has no value" if is_missing else f"column {name!r} contains {found!r}"
    return DataError(f"{table.place(row)}: {what}", expected=expected, hint=hint)


def detect_time(
    table: TableFiles, surveys: Mapping[str, ColumnSurvey], *, missing: Sequence[str] = MISSING_VALUES
) -> Times | None:
    """Detect the time columns: the first candidate by which the rows are in order, or else the first candidate.

    Args:
        table: The series.
        surveys: The surveys of its columns.
        missing: Texts that mark missing values.

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
        # A numeric column named "time" may be a duration.
        if len(names) > 1 or is_dates(surveys[names[0]]) or names[0].lower() in _SURELY:
            unordered.append(times)
    # Descending rows are in order, only reversed. sort() is stable, so otherwise the most likely candidate stays first.
    unordered.sort(key=lambda times: times.order == "none")
    return unordered[0] if unordered else None


def possible_times(surveys: Mapping[str, ColumnSurvey]) -> Iterator[tuple[str, ...]]:
    """Yield candidates for the time columns, the most likely first.

    Args:
        surveys: The surveys of the columns, in the order of the file.
    """
    # Reversed, so that of names that differ only in case the first one in the file remains.
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
    """Return whether all values of a column are dates, and not all the same."""
    is_written_so = layout_of(survey) is not None or survey.dates == survey.known or is_periods(survey)
    return bool(survey.known) and is_written_so and not survey.is_constant


def is_periods(survey: ColumnSurvey) -> bool:
    """Return whether all values of a column are months, quarters or weeks: 1949-01, Jan 1949, 1949-Q1, 1949-W01."""
    import pyarrow as pa

    if survey.is_many or survey.numeric or not survey.counts:
        return False
    texts = list(survey.counts)
    layouts = [layout for layout in ("ymd", *PERIODS) if parse_times(pa.array(texts[:1]), layout)[1] is None]
    return any(parse_times(pa.array(texts), layout)[1] is None for layout in layouts)


def is_years(survey: ColumnSurvey, *, is_first: bool) -> bool:
    """Return whether a numeric column contains years: by its name, or as a first column with one row per year.

    Args:
        survey: The survey of the column.
        is_first: Whether it is the first column of the file.
    """
    if not survey.numeric or not survey.is_whole or not _FIRST_YEAR <= survey.low <= survey.high <= _LAST_YEAR:
        return False
    return survey.name.lower() in _YEARS or (is_first and survey.is_permutation)
