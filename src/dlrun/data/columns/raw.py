"""Rows of files for a trained model, and the Keras layers that do the same: what prediction and export need."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.column import Column, Stored
from dlrun.data.columns.names import safe_names
from dlrun.data.columns.planned import wrong_value
from dlrun.data.columns.rows import refuse_missing
from dlrun.data.columns.table_files import Block, TableFiles
from dlrun.data.columns.texts import MISSING_VALUES, as_texts, known_values
from dlrun.data.header import Header
from dlrun.errors import DataError

if TYPE_CHECKING:
    import keras
    import pyarrow as pa

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Reading:
    """How the values of files are read.

    Args:
        missing_values: Texts that mean that a value is missing.
        delimiter: Of CSV files; None: told from the file.
        encoding: Of CSV files; None: told from the file.
        header: What is known of the first line of CSV files.
    """

    missing_values: tuple[str, ...] = MISSING_VALUES
    delimiter: str | None = None
    encoding: str | None = None
    header: Header = field(default_factory=Header)

    @contextmanager
    def open(self, source: str) -> Iterator[TableFiles]:
        """Open a table; `-` is standard input, which is kept in a file until the end.

        Raises:
            DataError: There is none, or it cannot be read.
        """
        if source != "-":
            yield self._open(source)
            return
        with tempfile.NamedTemporaryFile(prefix="dlrun-", suffix=".csv") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
            file.flush()
            try:
                yield self._open(file.name)
            except DataError as error:
                said = error.what.replace(file.name, "standard input")
                raise DataError(said, expected=error.expected, hint=error.hint) from error

    def _open(self, path: str) -> TableFiles:
        return TableFiles.open(path, delimiter=self.delimiter, encoding=self.encoding, header=self.header)


def read_as(reading: Reading, dataset: Any) -> Reading:
    """The same reading with what the keys of a dataset, which may have changed, say of the first line."""
    return replace(reading, header=getattr(dataset, "first_line", reading.header))


@dataclass(frozen=True)
class RawBlock:
    """Some rows as they were read, and as they are stored.

    Args:
        first: Number of the first one, from 0.
        stored: `(rows, width)` float32.
        known: By column, those of `also` too: text or numbers, null for what is missing.
    """

    first: int
    stored: Stored
    known: Mapping[str, pa.Array]


def read_rows(
    table: TableFiles, columns: Sequence[Column], reading: Reading, *, at_once: int, also: Sequence[str] = ()
) -> Iterator[RawBlock]:
    """Read and code the rows of a table in bounded memory.

    Args:
        table: With all of the columns; it may have others.
        columns: What a stored row holds.
        reading: How values are read.
        at_once: The largest number of rows given at a time.
        also: Columns that are to be read besides.

    Raises:
        DataError: A column or a value is missing, or a number is none: names line and column.
    """
    names = [column.name for column in columns]
    table.check_columns([*names, *also])
    for whole in table.blocks(list(dict.fromkeys([*names, *also]))):
        for start in range(0, whole.rows, at_once):
            rows = min(at_once, whole.rows - start)
            arrays = {name: array.slice(start, rows) for name, array in whole.columns.items()}
            block = Block(whole.first + start, rows, arrays)
            known = {name: known_values(array, reading.missing_values) for name, array in arrays.items()}
            stored = [_code(table, block, column, known[column.name]) for column in columns]
            yield RawBlock(block.first, np.concatenate(stored, axis=1), known)


def input_names(columns: Sequence[Column]) -> dict[str, str]:
    """What the inputs of the deployed model are called, by column; see `safe_names`."""
    return safe_names([column.name for column in columns])


def column_places(columns: Sequence[Column]) -> dict[str, tuple[int, ...]]:
    """By column, the places of its values in a stored row."""
    places, first = {}, 0
    for column in columns:
        places[column.name] = tuple(range(first, first + column.width))
        first += column.width
    return places


def build_rows(columns: Sequence[Column], missing_values: Sequence[str]) -> keras.Model:
    """Make the Keras model from values to stored rows.

    Args:
        columns: What a stored row holds.
        missing_values: Texts that mean that a value is missing.

    Shape:
        Inputs: by the names of `input_names`: float32 `(batch, 1)`, NaN for what is missing, of numeric columns;
        strings `(batch, 1)` of others. Output: `(batch, width)`, float32.
    """
    import keras

    names = input_names(columns)
    inputs = {
        names[column.name]: keras.Input(
            (1,), dtype="float32" if column.kind == "numeric" else "string", name=names[column.name]
        )
        for column in columns
    }
    parts = [column.build(inputs[names[column.name]], missing_values) for column in columns]
    outputs = keras.ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
    return keras.Model(inputs, outputs, name="raw")


def deployed_row(columns: Sequence[Column], known: Mapping[str, pa.Array], index: int) -> dict[str, Array]:
    """One row as the model of `build_rows` takes it.

    Args:
        columns: What a stored row holds.
        known: As `RawBlock` has it.
        index: Of the row.
    """
    names = input_names(columns)
    row: dict[str, Array] = {}
    for column in columns:
        value = known[column.name].slice(index, 1)
        if column.kind == "numeric":
            numbers, _ = column.parse(value)
            row[names[column.name]] = numbers[:, None]
        else:
            row[names[column.name]] = np.array([deployed_texts(column, value)])
    return row


def deployed_texts(column: Column, known: pa.Array) -> list[str]:
    """Some values of a column that is not one of numbers, as the model of `build_rows` takes them."""
    if column.kind == "categorical":
        return column.spelled(known)
    return [text or "" for text in as_texts(known).to_pylist()]


def _code(table: TableFiles, block: Block, column: Column, known: pa.Array) -> Stored:
    if column.required:
        refuse_missing(table, block, column.name, known)
    stored, wrong = column.code(known)
    if wrong is not None:
        hint = "mend the value, or leave it empty if it is missing"
        raise wrong_value(table.place(block.first + wrong), column, known[wrong].as_py(), hint=hint)
    return stored
