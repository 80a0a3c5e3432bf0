"""Plan the target of a table from its columns or the spec: classes, yes-or-no labels, or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlrun.data.columns import ColumnKeys, ColumnSurvey, PlannedColumn, TableFiles, notation_of
from dlrun.data.columns.planned import is_mostly_numbers, plan_numbers
from dlrun.data.labels import Task
from dlrun.errors import DataError
from dlrun.signature import TargetKind

_MOST_CLASSES_OF_NUMBERS = 20
_ROWS_OF_A_CLASS = 5
_FEW_ROWS = 20


@dataclass(frozen=True)
class TargetPlan:
    """The plan of the target.

    Args:
        kind: Kind of the target.
        columns: Columns to code.
        note: The choice with its reason, for the user.
    """

    kind: TargetKind
    columns: tuple[PlannedColumn, ...]
    note: str


def plan_target(
    table: TableFiles, surveys: Mapping[str, ColumnSurvey], names: Sequence[str], *, task: Task, keys: ColumnKeys
) -> TargetPlan:
    """Decide the kind of the target.

    Args:
        table: The training rows.
        surveys: The surveys of its columns.
        names: The columns to predict.
        task: The task of the spec.
        keys: The keys for reading columns.

    Raises:
        DataError: A column is missing, empty or constant, contains a value that is not a number, or the columns are of
            different kinds.
    """
    table.check_columns(names)
    for name in names:
        _check_varies(table, name, surveys)
    kinds = {name: _is_classes(table, surveys[name], task, keys=keys) for name in names}
    if len(names) == 1:
        return _plan_one(table, surveys[names[0]], kinds[names[0]], keys=keys)
    # Labels come before classes, because columns with two values could be either.
    two_valued = [name for name in names if _distinct(surveys[name]) == 2]
    if task != "regression" and len(two_valued) == len(names):
        columns = tuple(PlannedColumn(name, "categorical") for name in names)
        return TargetPlan("labels", columns, f"target: {len(names)} yes-or-no labels, because each has two values")
    if all(is_classes for is_classes, _ in kinds.values()):
        for name in names:
            _check_repeats(table, surveys[name])
        columns = tuple(PlannedColumn(name, "categorical") for name in names)
        counts = ", ".join(f"{name}: {_count_classes(surveys[name])}" for name in names)
        return TargetPlan("class_columns", columns, f"target: a class in each of {len(names)} columns ({counts})")
    if task != "classification" and all(notation_of(table, surveys[name]) for name in names):
        columns = tuple(plan_numbers(table, surveys[name], keys=keys, is_target=True) for name in names)
        return TargetPlan("values", columns, f"target: {len(names)} numbers ({', '.join(names)})")
    found = ", ".join(f"{name} has {_count_values(surveys[name])}" for name in names)
    raise DataError(
        f"{table.label}: the targets are of different kinds: {found}",
        expected="only columns of numbers, or only columns of classes",
        hint="task: classification to read numbers as classes, or a run for each target",
    )


def _plan_one(table: TableFiles, survey: ColumnSurvey, kind: tuple[bool, str], *, keys: ColumnKeys) -> TargetPlan:
    name, (is_classes, why) = survey.name, kind
    if is_classes:
        _check_repeats(table, survey)
        note = f"target: {name}: {_count_classes(survey)}, because {why}"
        return TargetPlan("classes", (PlannedColumn(name, "categorical"),), note)
    return TargetPlan(
        "values", (plan_numbers(table, survey, keys=keys, is_target=True),), f"target: {name}: a number, because {why}"
    )


def _is_classes(table: TableFiles, survey: ColumnSurvey, task: Task, *, keys: ColumnKeys) -> tuple[bool, str]:
    """Return whether a target consists of classes, and the reason."""
    if task != "auto":
        return task == "classification", f"task: {task}"
    notation = notation_of(table, survey)
    distinct = _distinct(survey)
    if notation is None:
        if is_mostly_numbers(survey):
            # Only called for its error: one mistake would turn a column of numbers into thousands of classes.
            plan_numbers(table, survey, keys=keys, is_target=True)
        return True, "its values are not numbers"
    few = distinct == 2 or distinct <= min(_MOST_CLASSES_OF_NUMBERS, survey.known // _ROWS_OF_A_CLASS)
    if survey.is_whole and few:
        return True, f"it has {distinct} distinct whole numbers (task: regression to read them as numbers)"
    return False, "its values are numbers (task: classification to read them as classes)"


def _check_repeats(table: TableFiles, survey: ColumnSurvey) -> None:
    if survey.known >= _FEW_ROWS and _distinct(survey) > survey.known / 2:
        raise DataError(
            f"{table.label}: the target {survey.name!r} has {_count_values(survey)} in {survey.known:,} rows",
            expected="classes with several rows each",
            hint="another target, or task: regression if it is a number",
        )


def _count_classes(survey: ColumnSurvey) -> str:
    return "classes" if survey.is_many else f"{len(survey.counts)} classes"


def _check_varies(table: TableFiles, name: str, surveys: Mapping[str, ColumnSurvey]) -> None:
    if name in table.unreadable:
        raise DataError(f"{table.label}: the target {name!r} cannot be used: {table.unreadable[name]}")
    if not surveys[name].known:
        raise DataError(f"{table.label}: the target {name!r} has no values", expected="a value in every row")
    if _distinct(surveys[name]) == 1:
        (value,) = surveys[name].counts
        what = f"{table.label}: the target {name!r} is {value!r} in every row"
        raise DataError(what, expected="at least two different values")


def _distinct(survey: ColumnSurvey) -> float:
    return float("inf") if survey.is_many else len(survey.counts)


def _count_values(survey: ColumnSurvey) -> str:
    numbers = " numbers" if survey.numeric else ""
    return f"many different{numbers or ' values'}" if survey.is_many else f"{len(survey.counts)} different values"
