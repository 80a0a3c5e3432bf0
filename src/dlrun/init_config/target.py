"""Choose the column to predict: given by the user, or with a common name, or the last suitable column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dlrun.data.columns import ColumnKeys, ColumnSurvey, TableFiles
from dlrun.data.table.target_plan import TargetPlan, plan_target
from dlrun.errors import DataError, UsageError
from dlrun.names import nearest

USUAL_NAMES = ("target", "label", "labels", "class", "classes", "y", "outcome", "response", "category", "sentiment")

_FEW_ROWS = 20
_WORDS_OF_TEXT = 3
_LIKE_IDS = 0.5


@dataclass(frozen=True)
class ChosenTarget:
    """The chosen target columns.

    Args:
        name: Name of the column, or of the first of several.
        why: Reason for the choice.
        plan: Plan for reading the target.
        names: Names of all columns to predict.
    """

    name: str
    why: str
    plan: TargetPlan
    names: tuple[str, ...]


def choose_target(
    table: TableFiles, surveys: Mapping[str, ColumnSurvey], keys: ColumnKeys, *, wish: str, more: tuple[str, ...] = ()
) -> ChosenTarget:
    """Choose the column to predict.

    Args:
        table: The rows.
        surveys: Statistics of its columns.
        keys: Keys that control how columns are read.
        wish: Column chosen by the user, or empty.
        more: More columns to predict, chosen by the user.

    Raises:
        UsageError: The column does not exist, or no column can be predicted.
        DataError: The column chosen by the user cannot be predicted.
    """
    if wish:
        names = (wish, *more)
        for index, name in enumerate(names):
            check_column(name, table.names, table.label)
            if name in names[:index]:
                raise UsageError(f"--target {name} appears twice", expected="each column only once")
        plan = plan_target(table, surveys, names, task="auto", keys=keys)
        return ChosenTarget(wish, "as --target says", plan, names)
    if len(table.names) == 1:
        raise UsageError(
            f"{table.label} has only one column", expected="a column to predict, and others to predict it from"
        )
    for name, why in _candidates(table.names):
        if name not in surveys or is_no_target(surveys[name]):
            continue
        try:
            plan = plan_target(table, surveys, [name], task="auto", keys=keys)
        except DataError:
            continue
        return ChosenTarget(name, why, plan, (name,))
    raise UsageError(f"no column of {table.label} looks like a target", expected="--target with the name of a column")


def check_column(name: str, names: Sequence[str], label: str) -> None:
    """Reject the name of a column that does not exist.

    Raises:
        UsageError: There is no such column; the message lists the columns.
    """
    if name not in names:
        near = nearest(name, names)
        hint = f"did you mean {near!r}?" if near else ""
        raise UsageError(f"{label} has no column {name!r}", expected="one of " + ", ".join(names), hint=hint)


def is_no_target(survey: ColumnSurvey) -> bool:
    """Return whether a column is an unlikely target: constant, a row number or id, or a free text."""
    if not survey.known or survey.is_constant or survey.is_row_number:
        return True
    distinct = survey.known if survey.is_many else len(survey.counts)
    is_unique = survey.known >= _FEW_ROWS and distinct > _LIKE_IDS * survey.known
    if survey.is_called_id and is_unique:
        return True
    return not survey.numeric and (is_unique or survey.words > _WORDS_OF_TEXT * survey.known)


def _candidates(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    # Reversed, so that the first of several columns wins whose names differ only in case.
    by_lower = {name.lower(): name for name in reversed(names)}
    for usual in USUAL_NAMES:
        if usual in by_lower:
            yield by_lower[usual], "chosen by its name"
    yield names[-1], "the last column"
    for name in reversed(names[:-1]):
        yield name, "the last column that looks like a target"
