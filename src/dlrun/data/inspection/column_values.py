"""Get the values of each column from stored examples: numbers, or ids of categories with their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.array_input import ArrayInput
from dlrun.data.columns import CategoricalColumn, Column
from dlrun.data.columns.column import category_name
from dlrun.data.columns.dates import PARTS
from dlrun.data.dataset import Dataset
from dlrun.data.series.input import SeriesInput
from dlrun.data.table.input import TableInput

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ColumnValues:
    """One column of some examples.

    Args:
        name: Name of the column.
        kind: Kind of its values.
        values: Numbers in float64, or ids, which are indices into `categories`.
        categories: Names of the categories.

    Shape:
        values: `(examples,)`.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    values: Array
    categories: tuple[str, ...] = ()

    def shares(self, *, size: int = 0) -> npt.NDArray[np.float64]:
        """Return the fraction of examples with each id."""
        counts = np.bincount(self.values, minlength=max(size, len(self.categories)))
        return np.asarray(counts / max(1, len(self.values)), np.float64)


def column_values(dataset: Dataset, stored: Array) -> tuple[ColumnValues, ...]:
    """Return the columns of some examples; none for images, texts and sequences without column names.

    A date becomes one column for each part. From a window of a series, the newest row is used. Text columns are left
    out.

    Args:
        dataset: The dataset of the examples.
        stored: Some features of a split.
    """
    raw = dataset.raw_input()
    if isinstance(raw, TableInput):
        return tuple(_of_columns(raw.columns, stored))
    if isinstance(raw, SeriesInput):
        return tuple(_of_columns(raw.columns, stored[:, -1]))
    if dataset.features.kind == "vector" and isinstance(raw, ArrayInput):
        flat = stored.reshape(len(stored), -1)
        return tuple(
            ColumnValues(f"column {index}", "numeric", flat[:, index].astype(np.float64))
            for index in range(flat.shape[1])
        )
    return ()


def _of_columns(columns: Sequence[Column], stored: Array) -> Iterator[ColumnValues]:
    begun = 0
    for column in columns:
        values = stored[:, begun : begun + column.width]
        begun += column.width
        if column.kind == "numeric":
            # Without the replacements of missing values, which the indicator marks: they would look like a usual value.
            known = np.where(values[:, 1] > 0, np.nan, values[:, 0]) if column.indicator else values[:, 0]
            yield ColumnValues(column.name, "numeric", known.astype(np.float64) + column.offset)
        elif column.kind == "date":
            for index, part in enumerate(PARTS):
                yield ColumnValues(f"{column.name} ({part})", "numeric", values[:, index].astype(np.float64))
        elif column.kind == "categorical":
            yield ColumnValues(column.name, "categorical", values[:, 0].astype(np.int64), _names(column))


def _names(column: CategoricalColumn) -> tuple[str, ...]:
    return tuple(
        category_name(column.vocabulary, number, has_missing=column.has_missing) for number in range(column.categories)
    )
