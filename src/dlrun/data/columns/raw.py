"""Read rows of files for a trained model, and build the Keras layers of an exported model that do the same."""

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

from dlrun.data.columns.column import CategoricalColumn, Column, NumericColumn, Stored, shared_lookup
from dlrun.data.columns.numbers import Notation, unit_of
from dlrun.data.columns.planned import wrong_value
from dlrun.data.columns.rows import refuse_missing
from dlrun.data.columns.texts import MISSING_VALUES, as_texts, known_values, missing_numbers
from dlrun.data.files.column_names import inner_names
from dlrun.data.files.data_file import FileFormat
from dlrun.data.files.encoding import named_standard_input
from dlrun.data.files.header import Header
from dlrun.data.files.table_files import Block, TableFiles

if TYPE_CHECKING:
    import keras
    import pyarrow as pa

    from dlrun.data.columns.keys import ColumnKeys

Array = npt.NDArray[Any]

_NUMBERS = "columns.packed"
"""The input of a packed model that takes numbers."""

_FEW_IDS, _MOST_TIMES = 20_000, 4
"""Limits for a shared lookup: the number of its ids, or else how many times as many ids as separate lookups it has."""


@dataclass(frozen=True)
class ColumnReading:
    """How to read the values of files.

    Args:
        missing_values: Texts that mark missing values.
        delimiter: Delimiter of CSV files; None to detect it.
        encoding: Encoding of CSV files; None to detect it.
        header: Form of the first line of CSV files.
        quoted: Whether values of CSV files may be enclosed in double quotes.
    """

    missing_values: tuple[str, ...] = MISSING_VALUES
    delimiter: str | None = None
    encoding: str | None = None
    header: Header = field(default_factory=Header)
    quoted: bool = True

    @classmethod
    def of(cls, keys: ColumnKeys) -> ColumnReading:
        """Return how to read files according to the keys of a dataset."""
        known = keys.file_format
        return cls(keys.missing_texts, known.delimiter, known.encoding, known.header, known.quoted)

    @contextmanager
    def open(self, source: str) -> Iterator[TableFiles]:
        """Open a table; `-` is standard input, which is copied to a temporary file.

        Raises:
            DataError: The table does not exist, or cannot be read.
        """
        if source != "-":
            yield self._open(source)
            return
        # A table is read several times (format, rows, the line of an error), but standard input only once.
        with tempfile.NamedTemporaryFile(prefix="dlrun-", suffix=".csv") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
            file.flush()
            with named_standard_input(file.name):
                yield self._open(file.name)

    def _open(self, path: str) -> TableFiles:
        return TableFiles.open(path, FileFormat(self.delimiter, self.encoding, self.quoted, self.header))


def read_as(reading: ColumnReading, dataset: Any) -> ColumnReading:
    """Return a reading with the form of the first line taken from the dataset, whose keys may have changed."""
    return replace(reading, header=getattr(dataset, "first_line", reading.header))


@dataclass(frozen=True)
class RawBlock:
    """Some rows of a file, in the form of the file and in stored form.

    Args:
        first: Number of the first row, from 0.
        stored: Rows in stored form, float32.
        known: Values by column, including those of `also`: texts or numbers, null if missing.
        raw: The same values as in the file.

    Shape:
        stored: `(rows, width)`.
    """

    first: int
    stored: Stored
    known: Mapping[str, pa.Array]
    raw: Mapping[str, pa.Array]


