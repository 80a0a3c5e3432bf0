"""Load the rows of a table: survey and code them, split them, and fit the columns on the training split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns import (
    CodedRows,
    Column,
    ColumnKeys,
    Plan,
    TableFiles,
    UnknownCategories,
    code_rows,
    fit_columns,
    notation_of,
    plan_columns,
    survey_columns,
)
from dlrun.data.example_columns.columns import WeightColumn, weight_note
from dlrun.data.splits import Array, Split
from dlrun.data.table.given_splits import given_parts, whole_splits
from dlrun.data.table.keys import TableKeys
from dlrun.data.table.target import TargetColumn, code_target, make_target
from dlrun.data.table.target_plan import TargetPlan, plan_target
from dlrun.data.target_transform import check_transformable
from dlrun.errors import DataError
from dlrun.signature import Target

Indices = npt.NDArray[np.integer[Any]]

_SHOWN_ROWS = 3


@dataclass(frozen=True)
class TablePlan:
    """The plan of a table after one pass over its training rows.

    Args:
        tables: Tables by split: `train`, and splits with separate files.
        plan: The plan of the feature columns.
        target: The plan of the targets; None for an autoencoder.
        rows: Number of rows of the training table.
        weight: The column of the weights of rows; None if all count once.
    """

    tables: Mapping[str, TableFiles]
    plan: Plan
    target: TargetPlan | None
    rows: int
    weight: WeightColumn | None = None

    def coded_bytes(self, keys: ColumnKeys) -> int:
        """Estimate the size of the rows of all tables as numbers, in bytes."""
        # Only the training rows have been counted; those of other files are estimated from their sizes. A value takes
        # 4 bytes, and the target counts as one more value.
        train = self.tables["train"].size
        rows = self.rows * sum(table.size for table in self.tables.values()) / max(1, train)
        widths = (keys.text_length if column.kind == "text" else 1 for column in self.plan.columns)
        return int(4 * rows * (sum(widths) + 1))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about ambiguous content of the files."""
        return tuple(warning for table in self.tables.values() for warning in table.warnings)

    @property
    def notes(self) -> Iterator[str]:
        """Notes on the choices that were made."""
        for table in self.tables.values():
            yield from table.notes
        yield from self.plan.notes()
        if self.target is not None:
            yield self.target.note


@dataclass(frozen=True)
class TableRows:
    """The rows of a table in splits, with fitted columns.

    Args:
        columns: The feature columns in the order of a stored row.
        targets: The target columns.
        target: The target of the model; None for an autoencoder.
        splits: Splits whose `features` are row numbers, which `stored_blocks` converts to rows.
        notes: Notes on the choices that were made.
        coded: All rows as numbers.
        weight: The column of the weights of rows; None if all count once.
        warnings: Warnings about ambiguous content of the files.
        left_out: Reasons why columns are not features, by name.
    """

    columns: tuple[Column, ...]
    targets: tuple[TargetColumn, ...]
    target: Target | None
    splits: Mapping[str, Split]
    notes: tuple[str, ...]
    coded: CodedRows
    weight: WeightColumn | None = None
    warnings: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def plan_table(source: TableKeys, tables: Mapping[str, TableFiles]) -> TablePlan:
    """Survey the training rows and plan features and targets.

    Raises:
        DataError: A file is damaged, or a column does not fit the spec.
    """
    train, targets = tables["train"], source.targets
    train.check_columns(targets)
    names = [name for name in train.names if name not in train.unreadable]
    surveys = survey_columns(train, names, missing=source.missing_texts)
    if not surveys or not (rows := next(iter(surveys.values())).rows):
        raise DataError(f"{train.label} has no rows", expected="rows below the line of column names")
    target = plan_target(train, surveys, targets, task=source.task, keys=source) if targets else None
    plan, weight = plan_columns(train, surveys, source, without=targets), None
    if source.weight is not None and (survey := surveys.get(source.weight)) is not None:
        weight = WeightColumn(source.weight, notation_of(train, survey) or "plain")
    return TablePlan(tables, plan, target, rows, weight)


