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
"""So many ids a lookup that several columns share may need, or so many times those of the columns by themselves."""


@dataclass(frozen=True)
class ColumnReading:
    """How the values of files are read.

    Args:
        missing_values: Texts that mean that a value is missing.
        delimiter: Of CSV files; None: detected from the file.
        encoding: Of CSV files; None: detected from the file.
        header: What is known of the first line of CSV files.
        quoted: Whether a value of a CSV file may stand in double quotes.
    """

    missing_values: tuple[str, ...] = MISSING_VALUES
    delimiter: str | None = None
    encoding: str | None = None
    header: Header = field(default_factory=Header)
    quoted: bool = True

    @classmethod
    def of(cls, keys: ColumnKeys) -> ColumnReading:
        """The reading that the keys of a dataset say."""
        known = keys.file_format
        return cls(keys.missing_texts, known.delimiter, known.encoding, known.header, known.quoted)

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
            with named_standard_input(file.name):
                yield self._open(file.name)

    def _open(self, path: str) -> TableFiles:
        return TableFiles.open(path, FileFormat(self.delimiter, self.encoding, self.quoted, self.header))


def read_as(reading: ColumnReading, dataset: Any) -> ColumnReading:
    """The same reading with what the keys of a dataset, which may have changed, say of the first line."""
    return replace(reading, header=getattr(dataset, "first_line", reading.header))


@dataclass(frozen=True)
class RawBlock:
    """Some rows as they were read, and as they are stored.

    Args:
        first: Number of the first one, from 0.
        stored: `(rows, width)` float32.
        known: By column, those of `also` too: text or numbers, null for what is missing.
        raw: The same as it stands in the file.
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
            yield RawBlock(block.first, np.concatenate(stored, axis=1), known, arrays)


def input_names(columns: Sequence[Column]) -> dict[str, str]:
    """What the inputs of the model of `build_rows` are called, by column; see `inner_names`."""
    return inner_names([column.name for column in columns])


def column_places(columns: Sequence[Column]) -> dict[str, tuple[int, ...]]:
    """By column, the places of its values in a stored row."""
    places, first = {}, 0
    for column in columns:
        places[column.name] = tuple(range(first, first + column.width))
        first += column.width
    return places


def build_rows(columns: Sequence[Column], missing_values: Sequence[str], *, is_packed: bool = False) -> keras.Model:
    """Make the Keras model from values to stored rows.

    All numbers are filled at once, and all ids of categories made at once: a table may have thousands of columns, and
    every operation of a model costs time as it is built, written, converted and run.

    Args:
        columns: What a stored row holds.
        missing_values: Texts that mean that a value is missing.
        is_packed: Whether numbers, and categories, are taken side by side, as `packs` says: Keras takes long for
            thousands of inputs, and TensorFlow for hundreds of lookups.

    Shape:
        Inputs: by the names of `input_names`: numbers `(batch, 1)`, NaN for what is missing, of numeric columns;
        strings `(batch, 1)` of others. Packed, the values of a pack are `(batch, columns)` under its name. Output:
        `(batch, width)`, float32.
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
    if order != sorted(order):
        outputs = _in_order(order)(outputs)
    return keras.Model(inputs, outputs, name="raw")


def packs(columns: Sequence[Column], missing_values: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The inputs of `build_rows` that a packed model takes side by side, in their order, by the name of its input."""
    names = input_names(columns)
    groups: dict[str, Sequence[Column]] = {_NUMBERS: _plain_numbers(columns)}
    for number, group in enumerate(_groups_of_categories(columns, missing_values, is_packed=True)):
        groups[f"columns.categories.{number}"] = group
    return {pack: tuple(names[column.name] for column in group) for pack, group in groups.items() if len(group) > 1}


def _groups_of_categories(
    columns: Sequence[Column], missing_values: Sequence[str], *, is_packed: bool
) -> list[list[CategoricalColumn]]:
    """The columns of categories by the lookup that numbers their texts; not packed, each has its own.

    A shared lookup needs, for each of its columns, an id of every text of all: columns share one while these are few,
    or not many times those that each column would have by itself.
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
    """The columns of numbers that are filled at once; those of float64 are few, and each on its own."""
    return [column for column in columns if isinstance(column, NumericColumn) and not column.offset]


def _side_by_side(tensors: Sequence[Any], name: str) -> Any:
    import keras

    return keras.layers.Concatenate(axis=-1, name=name)(tensors) if len(tensors) > 1 else tensors[0]


def _filled(columns: Sequence[NumericColumn], missing_values: Sequence[str]) -> keras.Model:
    """The medians of all columns in place of what is missing, and behind them the indicators that there are.

    Shape:
        Input: `(batch, columns)`, float32. Output: `(batch, columns + indicators)`, float32.
    """
    import keras

    given = keras.Input((len(columns),), dtype="float32", name="columns.given")
    absent = keras.ops.isnan(given)
    for number in missing_numbers(missing_values):
        absent = keras.ops.logical_or(absent, keras.ops.equal(given, np.float32(number)))
    filled = keras.ops.where(absent, np.array([column.median for column in columns], np.float32), given)
    told = [index for index, column in enumerate(columns) if column.indicator]
    if told:
        indicators = keras.ops.cast(absent, "float32")
        if len(told) < len(columns):
            indicators = keras.ops.take(indicators, np.array(told, np.int32), axis=-1)
        filled = keras.ops.concatenate([filled, indicators], axis=-1)
    return keras.Model(given, filled, name="columns.filled")


def _looked_up(
    groups: Sequence[Sequence[CategoricalColumn]], tensors: Sequence[Any], missing_values: Sequence[str]
) -> Any:
    """The stored ids of all columns of categories, by a lookup for each group.

    Shape:
        tensors: strings `(batch, columns of the group)`. Returns: `(batch, columns)`, float32.
    """
    lookups = [shared_lookup(group, missing_values, name=f"lookup.{n}") for n, group in enumerate(groups)]
    found = [lookup(tensor) for (lookup, _), tensor in zip(lookups, tensors, strict=True)]
    return _stored_ids([ids for _, of_group in lookups for ids in of_group])(_side_by_side(found, "columns.found"))


def _stored_ids(ids: Sequence[Sequence[int]]) -> keras.Model:
    """The stored ids of all columns, from one table for all of them.

    Args:
        ids: Of each column, by the number that its lookup gives.

    Shape:
        Input: `(batch, columns)`, int64. Output: `(batch, columns)`, float32.
    """
    import keras

    found = keras.Input((len(ids),), dtype="int64", name="columns.numbered")
    begins = np.cumsum([0, *map(len, ids[:-1])]).astype(np.int32)
    # In this order: Keras 3.15 makes a BiasAdd of a sum with a row behind, and TensorFlow Lite has none of int32.
    places = keras.ops.add(begins, keras.ops.cast(found, "int32"))
    stored = keras.ops.take(np.concatenate(ids).astype(np.float32), places)
    return keras.Model(found, stored, name="columns.stored")


def _in_order(places: Sequence[int]) -> keras.Model:
    """Values put where they are stored.

    Shape:
        Input and output: `(batch, width)`, float32.
    """
    import keras

    values = keras.Input((len(places),), dtype="float32", name="columns.values")
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
    """Some rows, each as the model of `build_rows` takes it.

    Args:
        columns: What a stored row holds.
        known: As `RawBlock` has it.
        indices: Of the rows.
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
