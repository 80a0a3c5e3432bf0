"""What a table has to predict: classes, several yes-or-no labels, or numbers, told from its columns or the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns import CodedRows, ColumnKeys, ColumnSurvey, PlannedColumn, TableFiles, notation_of
from dlrun.data.columns.numbers import Notation, parse_numbers
from dlrun.data.columns.planned import is_mostly_numbers, plan_numbers
from dlrun.data.columns.texts import as_texts
from dlrun.data.labels import Task
from dlrun.errors import DataError
from dlrun.signature import Target, TargetKind

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.integer[Any]]

_TWO = 2
_MOST_CLASSES_OF_NUMBERS = 20
_ROWS_OF_A_CLASS = 5
_FEW_ROWS = 20
_SAYS_NOTHING = ("1", "1.0", "true", "yes", "y", "t")


@dataclass(frozen=True)
class TargetColumn:
    """A column that is to be predicted.

    Args:
        name: Of the column.
        classes: Of its categories in the order of their indices; empty: it holds numbers.
        notation: How files write its numbers.
    """

    name: str
    classes: tuple[str, ...] = ()
    notation: Notation = "plain"

    def code(self, known: pa.Array) -> tuple[Array, int | None]:
        """Class indices or numbers, and the index of the first that is neither, a missing one included.

        Shape:
            Returns: `(rows,)`.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.classes:
            found = pc.index_in(as_texts(known), value_set=pa.array(self.classes, pa.string()))
            indices = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
            return indices, int(np.argmin(indices)) if (indices < 0).any() else None
        values, wrong = parse_numbers(known, self.notation)
        if wrong is None and np.isnan(values).any():
            wrong = int(np.argmax(np.isnan(values)))
        return values.astype(np.float32), wrong


@dataclass(frozen=True)
class TargetPlan:
    """How the target is read.

    Args:
        kind: What it is.
        columns: Those to code.
        note: The choice, and its reason.
    """

    kind: TargetKind
    columns: tuple[PlannedColumn, ...]
    note: str


def plan_target(
    table: TableFiles, surveys: Mapping[str, ColumnSurvey], names: Sequence[str], *, task: Task, keys: ColumnKeys
) -> TargetPlan:
    """Settle what the target is.

    Args:
        table: The training rows.
        surveys: What was counted of its columns.
        names: The columns to predict.
        task: What the spec says.
        keys: How columns are read.

    Raises:
        DataError: A column is not there, holds nothing, one value or something that is no number, or several columns
            are not of one kind.
    """
    table.check_columns(names)
    for name in names:
        _check_varies(table, name, surveys)
    kinds = {name: _is_classes(table, surveys[name], task, keys=keys) for name in names}
    if len(names) == 1:
        return _plan_one(table, surveys[names[0]], kinds[names[0]], keys=keys)
    two_valued = [name for name in names if _distinct(surveys[name]) == _TWO]
    if task != "regression" and len(two_valued) == len(names):
        columns = tuple(PlannedColumn(name, "categorical") for name in names)
        return TargetPlan("labels", columns, f"target: {len(names)} yes-or-no labels, as each has two values")
    if task != "classification" and all(notation_of(table, surveys[name]) for name in names):
        columns = tuple(plan_numbers(table, surveys[name], keys=keys) for name in names)
        return TargetPlan("values", columns, f"target: {len(names)} numbers ({', '.join(names)})")
    said = ", ".join(f"{name} has {_said(surveys[name])}" for name in names)
    raise DataError(
        f"{table.label}: the targets are not of one kind: {said}",
        expected="columns of numbers, or columns of two values each",
        hint="one target for each run",
    )


def code_target(rows: CodedRows, plan: TargetPlan, train: Indices) -> tuple[tuple[TargetColumn, ...], Array]:
    """The target of every row.

    Args:
        rows: With the target's columns.
        plan: What they are.
        train: Rows that may be trained on: their classes are all there are.

    Returns:
        The columns; and class indices or numbers, -1 or NaN where one is missing.

    Shape:
        `(rows,)`; `(rows, columns)` of several.

    Raises:
        DataError: A row that is not among `train` has a class of its own.
    """
    columns, values = [], []
    for planned in plan.columns:
        coded = rows.columns[planned.name]
        if planned.kind == "numeric":
            columns.append(TargetColumn(planned.name, (), planned.notation))
            values.append(np.asarray(coded.values))
            continue
        present = np.unique(coded.values[train])
        classes = sorted_classes([coded.texts[index] for index in present[present >= 0].tolist()])
        order = {name: index for index, name in enumerate(classes)}
        unknown = -2
        final = np.array([*(order.get(text, unknown) for text in coded.texts), -1], np.int32)[coded.values]
        if (final == unknown).any():
            row = int(np.argmax(final == unknown))
            raise unknown_class(rows.place(row), planned.name, coded.texts[coded.values[row]], classes)
        columns.append(TargetColumn(planned.name, classes))
        values.append(final)
    return tuple(columns), values[0] if len(values) == 1 else np.stack(values, axis=-1).astype(np.float32)