def divide_rows(source: TableKeys, plan: TablePlan, *, folder: Path | None = None) -> TableRows:
    """Code every row, hold out test and validation rows, and fit columns on the training split.

    Args:
        source: The keys of the table.
        plan: The plan of its columns.
        folder: Folder for files of coded columns; None to keep them in memory.

    Raises:
        DataError: A required value is missing, a value is not a number, or a class is unknown.
        OSError: `folder` cannot be written.
    """
    target_columns = plan.target.columns if plan.target is not None else ()
    planned = (*plan.plan.columns, *target_columns)
    coded = code_rows(tuple(plan.tables.values()), planned, source, folder=folder)
    described = source.read_example_columns(tuple(plan.tables.values()), plan.weight)
    notes = [*plan.notes, *_cut_off(coded, source.text_length)]
    parts = given_parts(coded, tuple(plan.tables), described, source=source, notes=notes)
    targets: tuple[TargetColumn, ...] = ()
    values: Array | None = None
    if plan.target is not None:
        targets, values = code_target(coded, plan.target, parts["train"])
        parts = _without_unlabelled(parts, values, coded, targets, source=source, notes=notes)
        if plan.target.kind == "values":
            check_transformable(values, source.targets, source.target_transform, place=coded.place)
    # The order matters:
    # 1. Rows without a target are gone before rows are held out, so that each split gets the size that was asked for.
    # 2. Columns are fitted after that, because held-out rows must not influence vocabularies and statistics.
    # 3. Unknown categories are counted last, since they are unknown to the fitted columns.
    whole = whole_splits(parts, values, described, source=source, coded=coded)
    by_class = plan.target is not None and plan.target.kind == "classes"
    splits, held_out = source.hold_out(whole, by_class=by_class)
    train = splits["train"]
    if train.weight is not None and plan.weight is not None:
        notes.append(weight_note(train.weight, plan.weight.name))
    columns = fit_columns(coded, plan.plan.columns, source, train=train.features)
    warnings = [
        *plan.warnings,
        *lost_distinctions(coded),
        *_unknown(coded, columns, parts, plan, refuses=source.unknown_categories == "error"),
    ]
    target = None
    if plan.target is not None and train.target is not None:
        target = make_target(plan.target, targets, train.target)
    return TableRows(
        columns, targets, target, splits, (*notes, *held_out), coded, plan.weight, tuple(warnings), plan.plan.ignored
    )


def lost_distinctions(coded: CodedRows) -> Iterator[str]:
    """Yield a warning for each numeric column whose distinct values become fewer in float32."""
    for column in coded.columns.values():
        if column.distinct is not None and column.distinct[1] < column.distinct[0]:
            before, left = column.distinct
            yield (
                f"{column.name}: {before:,} distinct values became {left:,}, because float32 has too few digits for "
                f"them (if they are codes, use categorical: [{column.name}])"
            )


def _unknown(
    coded: CodedRows, columns: Sequence[Column], parts: Mapping[str, Indices], plan: TablePlan, *, refuses: bool
) -> Iterator[str]:
    """Yield a warning for each separate file with categories that are unknown from training.

    Raises:
        DataError: Most values of a column are unknown.
    """
    for name, part in parts.items():
        if name != "train" and name in plan.tables:
            unknown = UnknownCategories.of_rows(coded, columns, part)
            if refuses:
                unknown.refuse_most(plan.tables[name].label)
            if message := unknown.message():
                yield f"{plan.tables[name].label}: {message}"


def _cut_off(coded: CodedRows, length: int) -> Iterator[str]:
    """Yield a note for each text column on how many of its texts are truncated."""
    for column in coded.columns.values():
        if column.lengths is not None:
            longer = f"{column.lengths.longer_than(length):,} of {column.lengths.texts:,} rows are longer"
            yield f"text_length: {length} words of {column.name}; {longer}, the longest has {column.lengths.longest:,}"


def _without_unlabelled(
    parts: dict[str, Indices],
    values: Array,
    coded: CodedRows,
    targets: tuple[TargetColumn, ...],
    *,
    source: TableKeys,
    notes: list[str],
) -> dict[str, Indices]:
    """Return the splits without rows that have no target.

    Raises:
        DataError: There are such rows, and the spec does not drop them.
    """
    # `plan_target` never mixes classes and numbers, so the first column speaks for all.
    flat = values.reshape(len(values), -1)
    absent = np.any((flat < 0) if targets[0].classes else np.isnan(flat), axis=1)
    if not absent.any():
        return parts
    rows = np.flatnonzero(absent)
    what = f"{len(rows):,} of {len(values):,} rows have no target ({', '.join(source.targets)})"
    if source.missing_target == "error":
        more = ", ..." if len(rows) > _SHOWN_ROWS else ""
        where = ", ".join(coded.place(int(row)) for row in rows[:_SHOWN_ROWS]) + more
        raise DataError(f"{what}: {where}", expected="a value in every row", hint="missing_target: drop")
    notes.append(f"{what} and are left out")
    return {name: part[~absent[part]] for name, part in parts.items()}
