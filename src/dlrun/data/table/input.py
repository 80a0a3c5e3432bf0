"""Raw input of table rows: CSV or Parquet files, or one value for each column in an exported model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from dlrun.data.columns import (
    Column,
    ColumnReading,
    RawBlock,
    TableFiles,
    UnknownCategories,
    build_rows,
    column_grid,
    column_places,
    deployed_rows,
    names_of,
    packs,
    read_as,
    read_rows,
    shown_row,
    watch,
)
from dlrun.data.columns.texts import as_texts, is_missing
from dlrun.data.example_columns.columns import WeightColumn
from dlrun.data.raw_input import Array, Examples, RawInput
from dlrun.data.table.target import TargetColumn, joined, unknown_class
from dlrun.errors import DataError
from dlrun.scoring.dependence import ColumnGrid
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras
    import pyarrow as pa


@dataclass(frozen=True)
class TableInput(RawInput):
    """Rows of a table.

    Args:
        columns: The feature columns in the order of a stored row.
        targets: The target columns; empty for an autoencoder.
        reading: How to read values.
        missing_target: How to handle rows without a target: `error`, or `drop`.
        unknown_categories: How to handle a column with mostly unknown values: `error`, or `allow`.
        type: Discriminator of the kinds of raw input.
        weight: The column of the weights of rows, which only an evaluation reads; None if all count once.
        keep: Columns to copy to the predictions; never saved.
    """

    columns: tuple[Column, ...]
    targets: tuple[TargetColumn, ...] = ()
    reading: ColumnReading = field(default_factory=ColumnReading)
    missing_target: Literal["error", "drop"] = "error"
    unknown_categories: Literal["error", "allow"] = "error"
    type: Literal["table"] = "table"
    weight: WeightColumn | None = None
    keep: Annotated[tuple[str, ...], Field(exclude=True)] = ()

    @property
    def reads_weights(self) -> bool:
        """Whether the run has a column of weights."""
        return self.weight is not None

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read the rows of a CSV or Parquet file, of all files that a pattern matches, or of `-`.

        Raises:
            DataError: A column is missing, or a value does not fit the training data.
        """
        also = [column.name for column in self.targets] if target is not None else []
        with self.reading.open(source) as table:
            weight, missing = self._weight(table) if target is not None else (None, "")
            also += [weight.name] if weight is not None else []
            for block in read_rows(table, self.columns, self.reading, at_once=at_once, also=[*also, *self.keep]):
                names = np.array([f"row {block.first + index + 1}" for index in range(len(block.stored))])
                kept = {name: as_texts(block.raw[name]).to_pylist() for name in self.keep}
                if target is None:
                    yield Examples(names.tolist(), block.stored, None, block.known, kept=kept)
                    continue
                has = self._has_target(table, block)
                known = block.known if has.all() else {name: values.filter(has) for name, values in block.known.items()}
                labels = self._labels(table, block, known, has, target) if target.kind != "input" else None
                yield Examples(
                    names[has].tolist(),
                    block.stored[has],
                    labels,
                    known,
                    missing if block.first == 0 else "",
                    unlabelled=int((~has).sum()),
                    kept={name: [values[row] for row in np.flatnonzero(has)] for name, values in kept.items()},
                    weight=None if weight is None else _weights(weight, table, block)[has],
                )

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names of the columns, of their categories and words, and the units of numbers."""
        numbers = [(each.name, each.notation) for each in self.targets if not each.classes]
        return names_of(self.columns, units=numbers)

    def watched(self, blocks: Iterator[Examples], *, tell: Callable[[str], object]) -> Iterator[Examples]:
        """Yield the same blocks, and report unknown categories to `tell` at the end.

        Raises:
            DataError: Most values of a column are unknown; raised before the last block is yielded.
        """
        return watch(
            blocks,
            UnknownCategories(self.columns),
            lambda block: (block.stored, block.origin),
            tell=tell,
            refuses=self.unknown_categories == "error",
        )

    def read_as(self, dataset: Any) -> TableInput:
        """Return this input with the current keys of the dataset for unknown categories and the first line."""
        return replace(
            self,
            reading=read_as(self.reading, dataset),
            unknown_categories=getattr(dataset, "unknown_categories", self.unknown_categories),
        )

    def keeping(self, columns: Sequence[str]) -> TableInput:
        """Return this input with columns to copy to the predictions."""
        return replace(self, keep=tuple(columns))

    def build(self) -> keras.Model:
        """Build the Keras model of preprocessing layers with one input for each column."""
        return build_rows(self.columns, self.reading.missing_values)

    def build_packed(self) -> tuple[keras.Model, Mapping[str, tuple[str, ...]]]:
        """Build the same model with one input for all numbers and few inputs for all categories."""
        return build_rows(self.columns, self.reading.missing_values, is_packed=True), packs(
            self.columns, self.reading.missing_values
        )

    def columns_of_stored(self) -> Mapping[str, tuple[int, ...]]:
        """Return the places of each column in a stored row."""
        return column_places(self.columns)

    def grids_of_stored(self, stored: Array) -> Mapping[str, ColumnGrid]:
        """Return the values of each column but texts at which to look at predictions."""
        places = self.columns_of_stored()
        grids = (column_grid(column, stored[:, list(places[column.name])]) for column in self.columns)
        return {grid.name: grid for grid in grids if grid is not None}

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """Return the values of one row by the names of the inputs of the exported model."""
        return self.deployed_several(examples, [index])[0]

    def deployed_several(self, examples: Examples, indices: Sequence[int]) -> Sequence[Mapping[str, Array]]:
        """Return the values of several rows, which is faster than one row at a time."""
        return deployed_rows(self.columns, examples.origin, indices)

    def shown(self, stored: Array) -> Mapping[str, str]:
        """Return the values of a row by column."""
        return shown_row(self.columns, stored)

    def _weight(self, table: TableFiles) -> tuple[WeightColumn | None, str]:
        """Return the column of weights if the table has it; otherwise None, and a message if the run had one."""
        if self.weight is None or self.weight.name in table.known_names:
            return self.weight, ""
        return None, self.weight.absent(table.label)

    def _has_target(self, table: TableFiles, block: RawBlock) -> Array:
        """Return which rows have all targets. Others are an error, unless the spec drops them."""
        has = np.ones(len(block.stored), bool)
        for column in self.targets:
            valid = ~is_missing(block.known[column.name])
            if self.missing_target == "error" and not valid.all():
                place = table.place(block.first + int(np.argmin(valid)))
                what = f"{place}: the target {column.name!r} has no value"
                raise DataError(what, expected="a value in every row, to evaluate the model")
            has &= valid
        return has

    def _labels(
        self, table: TableFiles, block: RawBlock, known: Mapping[str, pa.Array], has: Array, target: Target
    ) -> Array:
        values = []
        for column in self.targets:
            coded, wrong = column.code(known[column.name])
            if wrong is not None:
                # `wrong` counts the rows that have a target, but a place counts all rows of the file.
                found = known[column.name][wrong].as_py()
                place = table.place(block.first + int(np.flatnonzero(has)[wrong]))
                if column.classes:
                    raise unknown_class(place, column.name, found, column.classes)
                raise DataError(f"{place}: column {column.name!r} contains {found!r}", expected="a number")
            values.append(coded)
        return joined(values, target.kind)


def _weights(weight: WeightColumn, table: TableFiles, block: RawBlock) -> Array:
    return weight.read(block.known[weight.name], lambda row: table.place(block.first + row))
