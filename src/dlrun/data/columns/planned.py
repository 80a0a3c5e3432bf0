"""A column that is a feature or a target, and how its numbers or dates are written; what does not fit is an error."""

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
"""Part of the values from which on a column is one of numbers, or of dates, with mistakes in it."""

_FEW_VALUES = 20


@dataclass(frozen=True)
class PlannedColumn:
    """A column that is a feature.

    Args:
        name: Of the column.
        kind: What its values are.
        notation: How its numbers are written.
        layout: How its dates are written.
        remark: What may have been taken for something else, and how to say so; empty: nothing.
        is_target: Whether it is to be predicted; series learn from what they predict, too.
        merges: Whether different numbers of it are one number in float32.
        offset: What is taken off its numbers, so that they are not.
    """

    name: str
    kind: Kind
    notation: Notation = "plain"
    layout: DateLayout = "ymd"
    remark: str = ""
    is_target: bool = False
    merges: bool = False
    offset: float = 0.0


def notation_of(table: TableFiles, survey: ColumnSurvey) -> Notation | None:
    """How the numbers of a column are written, or None if it is not one of numbers.

    `1,234` alone may be either; between commas it is a number with groups, elsewhere one with a decimal comma.
    """
    fitting = [notation for notation, count in survey.notations.items() if count == survey.known > 0]
    if not fitting:
        return None
    if fitting[0].startswith("plain") or len(fitting) == 1:
        return fitting[0]
    delimiter = getattr(getattr(table.files[0], "dialect", None), "delimiter", ",")
    return next(notation for notation in fitting if notation.startswith("comma") == (delimiter != ","))


def layout_of(survey: ColumnSurvey) -> DateLayout | None:
    """How the dates of a column are written, or None if it is not one of dates; day first where both may be."""
    return next((layout for layout, count in survey.layouts.items() if count == survey.known > 0), None)


def is_mostly_numbers(survey: ColumnSurvey) -> bool:
    """Whether a column is one of numbers, mistakes apart; few different values (1, 2, 3, 4+) are categories."""
    few = not survey.is_many and len(survey.counts) <= _FEW_VALUES
    return not few and max(survey.notations.values()) >= _MOSTLY * survey.known


def is_mostly_dates(survey: ColumnSurvey) -> bool:
    """Whether a column is one of dates that can be read, mistakes apart."""
    return max(survey.layouts.values()) >= _MOSTLY * survey.known


def plan_numbers(
    table: TableFiles, survey: ColumnSurvey, *, keys: ColumnKeys, is_target: bool = False
) -> PlannedColumn:
    """A column that has to be one of numbers.

    Raises:
        DataError: It has something else in it: names the first row where it has, what is there, and what to try.
    """
    name, notation = survey.name, notation_of(table, survey)
    if notation is not None:
        return centred(PlannedColumn(name, "numeric", notation, is_target=is_target), survey, keys)
    best: Notation = "plain"
    for each, count in survey.notations.items():
        best = each if count > survey.notations[best] else best
    for block in table.blocks([name]):
        known = known_values(block.columns[name], keys.missing_texts)
        wrong = parse_numbers(known, best)[1]
        if wrong is not None:
            planned = PlannedColumn(name, "numeric", best, is_target=is_target)
            raise wrong_value(table.place(block.first + wrong), planned, known[wrong].as_py())
    return PlannedColumn(name, "numeric", best, is_target=is_target)


def centred(planned: PlannedColumn, survey: ColumnSurvey, keys: ColumnKeys) -> PlannedColumn:
    """A column of numbers that are learnt less their mean, where float32 does not hold them apart as they are."""
    if not survey.merges or planned.kind != "numeric" or not planned.notation.startswith("plain"):
        return planned
    return replace(planned, merges=True, offset=survey.centre if keys.standardize else 0.0)


def infer_dates(survey: ColumnSurvey, layout: DateLayout) -> PlannedColumn:
    """A column of dates of one layout, with a remark where day and month could change places."""
    remark = ""
    if layout == "dmy" and survey.layouts["mdy"] == survey.known:
        example = f" ({next(iter(survey.counts))})" if survey.counts else ""
        remark = (
            f"{survey.name}: dates{example} are read as day, month, year; they may be month, day, year as well, as no "
            "day is above 12 (written as 2021-03-05 they cannot be mistaken)"
        )
    return PlannedColumn(survey.name, "date", layout=layout, remark=remark)


def plan_dates(table: TableFiles, survey: ColumnSurvey, *, keys: ColumnKeys) -> PlannedColumn:
    """A column that has to be one of dates.

    Raises:
        DataError: As for `plan_numbers`.
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
    """The error of a value that should be a number or a date."""
    name, expected = column.name, "a number, not beyond 1e18 either way"
    if column.kind == "numeric" and fits_another(str(found), column.notation):
        mark = "comma" if column.notation.startswith("comma") else "point"
        where = "the rest of the column" if isinstance(column, PlannedColumn) else "training"
        expected = f"a number with a decimal {mark} such as {example_of(column.notation)}, as in {where}"
    elif column.kind == "date":
        example = {"ymd": "2021-03-05", "dmy": "05.03.2021", "mdy": "03/05/2021"}[column.layout]
        expected = f"a date such as {example}, with or without a time"
        if is_written_as_date(str(found), column.layout):
            expected = "a day that the calendar has"
    return DataError(
        f"{place}: column {name!r} holds {found!r}",
        expected=expected,
        hint=hint or _remedy(column, str(found)),
    )


def _remedy(column: PlannedColumn | Column, found: str) -> str:
    """What to write in the spec about a value that is not a number or not a date."""
    missing = f"also_missing: [{json.dumps(found, ensure_ascii=False)}], if it means that the value is missing"
    if isinstance(column, PlannedColumn) and column.is_target:
        return f"mend the value; or {missing}, with missing_target: drop"
    return f"{missing}; or list the column under categorical or ignore: ignore: [{column.name}]"
