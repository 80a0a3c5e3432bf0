"""Every row of a table as numbers, coded provisionally: what depends on the training split is settled afterwards.

Numbers are float32 with NaN where one is missing. Categories and words have ids in the order in which they appeared.
Each column is an array of its own, in memory, or in a file where the table is large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.dates import parse_dates
from dlrun.data.columns.keys import ColumnKeys
from dlrun.data.columns.numbers import is_numbers, parse_numbers
from dlrun.data.columns.planned import Kind, PlannedColumn, wrong_value
from dlrun.data.columns.text_column import TextLengths
from dlrun.data.columns.texts import as_texts, first_words, known_values, split_words
from dlrun.data.files.spelling import canonical_texts
from dlrun.data.files.table_files import Block, TableFiles
from dlrun.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]

MISSING = -1
"""The provisional id of a category that is missing."""

_MOST_TEXTS = 4_000_000


@dataclass(frozen=True)
class CodedColumn:
    """One column of all rows.

    Args:
        name: Of the column.
        kind: What its values are.
        values: numeric and date: float32, of a target float64 from which no offset is taken. categorical: int32 ids,
            `MISSING` or indices into `texts`. text: int32 ids of words, 0 for none or indices into `texts`.
        texts: What the ids stand for.
        lengths: Of texts, how many words they have before they are cut off.
        distinct: Of numbers that float32 may not hold apart, how many different ones there are, and how many are left.

    Shape:
        values: `(rows,)`; `(rows, 5)` of dates, `(rows, text_length)` of texts.
    """

    name: str
    kind: Kind
    values: Array
    texts: tuple[str, ...] = ()
    lengths: TextLengths | None = None
    distinct: tuple[int, int] | None = None


@dataclass(frozen=True)
class CodedRows:
    """All rows of one or several tables, one table after the other.

    Args:
        columns: By name.
        lengths: Rows of each table.
        tables: Where they are from.
    """

    columns: dict[str, CodedColumn]
    lengths: tuple[int, ...]
    tables: tuple[TableFiles, ...]

    def __len__(self) -> int:
        """Number of rows."""
        return sum(self.lengths)

    def place(self, row: int) -> str:
        """Where a row is: `people.csv:18 (row 17)`."""
        for table, length in zip(self.tables, self.lengths, strict=True):
            if row < length:
                return table.place(row)
            row -= length
        raise IndexError(row)


def code_rows(
    tables: Sequence[TableFiles], planned: Sequence[PlannedColumn], keys: ColumnKeys, *, folder: Path | None = None
) -> CodedRows:
    """Read every row of every table once.

    Args:
        tables: Each with the columns that are planned.
        planned: The columns to read: features and targets.
        keys: What the spec says.
        folder: Where the columns are written and mapped into memory from; None: they are kept in memory.

    Raises:
        DataError: A file is damaged, a number is none, or a value is missing that must not be: names line and column.
        OSError: `folder` cannot be written.
    """
    names = [column.name for column in planned]
    coders = [_Coder(column, keys, _Store(folder / f"{index}.column" if folder else None))
              for index, column in enumerate(planned)]  # fmt: skip
    lengths = []
    for table in tables:
        table.check_columns(names)
        rows = 0
        for block in table.blocks(names):
            for coder in coders:
                coder.add(table, block)
            rows += block.rows
        if not rows:
            raise DataError(f"{table.label} has no rows", expected="rows under the line of names")
        lengths.append(rows)
    return CodedRows({coder.name: coder.coded() for coder in coders}, tuple(lengths), tuple(tables))


class _Store:
    """Grows by blocks, in memory or in a file; becomes one array."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._parts: list[Array] = []
        self._shape: tuple[int, ...] = ()
        self._dtype: np.dtype[Any] = np.dtype(np.float32)
        self._rows = 0

    def append(self, values: Array) -> None:
        self._shape, self._dtype = values.shape[1:], values.dtype
        self._rows += len(values)
        if self._path is None:
            self._parts.append(values)
            return
        self._file = self._file or self._path.open("wb")
        self._file.write(np.ascontiguousarray(values).data)

    def array(self) -> Array:
        if self._path is None or self._file is None:
            return np.concatenate(self._parts)
        self._file.close()
        return np.memmap(self._path, dtype=self._dtype, mode="r", shape=(self._rows, *self._shape))


