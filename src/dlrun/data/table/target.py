"""The target columns of a table as numbers, for every row, and the target that they make up."""

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

_SAYS_NOTHING = ("1", "1.0", "true", "yes", "y", "t")


@dataclass(frozen=True)
class TargetColumn:
    """A column that is to be predicted.

    Args:
        name: The name of the column.
        classes: Its categories in the order of their indices; empty: it holds numbers.
        notation: How files write its numbers.
        dtype: The dtype of its numbers: float64 where float32 would not hold them apart before they are standardized.
    """

    name: str
    classes: tuple[str, ...] = ()
    notation: Notation = "plain"
    dtype: Literal["float32", "float64"] = "float32"

    def code(self, known: pa.Array) -> tuple[Array, int | None]:
        """Class indices or numbers, and the index of the first that is neither, a missing one included.

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
            column = TargetColumn(planned.name, (), planned.notation, "float64" if planned.merges else "float32")
            columns.append(column)
            values.append(np.asarray(coded.values).astype(column.dtype, copy=False))
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
    return tuple(columns), joined(values, plan.kind)


def joined(columns: Sequence[Array], kind: TargetKind) -> Array:
    """What several columns hold, side by side; of one column, what that holds.

    Shape:
        columns: `(rows,)` each. Returns: `(rows,)`, or `(rows, columns)`.
    """
    if len(columns) == 1:
        return columns[0]
    dtype = np.int32 if kind == "class_columns" else np.result_type(*columns)
    return np.stack(columns, axis=-1).astype(np.float32 if kind == "labels" else dtype)


def make_target(plan: TargetPlan, columns: Sequence[TargetColumn], values: Array) -> Target:
    """The target that the training split's values make up; numbers are learnt with mean 0 and variance 1.

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
        said = tuple(name if one.lower() in _SAYS_NOTHING else f"{name}={one}" for name, one in pairs)
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