def read_rows(
    table: TableFiles, columns: Sequence[Column], reading: ColumnReading, *, at_once: int, also: Sequence[str] = ()
) -> Iterator[RawBlock]:
    """Read and code the rows of a table in bounded memory.

    Args:
        table: Table with all of the columns; it may have more.
        columns: Columns of a stored row.
        reading: How to read values.
        at_once: Maximum number of rows in a block.
        also: More columns to read.

    Raises:
        DataError: A column or a required value is missing, or a value is not a number; the error names line and
            column.
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
            yield RawBlock(block.first, np.concatenate(stored, axis=1), known, arrays)


def input_names(columns: Sequence[Column]) -> dict[str, str]:
    """Return the names of the inputs of the model of `build_rows`, by column; see `inner_names`."""
    return inner_names([column.name for column in columns])


def column_places(columns: Sequence[Column]) -> dict[str, tuple[int, ...]]:
    """Return the places of the values of each column in a stored row."""
    places, first = {}, 0
    for column in columns:
        places[column.name] = tuple(range(first, first + column.width))
        first += column.width
    return places


def build_rows(columns: Sequence[Column], missing_values: Sequence[str], *, is_packed: bool = False) -> keras.Model:
    """Build the Keras model from values to stored rows.

    All numbers are processed together, and all categories, too: a table may have thousands of columns, and every
    operation of a model costs time when it is built, saved, converted and run.

    Args:
        columns: Columns of a stored row.
        missing_values: Texts that mark missing values.
        is_packed: Whether numbers, and categories, share an input, as described by `packs`. Keras is slow with
            thousands of inputs, and TensorFlow with hundreds of lookups.

    Shape:
        Inputs, named by `input_names`: numbers `(batch, 1)`, NaN if missing, for numeric columns; strings `(batch, 1)`
        for others. If packed, the columns of a pack are one input `(batch, columns)`. Output: `(batch, width)`,
        float32.
    """
    import keras

    names, places = input_names(columns), column_places(columns)
    numbers = _plain_numbers(columns)
    groups = _groups_of_categories(columns, missing_values, is_packed=is_packed)
    together = {column.name for column in numbers} | {column.name for group in groups for column in group}
    packed = packs(columns, missing_values) if is_packed else {}
    members = {name: pack for pack, names_of in packed.items() for name in names_of}
    inputs = {
        names[column.name]: keras.Input(
            (1,), dtype=column.input_dtype if column.kind == "numeric" else "string", name=names[column.name]
        )
        for column in columns
        if names[column.name] not in members
    }
    inputs |= {
        name: keras.Input((len(pack),), dtype="float32" if name == _NUMBERS else "string", name=name)
        for name, pack in packed.items()
    }
    parts, order = [], []
    if numbers:
        # If packed, all of these columns have the same input, which must be taken once.
        taken = dict.fromkeys(members.get(names[column.name], names[column.name]) for column in numbers)
        given = _side_by_side([inputs[name] for name in taken], "columns.numbers")
        parts.append(_filled(numbers, missing_values)(given))
        order += [places[column.name][0] for column in numbers]
        order += [places[column.name][1] for column in numbers if column.indicator]
    if groups:
        firsts = [names[group[0].name] for group in groups]
        parts.append(_looked_up(groups, [inputs[members.get(first, first)] for first in firsts], missing_values))
        order += [places[column.name][0] for group in groups for column in group]
    for column in columns:
        if column.name not in together:
            parts.append(column.build(inputs[names[column.name]], missing_values))
            order += places[column.name]
    outputs = _side_by_side(parts, "columns.all")
    # The parts are grouped by how they are computed, which need not be the order of a stored row.
    if order != sorted(order):
        outputs = _in_order(order)(outputs)
    return keras.Model(inputs, outputs, name="raw")


def packs(columns: Sequence[Column], missing_values: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the columns of each shared input of a packed model, in order, by the name of the input."""
    names = input_names(columns)
    groups: dict[str, Sequence[Column]] = {_NUMBERS: _plain_numbers(columns)}
    for number, group in enumerate(_groups_of_categories(columns, missing_values, is_packed=True)):
        groups[f"columns.categories.{number}"] = group
    return {pack: tuple(names[column.name] for column in group) for pack, group in groups.items() if len(group) > 1}


def _groups_of_categories(
    columns: Sequence[Column], missing_values: Sequence[str], *, is_packed: bool
) -> list[list[CategoricalColumn]]:
    """Return groups of categorical columns that share a lookup; if not packed, each column is its own group.

    A shared lookup needs an id for every text of the group in each of its columns. Columns share one as long as these
    ids are few, or at most a few times as many as with separate lookups.
    """
    groups: list[list[CategoricalColumn]] = []
    texts: set[str] = set()
    alone = 0
    for column in columns:
        if not isinstance(column, CategoricalColumn):
            continue
        own = column.ids_of_texts(missing_values)
        shared = texts.union(own)
        alone += len(own)
        if groups and is_packed and len(shared) * (len(groups[-1]) + 1) <= max(_FEW_IDS, _MOST_TIMES * alone):
            groups[-1].append(column)
            texts = shared
        else:
            groups.append([column])
            texts, alone = set(own), len(own)
    return groups


def _plain_numbers(columns: Sequence[Column]) -> list[NumericColumn]:
    """Return the numeric columns that are processed together. The few float64 columns are processed one by one."""
    return [column for column in columns if isinstance(column, NumericColumn) and not column.offset]


def _side_by_side(tensors: Sequence[Any], name: str) -> Any:
    import keras

    return keras.layers.Concatenate(axis=-1, name=name)(tensors) if len(tensors) > 1 else tensors[0]


def _filled(columns: Sequence[NumericColumn], missing_values: Sequence[str]) -> keras.Model:
    """Build the model that replaces missing values of all columns by their medians and appends the indicators.

    Shape:
        Input: `(batch, columns)`, float32. Output: `(batch, columns + indicators)`, float32.
    """
    import keras

    given = keras.Input((len(columns),), dtype="float32", name="columns.given")
    absent = keras.ops.isnan(given)
    for number in missing_numbers(missing_values):
        absent = keras.ops.logical_or(absent, keras.ops.equal(given, np.float32(number)))
    filled = keras.ops.where(absent, np.array([column.median for column in columns], np.float32), given)
    marked = [index for index, column in enumerate(columns) if column.indicator]
    if marked:
        indicators = keras.ops.cast(absent, "float32")
        if len(marked) < len(columns):
            indicators = keras.ops.take(indicators, np.array(marked, np.int32), axis=-1)
        filled = keras.ops.concatenate([filled, indicators], axis=-1)
    return keras.Model(given, filled, name="columns.filled")


