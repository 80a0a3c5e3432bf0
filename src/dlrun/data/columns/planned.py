"""Planned columns: features and targets with the notation of their numbers or dates. Other values are errors."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

from dlrun.data.columns.column import Column
from dlrun.data.columns.dates import DateLayout, is_written_as_date, parse_dates
from dlrun.data.columns.keys import ColumnKeys
from dlrun.data.columns.numbers import Notation, example_of, fits_another, parse_numbers
from dlrun.data.columns.survey import ColumnSurvey
from dlrun.data.columns.texts import as_texts, known_values
from dlrun.data.files.table_files import TableFiles
from dlrun.errors import DataError

Kind = Literal["numeric", "categorical", "date", "text"]

_MOSTLY = 0.9
"""Fraction of numbers or dates from which on a column counts as numeric or as dates, and other values as mistakes."""

_FEW_VALUES = 20


@dataclass(frozen=True)
class PlannedColumn:
    """A column to read as a feature or target.

    Args:
        name: Name of the column.
        kind: Kind of its values.
        notation: Notation of its numbers.
        layout: Layout of its dates.
        remark: A remark for the user if the column may have been misread, with the key to change that; may be empty.
        is_target: Whether it is a target. In series, a target is a feature, too.
        merges: Whether different numbers become equal in float32.
        offset: Offset to subtract from its numbers, so that they stay different in float32.
    """

    name: str
    kind: Kind
    notation: Notation = "plain"
    layout: DateLayout = "ymd"
    remark: str = ""
    is_target: bool = False
    merges: bool = False
    offset: float = 0.0


def notation_of(table: TableFiles | None, survey: ColumnSurvey) -> Notation | None:
    """Return the notation of a column of numbers, or None for other columns.

    `1,234` is ambiguous: in a file with commas as delimiters, or of an unknown delimiter, the comma groups digits, in
    others it is a decimal comma.
    """
    fitting = [notation for notation, count in survey.notations.items() if count == survey.known > 0]
    if not fitting:
        return None
    # Numbers without separators fit several notations. `plain` is the first of them, and needs no guess.
    if fitting[0].startswith("plain") or len(fitting) == 1:
        return fitting[0]
    dialect = None if table is None else getattr(table.files[0], "dialect", None)
    delimiter = getattr(dialect, "delimiter", ",")
    return next(notation for notation in fitting if notation.startswith("comma") == (delimiter != ","))


def layout_of(survey: ColumnSurvey) -> DateLayout | None:
    """Return the layout of a column of dates, or None for other columns. If ambiguous, the day comes first."""
    return next((layout for layout, count in survey.layouts.items() if count == survey.known > 0), None)


def is_mostly_numbers(survey: ColumnSurvey) -> bool:
    """Return whether a column is numeric except for mistakes. Few different values (1, 2, 3, 4+) are categories."""
    few = not survey.is_many and len(survey.counts) <= _FEW_VALUES
    return not few and max(survey.notations.values()) >= _MOSTLY * survey.known


def is_mostly_dates(survey: ColumnSurvey) -> bool:
    """Return whether a column consists of readable dates except for mistakes."""
    return max(survey.layouts.values()) >= _MOSTLY * survey.known


def plan_numbers(
    table: TableFiles, survey: ColumnSurvey, *, keys: ColumnKeys, is_target: bool = False
) -> PlannedColumn:
    """Return the plan of a column that must be numeric.

    Raises:
        DataError: A value is not a number; the error names its row and what to try.
    """
    name, notation = survey.name, notation_of(table, survey)
    if notation is not None:
        return centred(PlannedColumn(name, "numeric", notation, is_target=is_target), survey, keys)
    best: Notation = "plain"
    for each, count in survey.notations.items():
        best = each if count > survey.notations[best] else best
    # The survey knows how many values are wrong, but not where, so the rows are read again to name the first.
    for block in table.blocks([name]):
        known = known_values(block.columns[name], keys.missing_texts)
        wrong = parse_numbers(known, best)[1]
        if wrong is not None:
            planned = PlannedColumn(name, "numeric", best, is_target=is_target)
            raise wrong_value(table.place(block.first + wrong), planned, known[wrong].as_py())
    return PlannedColumn(name, "numeric", best, is_target=is_target)


def centred(planned: PlannedColumn, survey: ColumnSurvey, keys: ColumnKeys) -> PlannedColumn:
    """Return a plan that subtracts the mean of the numbers if float32 could not distinguish them otherwise."""
    if not survey.merges or planned.kind != "numeric" or not planned.notation.startswith("plain"):
        return planned
    return replace(planned, merges=True, offset=0.0 if keys.numeric_scaling == "none" else survey.centre)


def infer_dates(survey: ColumnSurvey, layout: DateLayout) -> PlannedColumn:
    """Return the plan of a column of dates, with a remark if day and month are ambiguous."""
    remark = ""
    if layout == "dmy" and survey.layouts["mdy"] == survey.known:
        example = f" ({next(iter(survey.counts))})" if survey.counts else ""
        remark = (
            f"{survey.name}: dates{example} are read as day, month, year, but may be month, day, year, because no day "
            "is above 12 (dates such as 2021-03-05 are unambiguous)"
        )
    return PlannedColumn(survey.name, "date", layout=layout, remark=remark)


def plan_dates(table: TableFiles, survey: ColumnSurvey, *, keys: ColumnKeys) -> PlannedColumn:
    """Return the plan of a column that must consist of dates.

    Raises:
        DataError: A value is not a date; the error names its row and what to try.
    """
    best = max(survey.layouts, key=lambda layout: survey.layouts[layout])
    layout = layout_of(survey)
    planned = infer_dates(survey, layout or best)
    if layout is None:
        for block in table.blocks([survey.name]):
            known = as_texts(known_values(block.columns[survey.name], keys.missing_texts))
            wrong = parse_dates(known, planned.layout)[1]
            if wrong is not None:
                raise wrong_value(table.place(block.first + wrong), planned, known[wrong].as_py())
    return planned


def wrong_value(place: str, column: PlannedColumn | Column, found: object, *, hint: str = "") -> DataError:
    """Return the error for a value that should be a number or a date."""
    name, expected = column.name, "a number between -1e18 and 1e18"
    if column.kind == "numeric" and fits_another(str(found), column.notation):
        mark = "comma" if column.notation.startswith("comma") else "point"
        where = "the rest of the column" if isinstance(column, PlannedColumn) else "training"
        expected = f"a number with a decimal {mark} such as {example_of(column.notation)}, as in {where}"
    elif column.kind == "date":
        example = {"ymd": "2021-03-05", "dmy": "05.03.2021", "mdy": "03/05/2021"}[column.layout]
        expected = f"a date such as {example}, with or without a time"
        if is_written_as_date(str(found), column.layout):
            expected = "a day that exists in the calendar"
    return DataError(
        f"{place}: column {name!r} contains {found!r}",
        expected=expected,
        hint=hint or _remedy(column, str(found)),
    )


def _remedy(column: PlannedColumn | Column, found: str) -> str:
    """Return what to change in the spec or file for a value that is not a number or date."""
    missing = f"also_missing: [{json.dumps(found, ensure_ascii=False)}] if it marks a missing value"
    if isinstance(column, PlannedColumn) and column.is_target:
        return f"correct the value; or {missing}, with missing_target: drop"
    return f"{missing}; or list the column under categorical or ignore: ignore: [{column.name}]"
