"""Raw input that is rows of a table: CSV or Parquet files, or in a deployed model one value for each column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dlrun.data.columns import (
    Column,
    RawBlock,
    Reading,
    TableFiles,
    build_rows,
    column_places,
    deployed_row,
    read_rows,
    shown_row,
)
from dlrun.data.raw_input import Array, Examples, RawInput
from dlrun.data.table_target import TargetColumn, joined, unknown_class
from dlrun.errors import DataError
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class TableInput(RawInput):
    """Rows of a table.

    Args:
        columns: The features, in the order of a stored row.
        targets: What is to be predicted; empty: nothing is.
        reading: How values are read.
        type: Tells the kinds of raw input apart.
    """

    columns: tuple[Column, ...]
    targets: tuple[TargetColumn, ...] = ()
    reading: Reading = field(default_factory=Reading)
    type: Literal["table"] = "table"

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read the rows of a CSV or Parquet file, of all files that a pattern matches, or of `-`.

        Raises:
            DataError: A column is missing, or a value is not what the model was trained on.
        """
        also = [column.name for column in self.targets] if target is not None else []
        with self.reading.open(source) as table:
            for block in read_rows(table, self.columns, self.reading, at_once=at_once, also=also):
                names = [f"row {block.first + index + 1}" for index in range(len(block.stored))]
                labels = self._labels(table, block, target) if target is not None else None
                yield Examples(names, block.stored, labels, block.known)

    def build(self) -> keras.Model:
        """Make the Keras model: one input for each column, of Keras' preprocessing layers."""
        return build_rows(self.columns, self.reading.missing_values)

    def columns_of_stored(self) -> Mapping[str, tuple[int, ...]]:
        """The columns of the table."""
        return column_places(self.columns)

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """The values of one row, by the names of the model's inputs."""
        return deployed_row(self.columns, examples.origin, index)

    def shown(self, stored: Array) -> Mapping[str, str]:
        """The values of a row, by column."""
        return shown_row(self.columns, stored)

    def _labels(self, table: TableFiles, block: RawBlock, target: Target) -> Array:
        values = []
        for column in self.targets:
            known = block.known[column.name]
            coded, wrong = column.code(known)
            if wrong is not None:
                found, place = known[wrong].as_py(), table.place(block.first + wrong)
                if found is not None and column.classes:
                    raise unknown_class(place, column.name, found, column.classes)
                expected = f"one of {', '.join(column.classes[:10])}" if column.classes else "a number"
                raise DataError(f"{place}: column {column.name!r} holds {found!r}", expected=expected)
            values.append(coded)
        return joined(values, target.kind)
