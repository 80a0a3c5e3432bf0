"""Which column is to be predicted: the one that the user names, else one of a usual name, else the last that can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dlrun.data.columns import ColumnKeys, ColumnSurvey, TableFiles
from dlrun.data.table.target_plan import TargetPlan, plan_target
from dlrun.errors import DataError, UsageError
from dlrun.registry import nearest

USUAL_NAMES = ("target", "label", "labels", "class", "classes", "y", "outcome", "response", "category", "sentiment")

_FEW_ROWS = 20
_WORDS_OF_TEXT = 3
_LIKE_IDS = 0.5


@dataclass(frozen=True)
class ChosenTarget:
    """The column to predict.

    Args:
        name: Of the column, or of the first of several.
        why: How it was chosen.
        plan: What it is.
        names: Of all columns to predict.
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
        surveys: What was counted of its columns.
        keys: How columns are read.
        wish: The user's own choice, or empty.
        more: Other columns that the user wants predicted with it.

    Raises:
        UsageError: There is no column of this name, or none can be predicted.
        DataError: The user's choice cannot be predicted.
    """
    if wish:
        names = (wish, *more)
        for index, name in enumerate(names):
            check_column(name, table.names, table.label)
            if name in names[:index]:
                raise UsageError(f"--target {name} is given twice", expected="each column once")
        plan = plan_target(table, surveys, names, task="auto", keys=keys)
        return ChosenTarget(wish, "as --target says", plan, names)
    if len(table.names) == 1:
        raise UsageError(f"{table.label} has one column only", expected="one to predict, and others to predict it from")
    for name, why in _candidates(table.names):
        if name not in surveys or is_no_target(surveys[name]):
            continue
        try:
            plan = plan_target(table, surveys, [name], task="auto", keys=keys)
        except DataError:
            continue
        return ChosenTarget(name, why, plan, (name,))
    raise UsageError(f"no column of {table.label} looks like one to predict", expected="--target with its name")


def check_column(name: str, names: Sequence[str], label: str) -> None:
    """Refuse the name of a column that is not there.

    Raises:
        UsageError: Names those that are.
    """
    if name not in names:
        near = nearest(name, names)
        hint = f"did you mean {near!r}?" if near else ""
        raise UsageError(f"{label} has no column {name!r}", expected="one of " + ", ".join(names), hint=hint)


def is_no_target(survey: ColumnSurvey) -> bool:
    """Whether a column hardly is what someone wants to predict: it says nothing, numbers the rows, or is a text."""
    if not survey.known or survey.is_constant or (survey.known >= _FEW_ROWS and survey.is_permutation):
        return True
    distinct = survey.known if survey.is_many else len(survey.counts)
    is_unique = survey.known >= _FEW_ROWS and distinct > _LIKE_IDS * survey.known
    if survey.is_called_id and is_unique:
        return True
    return not survey.numeric and (is_unique or survey.words > _WORDS_OF_TEXT * survey.known)


def _candidates(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    by_lower = {name.lower(): name for name in reversed(names)}
    for usual in USUAL_NAMES:
        if usual in by_lower:
            yield by_lower[usual], "by its name"
    yield names[-1], "as it is the last column"
    for name in reversed(names[:-1]):
        yield name, "as those behind it can hardly be predicted"