def make_target(plan: TargetPlan, columns: Sequence[TargetColumn], values: Array) -> Target:
    """The target that the training split's values make up; numbers are learnt with mean 0 and variance 1.

    Shape:
        values: `(examples,)` or `(examples, columns)`, of the training split.
    """
    names = tuple(column.name for column in columns)
    if plan.kind == "classes":
        return Target("classes", max(_TWO, len(columns[0].classes)), columns[0].classes)
    if plan.kind == "labels":
        ones = (column.classes[1] for column in columns)
        said = tuple(name if one.lower() in _SAYS_NOTHING else one for name, one in zip(names, ones, strict=True))
        return Target("labels", len(columns), said, names=names)
    flat = values.reshape(len(values), -1)
    mean = flat.mean(axis=0, dtype=np.float64)
    scale = flat.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1.0
    return Target(
        "values", len(columns), encoding="value", names=names, mean=tuple(mean.tolist()), scale=tuple(scale.tolist())
    )


def sorted_classes(texts: Sequence[str]) -> tuple[str, ...]:
    """Classes in an order that does not depend on the rows': by value if all are numbers, else by the alphabet."""
    try:
        return tuple(sorted(texts, key=lambda text: (float(text), text)))
    except ValueError:
        return tuple(sorted(texts, key=lambda text: (text.casefold(), text)))


def unknown_class(place: str, name: str, found: object, classes: Sequence[str]) -> DataError:
    """The error of a class that training does not know."""
    known = ", ".join(classes[:10]) + (", ..." if classes[10:] else "")
    return DataError(f"{place}: column {name!r} holds {found!r}, which no training row has", expected=f"one of {known}")


def _plan_one(table: TableFiles, survey: ColumnSurvey, kind: tuple[bool, str], *, keys: ColumnKeys) -> TargetPlan:
    name, (is_classes, why) = survey.name, kind
    if is_classes:
        if survey.known >= _FEW_ROWS and _distinct(survey) > survey.known / _TWO:
            raise DataError(
                f"{table.label}: the target {name!r} has {_said(survey)} in {survey.known:,} rows",
                expected="classes with several rows each",
                hint="another target, or task: regression if it is a number",
            )
        said = "classes" if survey.is_many else f"{len(survey.counts)} classes"
        return TargetPlan("classes", (PlannedColumn(name, "categorical"),), f"target: {name}: {said}, because {why}")
    return TargetPlan("values", (plan_numbers(table, survey, keys=keys),), f"target: {name}: a number, because {why}")


def _is_classes(table: TableFiles, survey: ColumnSurvey, task: Task, *, keys: ColumnKeys) -> tuple[bool, str]:
    """Whether a target is classes, and the reason."""
    if task != "auto":
        return task == "classification", f"task: {task}"
    notation = notation_of(table, survey)
    distinct = _distinct(survey)
    if notation is None:
        if is_mostly_numbers(survey):
            plan_numbers(table, survey, keys=keys)
        return True, "its values are no numbers"
    few = distinct == _TWO or distinct <= min(_MOST_CLASSES_OF_NUMBERS, survey.known // _ROWS_OF_A_CLASS)
    if survey.is_whole and few:
        return True, f"it has {distinct} different whole numbers (task: regression to read them as numbers)"
    return False, "its values are numbers (task: classification to read them as classes)"


def _check_varies(table: TableFiles, name: str, surveys: Mapping[str, ColumnSurvey]) -> None:
    if name in table.unreadable:
        raise DataError(f"{table.label}: the target {name!r} cannot be used: {table.unreadable[name]}")
    if not surveys[name].known:
        raise DataError(f"{table.label}: the target {name!r} has no values", expected="a value in every row")
    if _distinct(surveys[name]) == 1:
        (value,) = surveys[name].counts
        said = f"{table.label}: the target {name!r} is {value!r} in every row"
        raise DataError(said, expected="two different values at least")


def _distinct(survey: ColumnSurvey) -> float:
    return float("inf") if survey.is_many else len(survey.counts)


def _said(survey: ColumnSurvey) -> str:
    numbers = " numbers" if survey.numeric else ""
    return f"many different{numbers or ' values'}" if survey.is_many else f"{len(survey.counts)} different values"