class _Distinct:
    """Counts different numbers, as they are and in float32, until there are very many."""

    def __init__(self) -> None:
        self._numbers: Array = np.zeros(0)

    def add(self, numbers: Array) -> None:
        if len(self._numbers) <= _MOST_TEXTS:
            self._numbers = np.union1d(self._numbers, numbers[~np.isnan(numbers)])

    @property
    def counts(self) -> tuple[int, int]:
        return len(self._numbers), len(np.unique(self._numbers.astype(np.float32)))


class _Coder:
    """Codes one column block by block."""

    def __init__(self, column: PlannedColumn, keys: ColumnKeys, store: _Store) -> None:
        self.name = column.name
        self._column = column
        self._keys = keys
        self._store = store
        self._ids: dict[str, int] = {"": 0} if column.kind == "text" else {}
        self._lengths = TextLengths() if column.kind == "text" else None
        self._distinct = _Distinct()

    def add(self, table: TableFiles, block: Block) -> None:
        """Code a block.

        Raises:
            DataError: A value is missing that must not be, or is no number.
        """
        known = known_values(block.columns[self.name], self._keys.missing_texts)
        kind = self._column.kind
        if self._keys.requires(kind):
            refuse_missing(table, block, self.name, known)
        if kind in ("numeric", "date"):
            offset = 0.0 if self._column.is_target else self._column.offset
            parsed: tuple[Array, int | None] = (
                parse_numbers(known, self._column.notation, offset=offset)
                if kind == "numeric"
                else parse_dates(as_texts(known), self._column.layout)
            )
            if parsed[1] is not None:
                raise wrong_value(table.place(block.first + parsed[1]), self._column, known[parsed[1]].as_py())
            if self._column.merges:
                self._distinct.add(parsed[0])
            self._store.append(parsed[0] if self._column.is_target else parsed[0].astype(np.float32))
        elif kind == "categorical":
            self._store.append(self._code(canonical_texts(as_texts(known)), table))
        else:
            words = split_words(as_texts(known))
            if self._lengths is not None:
                self._lengths.add(words)
            ids = self._code(words.flatten(), table)
            self._store.append(first_words(words, ids, length=self._keys.text_length))

    def coded(self) -> CodedColumn:
        column = self._column
        distinct = self._distinct.counts if column.merges and not column.is_target else None
        return CodedColumn(self.name, column.kind, self._store.array(), tuple(self._ids), self._lengths, distinct)

    def _code(self, texts: pa.Array, table: TableFiles) -> npt.NDArray[np.int32]:
        encoded = texts.dictionary_encode()
        ids = self._ids
        known = [ids.setdefault(text, len(ids)) for text in encoded.dictionary.to_pylist()]
        if len(ids) > _MOST_TEXTS:
            raise DataError(
                f"{table.label}: column {self.name!r} has more than {_MOST_TEXTS:,} different values",
                expected="categories that come back",
                hint=f"ignore: [{self.name}]",
            )
        table_of = np.array([*known, MISSING], np.int32)
        indices: Any = encoded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        return np.asarray(table_of[indices], np.int32)


def refuse_missing(table: TableFiles, block: Block, name: str, known: pa.Array) -> None:
    """Refuse a block in which a value is missing that must not be.

    Raises:
        DataError: Names the first row.
    """
    import pyarrow.compute as pc

    absent = pc.is_null(known, nan_is_null=is_numbers(known)).to_numpy(zero_copy_only=False)
    if absent.any():
        row = int(np.argmax(absent))
        found = block.columns[name][row].as_py()
        raise DataError(
            f"{table.place(block.first + row)}: column {name!r} has no value ({found!r})",
            expected="a value in every row, as `missing` says error",
            hint="missing: {numeric: median, categorical: category}",
        )
