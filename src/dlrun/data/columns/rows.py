"""Code every row of a table as numbers. The codes are provisional: the training split determines the final ones.

Numbers are float32, NaN if missing. Categories and words have ids in order of appearance. Each column is an array in
memory, or in a file if the table is large.
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
"""The provisional id of a missing category."""

_MOST_TEXTS = 4_000_000


@dataclass(frozen=True)
class CodedColumn:
    """One column of all rows.

    Args:
        name: Name of the column.
        kind: Kind of its values.
        values: For numeric and date columns, float32; for targets, float64 including the offset. For categorical
            columns, int32 indices into `texts`, or `MISSING`. For text columns, int32 indices of words into `texts`, 0
            for padding.
        texts: Texts of the ids.
        lengths: Numbers of words of texts, before they are cut off.
        distinct: Number of different values before and after the conversion to float32, for numbers that float32 may
            not distinguish.

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
        columns: Columns by name.
        lengths: Number of rows of each table.
        tables: The tables.
    """

    columns: dict[str, CodedColumn]
    lengths: tuple[int, ...]
    tables: tuple[TableFiles, ...]

    def __len__(self) -> int:
        """Number of rows."""
        return sum(self.lengths)

    def place(self, row: int) -> str:
        """Return the place of a row for messages: `people.csv:18 (row 17)`."""
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
        tables: Tables that have all planned columns.
        planned: Columns to read: features and targets.
        keys: The keys of the dataset.
        folder: Folder for the files of the columns, which are mapped into memory; None to keep them in memory.

    Raises:
        DataError: A file is damaged, a value is not a number, or a required value is missing; the error names line and
            column.
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
            raise DataError(f"{table.label} has no rows", expected="rows below the line of column names")
        lengths.append(rows)
    return CodedRows({coder.name: coder.coded() for coder in coders}, tuple(lengths), tuple(tables))


class _Store:
    """Collects blocks, in memory or in a file, and returns them as one array."""

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
    """Counts different numbers, before and after the conversion to float32, up to a limit."""

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
            DataError: A required value is missing, or a value is not a number.
        """
        known = known_values(block.columns[self.name], self._keys.missing_texts)
        kind = self._column.kind
        if self._keys.requires(kind):
            refuse_missing(table, block, self.name, known)
        if kind in ("numeric", "date"):
            # A target keeps its unit, in which it is predicted. If it is a feature, too, `in_float32` subtracts the
            # offset.
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
        # pyarrow numbers the texts of each block anew; these ids are the same in all blocks.
        known = [ids.setdefault(text, len(ids)) for text in encoded.dictionary.to_pylist()]
        if len(ids) > _MOST_TEXTS:
            raise DataError(
                f"{table.label}: column {self.name!r} has more than {_MOST_TEXTS:,} different values",
                expected="categories that occur in several rows",
                hint=f"ignore: [{self.name}]",
            )
        # A missing text gets the index behind the others, which is the last entry.
        table_of = np.array([*known, MISSING], np.int32)
        indices: Any = encoded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        return np.asarray(table_of[indices], np.int32)


def refuse_missing(table: TableFiles, block: Block, name: str, known: pa.Array) -> None:
    """Check that a required column has no missing value in a block.

    Raises:
        DataError: A value is missing; the error names the first row.
    """
    import pyarrow.compute as pc

    absent = pc.is_null(known, nan_is_null=is_numbers(known)).to_numpy(zero_copy_only=False)
    if absent.any():
        row = int(np.argmax(absent))
        found = block.columns[name][row].as_py()
        raise DataError(
            f"{table.place(block.first + row)}: column {name!r} has no value ({found!r})",
            expected="a value in every row, because `missing` is set to error",
            hint="missing: {numeric: median, categorical: category}",
        )