def _looked_up(
    groups: Sequence[Sequence[CategoricalColumn]], tensors: Sequence[Any], missing_values: Sequence[str]
) -> Any:
    """Return the stored ids of all categorical columns, with one lookup for each group.

    Shape:
        tensors: strings `(batch, columns of the group)`. Returns: `(batch, columns)`, float32.
    """
    lookups = [shared_lookup(group, missing_values, name=f"lookup.{n}") for n, group in enumerate(groups)]
    found = [lookup(tensor) for (lookup, _), tensor in zip(lookups, tensors, strict=True)]
    return _stored_ids([ids for _, of_group in lookups for ids in of_group])(_side_by_side(found, "columns.found"))


def _stored_ids(ids: Sequence[Sequence[int]]) -> keras.Model:
    """Build the model from lookup indices to stored ids, with one table for all columns.

    Args:
        ids: For each column, the id of each lookup index.

    Shape:
        Input: `(batch, columns)`, int64. Output: `(batch, columns)`, float32.
    """
    import keras

    found = keras.Input((len(ids),), dtype="int64", name="columns.numbered")
    begins = np.cumsum([0, *map(len, ids[:-1])]).astype(np.int32)
    # This order of operands matters: with the row second, Keras 3.15 makes a BiasAdd, which TensorFlow Lite does not
    # support for int32.
    places = keras.ops.add(begins, keras.ops.cast(found, "int32"))
    stored = keras.ops.take(np.concatenate(ids).astype(np.float32), places)
    return keras.Model(found, stored, name="columns.stored")


def _in_order(places: Sequence[int]) -> keras.Model:
    """Build the model that moves values to their places in a stored row.

    Shape:
        Input and output: `(batch, width)`, float32.
    """
    import keras

    values = keras.Input((len(places),), dtype="float32", name="columns.values")
    # argsort inverts a permutation: it gives the source of each place.
    return keras.Model(values, keras.ops.take(values, np.argsort(places).astype(np.int32), axis=-1), name="columns.row")


def names_of(columns: Sequence[Column], units: Sequence[tuple[str, Notation]] = ()) -> dict[str, tuple[str, ...]]:
    """Return the names of columns, of their categories and words in the order of their ids, and of all units.

    Args:
        columns: The features.
        units: The name and notation of each target that is a number.
    """
    found: dict[str, tuple[str, ...]] = {"columns": tuple(column.name for column in columns)}
    for column in columns:
        if column.kind == "categorical":
            found[f"categories of {column.name!r}"] = column.vocabulary
        elif column.kind == "text":
            found[f"words of {column.name!r}"] = column.vocabulary
    numbers = [(column.name, column.notation) for column in columns if isinstance(column, NumericColumn)]
    given = [f"{name} in {unit}" for name, notation in (*numbers, *units) if (unit := unit_of(notation))]
    return found | {"units": tuple(given)}


def deployed_rows(
    columns: Sequence[Column], known: Mapping[str, pa.Array], indices: Sequence[int]
) -> list[dict[str, Array]]:
    """Return some rows, each as the inputs of the model of `build_rows`.

    Args:
        columns: Columns of a stored row.
        known: Values by column, as in `RawBlock`.
        indices: Indices of the rows.
    """
    names = input_names(columns)
    rows: list[dict[str, Array]] = [{} for _ in indices]
    for column in columns:
        name, values = names[column.name], known[column.name].take(list(indices))
        if column.kind == "numeric":
            cells = column.given(values)[:, None]
        else:
            cells = np.array(deployed_texts(column, values), dtype=object)[:, None]
        for index, row in enumerate(rows):
            row[name] = cells[index : index + 1]
    return rows


def deployed_texts(column: Column, known: pa.Array) -> list[str]:
    """Return values of a column that is not numeric, as inputs of the model of `build_rows`."""
    if column.kind == "categorical":
        return column.spelled(known)
    return [text or "" for text in as_texts(known).to_pylist()]


def _code(table: TableFiles, block: Block, column: Column, known: pa.Array) -> Stored:
    if column.required:
        refuse_missing(table, block, column.name, known)
    stored, wrong = column.code(known)
    if wrong is not None:
        hint = "correct the value, or leave it empty if it is missing"
        raise wrong_value(table.place(block.first + wrong), column, known[wrong].as_py(), hint=hint)
    return stored
