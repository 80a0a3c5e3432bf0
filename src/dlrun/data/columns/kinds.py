"""Decide the kind of each column from the lists of the spec or from its values: a feature, or left out for a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dlrun.data.columns.keys import ColumnKeys, ListName
from dlrun.data.columns.numbers import Notation, example_of, unit_of
from dlrun.data.columns.planned import (
    PlannedColumn,
    centred,
    infer_dates,
    is_mostly_dates,
    is_mostly_numbers,
    layout_of,
    notation_of,
    plan_dates,
    plan_numbers,
)
from dlrun.data.columns.survey import MOST_COUNTED, ColumnSurvey
from dlrun.data.files.table_files import TableFiles
from dlrun.errors import DataError

_FEW_ROWS = 20
_WORDS_OF_TEXT = 3
_DISTINCT_LIKE_IDS = 0.5
_ROWS_OF_A_CATEGORY = 10
_SHOWN = 8


@dataclass(frozen=True)
class Plan:
    """The decision for every column.

    Args:
        columns: The features, in the order of the file.
        ignored: The reasons why other columns are left out, by name.
    """

    columns: tuple[PlannedColumn, ...]
    ignored: Mapping[str, str]

    def notes(self) -> Iterator[str]:
        """Yield a summary for the user: a line for each kind of column, and remarks."""
        for kind in ("numeric", "categorical", "date", "text"):
            names = [column.name for column in self.columns if column.kind == kind]
            if names:
                shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else "")
                yield f"{kind} columns ({len(names)}): {shown}"
        remarks = [column.remark for column in self.columns if column.remark]
        yield from remarks[:_SHOWN]
        if more := remarks[_SHOWN:]:
            yield f"{len(more)} more columns have similar remarks"
        if self.ignored:
            yield "columns left out: " + reasons(self.ignored)


def reasons(left_out: Mapping[str, str]) -> str:
    """Return the columns that are left out, each with its reason, in one line."""
    return "; ".join(f"{name}: {reason}" for name, reason in left_out.items())


def plan_columns(
    table: TableFiles, surveys: Mapping[str, ColumnSurvey], keys: ColumnKeys, *, without: Sequence[str] = ()
) -> Plan:
    """Decide the kind of each column.

    Args:
        table: The training rows.
        surveys: The surveys of its columns.
        keys: The keys of the dataset.
        without: Columns that are not features, such as the target.

    Raises:
        DataError: A listed column is missing or of another kind, a numeric column contains another value, or no
            feature is left.
    """
    table.check_columns(tuple(keys.listed))
    columns: list[PlannedColumn] = []
    ignored: dict[str, str] = {}
    for name in table.names:
        if name in without:
            continue
        if name in table.unreadable:
            _check_not_listed(table, name, keys)
            ignored[name] = table.unreadable[name]
            continue
        planned = _plan(table, surveys[name], keys)
        if isinstance(planned, PlannedColumn):
            columns.append(planned)
        else:
            ignored[name] = planned
    if not columns:
        why = reasons(ignored) or "the target is its only column"
        hint = (
            "if the rows are in order of time, read them as a series, which is predicted from its own past: "
            "--type series (init), type: series"
        )
        if keys.text_refusal in ignored.values():
            hint = "a model of type mlp learns from texts; type: text is for data that consists of texts only"
        raise DataError(f"{table.label} has no column to learn from: {why}", expected="at least one", hint=hint)
    return Plan(tuple(columns), ignored)


def _plan(table: TableFiles, survey: ColumnSurvey, keys: ColumnKeys) -> PlannedColumn | str:
    listed = keys.listed.get(survey.name)
    if not survey.known and listed != "ignore":
        _check_not_listed(table, survey.name, keys)
    if reason := _reason_to_ignore(survey, listed, keys):
        return reason
    # The order matters:
    # 1. Numbers or dates with a few other values, which are mistakes and raise an error. Later steps would take such a
    #    column for categories, or leave it out.
    # 2. A listed column of another kind, whatever its values look like.
    # 3. Any other column, by its values.
    notation, layout = notation_of(table, survey), layout_of(survey)
    if listed == "numeric" or (listed is None and notation is None and is_mostly_numbers(survey)):
        return plan_numbers(table, survey, keys=keys)
    if listed == "date" or (listed is None and layout is None and is_mostly_dates(survey)):
        return plan_dates(table, survey, keys=keys)
    if listed in ("categorical", "text"):
        return PlannedColumn(survey.name, listed)
    inferred = _infer_numeric(survey, notation) if notation else _infer_text(survey)
    if isinstance(inferred, PlannedColumn) and inferred.kind == "text" and keys.text_refusal:
        return keys.text_refusal
    return centred(inferred, survey, keys) if isinstance(inferred, PlannedColumn) else inferred


def _reason_to_ignore(survey: ColumnSurvey, listed: ListName | None, keys: ColumnKeys) -> str:
    if listed in (None, "ignore") and (reason := keys.not_features.get(survey.name)):
        return reason
    if listed == "ignore":
        return "it is listed under ignore"
    if listed is None and keys.unlisted == "ignore":
        return "it is not listed"
    if not survey.known:
        return "every value is missing"
    return "all rows have the same value" if listed is None and survey.is_constant else ""


def _infer_numeric(survey: ColumnSurvey, notation: Notation) -> PlannedColumn | str:
    name = survey.name
    if survey.is_row_number:
        what = "it numbers the rows" if survey.is_permutation else "it numbers rows, of which some are elsewhere"
        return f"{what} (numeric: [{name}] to use it)"
    if survey.is_called_id and survey.is_whole and survey.known >= _FEW_ROWS:
        if survey.is_many or len(survey.counts) > _DISTINCT_LIKE_IDS * survey.known:
            return f"it is an id, by its name and its values (numeric: [{name}] to use it)"
        return PlannedColumn(name, "categorical")
    unit = unit_of(notation)
    remark = f"{name}: numbers with {unit}, read without it: {example_of(notation)} is 1234.5" if unit else ""
    if survey.zero_led and survey.is_whole:
        short = survey.zero_led.lstrip("0") or "0"
        remark = f"{name}: numbers, so that {survey.zero_led} is {short} (categorical: [{name}] if they are codes)"
    return PlannedColumn(name, "numeric", notation, remark=remark)


def _infer_text(survey: ColumnSurvey) -> PlannedColumn | str:
    name = survey.name
    if (layout := layout_of(survey)) is not None:
        return infer_dates(survey, layout)
    if survey.dates == survey.known:
        return "its dates do not have two digits for day and month and four for the year"
    # The survey stops counting distinct values at MOST_COUNTED, so then their number is only known to be larger.
    many = survey.is_many and survey.known < _ROWS_OF_A_CATEGORY * MOST_COUNTED
    different = many or len(survey.counts) > _DISTINCT_LIKE_IDS * survey.known
    if survey.known >= _FEW_ROWS and different:
        if survey.words >= _WORDS_OF_TEXT * survey.known:
            return PlannedColumn(name, "text")
        return f"nearly every row has a value of its own (categorical: [{name}] to use it)"
    return PlannedColumn(name, "categorical")


def _check_not_listed(table: TableFiles, name: str, keys: ColumnKeys) -> None:
    listed = keys.listed.get(name)
    if listed not in (None, "ignore"):
        reason = table.unreadable.get(name, "every value is missing")
        raise DataError(
            f"{table.label}: column {name!r} is listed under {listed}, but {reason}",
            expected="a column with values",
            hint=f"ignore: [{name}]",
        )
