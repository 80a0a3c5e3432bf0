"""Code the target columns of a table as numbers, and derive the target of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.columns import CodedRows
from dlrun.data.columns.numbers import Notation, parse_numbers
from dlrun.data.columns.texts import as_texts
from dlrun.data.files.spelling import index_in
from dlrun.data.table.target_plan import TargetPlan
from dlrun.errors import DataError
from dlrun.signature import Target, TargetKind

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.integer[Any]]

_PLAIN_YES = ("1", "1.0", "true", "yes", "y", "t")


@dataclass(frozen=True)
class TargetColumn:
    """A column to predict.

    Args:
        name: Name of the column.
        classes: Classes in the order of their indices; empty for numbers.
        notation: Notation of its numbers in files.
        dtype: Data type of its numbers: float64 if float32 cannot distinguish them before they are standardized.
    """

    name: str
    classes: tuple[str, ...] = ()
    notation: Notation = "plain"
    dtype: Literal["float32", "float64"] = "float32"

    def code(self, known: pa.Array) -> tuple[Array, int | None]:
        """Return class indices or numbers, and the index of the first value that is missing or invalid.

        Shape:
            Returns: `(rows,)`.
        """
        if self.classes:
            indices = index_in(as_texts(known), self.classes)
            return indices, int(np.argmin(indices)) if (indices < 0).any() else None
        values, wrong = parse_numbers(known, self.notation)
        if wrong is None and np.isnan(values).any():
            wrong = int(np.argmax(np.isnan(values)))
        return values.astype(self.dtype), wrong


def code_target(rows: CodedRows, plan: TargetPlan, train: Indices) -> tuple[tuple[TargetColumn, ...], Array]:
    """Return the targets of every row.

    Args:
        rows: Coded rows with the target columns.
        plan: The plan of the targets.
        train: Rows of the training file, which determine the classes.

    Returns:
        The columns, and class indices or numbers, -1 or NaN if missing.

    Shape:
        `(rows,)`, or `(rows, columns)` for several columns.

    Raises:
        DataError: Another row has a class that no row of `train` has.
    """
    columns, values = [], []
    for planned in plan.columns:
        coded = rows.columns[planned.name]
        if planned.kind == "numeric":
            column = TargetColumn(planned.name, (), planned.notation, "float64" if planned.merges else "float32")
            columns.append(column)
            values.append(np.asarray(coded.values).astype(column.dtype, copy=False))
            continue
        present = np.unique(coded.values[train])
        classes = sorted_classes([coded.texts[index] for index in present[present >= 0].tolist()])
        order = {name: index for index, name in enumerate(classes)}
        # -1 is a missing target, on which `missing_target` decides later. MISSING is -1, too, so it indexes the last
        # entry.
        unknown = -2
        final = np.array([*(order.get(text, unknown) for text in coded.texts), -1], np.int32)[coded.values]
        if (final == unknown).any():
            row = int(np.argmax(final == unknown))
            raise unknown_class(rows.place(row), planned.name, coded.texts[coded.values[row]], classes)
        columns.append(TargetColumn(planned.name, classes))
        values.append(final)
    return tuple(columns), joined(values, plan.kind)


def joined(columns: Sequence[Array], kind: TargetKind) -> Array:
    """Return the values of several columns side by side, or of a single column.

    Shape:
        columns: `(rows,)` each. Returns: `(rows,)`, or `(rows, columns)`.
    """
    if len(columns) == 1:
        return columns[0]
    dtype = np.int32 if kind == "class_columns" else np.result_type(*columns)
    return np.stack(columns, axis=-1).astype(np.float32 if kind == "labels" else dtype)


def make_target(plan: TargetPlan, columns: Sequence[TargetColumn], values: Array) -> Target:
    """Return the target of the model. Numbers are learned with the mean 0 and variance 1 of the training split.

    Shape:
        values: `(examples,)` or `(examples, columns)`, of the training split.
    """
    names = tuple(column.name for column in columns)
    if plan.kind == "classes":
        return Target("classes", max(2, len(columns[0].classes)), columns[0].classes)
    if plan.kind == "class_columns":
        return Target.of_columns({column.name: column.classes for column in columns})
    if plan.kind == "labels":
        ones = (column.classes[1] for column in columns)
        pairs = zip(names, ones, strict=True)
        labels = tuple(name if one.lower() in _PLAIN_YES else f"{name}={one}" for name, one in pairs)
        return Target("labels", len(columns), labels, names=names)
    flat = values.reshape(len(values), -1)
    mean = flat.mean(axis=0, dtype=np.float64)
    scale = flat.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1.0
    return Target(
        "values", len(columns), encoding="value", names=names, mean=tuple(mean.tolist()), scale=tuple(scale.tolist())
    )


def sorted_classes(texts: Sequence[str]) -> tuple[str, ...]:
    """Return classes sorted by value if all are numbers, otherwise alphabetically, independent of the order of rows."""
    try:
        # 007 and 7 are different classes with the same value, so their texts decide.
        return tuple(sorted(texts, key=lambda text: (float(text), text)))
    except ValueError:
        return tuple(sorted(texts, key=lambda text: (text.casefold(), text)))


def unknown_class(place: str, name: str, found: object, classes: Sequence[str]) -> DataError:
    """Return the error for a class that is unknown from training."""
    known = ", ".join(classes[:10]) + (", ..." if classes[10:] else "")
    what = f"{place}: column {name!r} contains {found!r}, which no training row has"
    return DataError(what, expected=f"one of {known}")
