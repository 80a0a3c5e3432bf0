"""Read a table from one or several files: column names, blocks of rows (repeatedly), and the place of each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dlrun.data.files.csv_file import CsvFile
from dlrun.data.files.data_file import FileFormat, advice_on_absent
from dlrun.data.files.dialect import refuse_spaced
from dlrun.data.files.encoding import notes_of
from dlrun.data.files.locate import find_tables, is_parquet
from dlrun.data.files.parquet_file import ParquetFile
from dlrun.errors import DataError
from dlrun.names import list_names

if TYPE_CHECKING:
    import pyarrow as pa

TableFile = CsvFile | ParquetFile

_KEPT_BYTES = 1 << 26
"""Up to this total size, the files are read once and kept in memory."""


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a table.

    Args:
        first: Number of the first row within the table, from 0.
        rows: Number of rows.
        columns: Arrays by column name: text, int64 or float64.
    """

    first: int
    rows: int
    columns: dict[str, pa.Array]


@dataclass(frozen=True)
class TableFiles:
    """A table in one or several files with the same columns.

    Args:
        files: Files in row order.
    """

    files: tuple[TableFile, ...]
    _lengths: dict[int, int] = field(default_factory=dict)
    _kept: list[tuple[int, pa.RecordBatch]] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        source: str,
        file_format: FileFormat | None = None,
        *,
        head_only: bool = False,
    ) -> TableFiles:
        """Open every file and read its first lines.

        Args:
            source: A path or a pattern.
            file_format: Known format of CSV files; None to detect all of it.
            head_only: Whether to detect the encoding from the first lines only, which is enough for the column names.

        Raises:
            DataError: No file exists, one cannot be read, or the files do not have the same columns.
        """
        file_format = file_format or FileFormat()
        files: list[TableFile] = []
        for path in find_tables(source):
            file: TableFile
            if is_parquet(path):
                file = ParquetFile.open(path, file_format)
            else:
                file = CsvFile.open(path, file_format, head_only=head_only)
                refuse_spaced(str(path), file.dialect)
            _check_alike(file, files[0] if files else file)
            files.append(file)
        return cls(tuple(files))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the column names."""
        return self.files[0].names

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the paths of the files."""
        return tuple(file.path for file in self.files)

    @property
    def label(self) -> str:
        """Return the name of the table for messages."""
        more = len(self.files) - 1
        return str(self.paths[0]) + (f" (and {more} more)" if more else "")

    @property
    def notes(self) -> tuple[str, ...]:
        """Return distinct notes on detected properties and replaced column names."""
        detected = ((str(file.path), found) for file in self.files for found in file.detected)
        return tuple(dict.fromkeys((*notes_of(detected), *(note for file in self.files for note in file.notes))))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return warnings about ambiguous content."""
        return tuple(warning for file in self.files for warning in file.warnings)

    @property
    def row_like(self) -> str:
        """Return the column names in the first line that look like values of a row; empty if none do."""
        return self.files[0].row_like

    @cached_property
    def unreadable(self) -> dict[str, str]:
        """Return the columns whose values cannot be used, with the reason for each."""
        return {name: reason for file in self.files for name, reason in file.unreadable().items()}

    def blocks(self, names: Sequence[str]) -> Iterator[Block]:
        """Read every row, block by block.

        Args:
            names: Names of the columns to read.

        Raises:
            DataError: A file is damaged; the error names the line.
        """
        first = start = current = 0
        for index, batch in self._batches(names):
            # A length is kept only once its file has been read to the end: `place` takes it for the whole file.
            if index != current:
                self._lengths.update({current: first - start, **dict.fromkeys(range(current + 1, index), 0)})
                current, start = index, first
            columns = {name: batch.column(batch.schema.get_field_index(name)) for name in names}
            yield Block(first, batch.num_rows, columns)
            first += batch.num_rows
        self._lengths[current] = first - start

    def place(self, row: int) -> str:
        """Return the place of a row that has been read: `people.csv:18 (row 17)`.

        Args:
            row: Number of the row, from 0.
        """
        for index, file in enumerate(self.files):
            length = self._lengths.get(index, row + 1)
            if row < length:
                line = file.line_of(row + 1)
                return f"{file.path}:{line} (row {row + 1})" if line else f"{file.path}: row {row + 1}"
            row -= length
        return self.label

    @cached_property
    def known_names(self) -> frozenset[str]:
        """Return the column names as a set."""
        return frozenset(self.names)

    @cached_property
    def repeated(self) -> tuple[str, ...]:
        """Return the names that more than one column has in the file; only the first column keeps such a name."""
        return self.files[0].repeated

    def check_columns(self, wanted: Sequence[str]) -> None:
        """Raise an error if the table lacks columns.

        Raises:
            DataError: Columns are missing; the error names them and suggests similar ones.
        """
        wanted = tuple(dict.fromkeys(wanted))  # the target of a series may also be a feature
        absent = [name for name in wanted if name not in self.known_names]
        if not absent:
            return
        others = [name for name in self.names if name not in wanted]
        _, hint = advice_on_absent(absent[0], others or self.names, row_like=self.row_like)
        has = "" if self.row_like else f"; it has {list_names(self.names)}"
        raise DataError(
            f"{self.label} has no column {list_names(map(repr, absent))}{has}",
            expected=f"the columns {list_names(wanted)}",
            hint=hint,
        )

    @cached_property
    def size(self) -> int:
        """Return the total size of the files in bytes."""
        return sum(path.stat().st_size for path in self.paths)

    def _batches(self, names: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the blocks of every file with its index. A small table is read once, with all its columns."""
        if self.size > _KEPT_BYTES:
            for index, file in enumerate(self.files):
                yield from ((index, batch) for batch in file.batches(names))
            return
        if not self._kept:
            # All columns, not only `names`: the next pass over the table will ask for others.
            useful = [name for name in self.names if name not in self.unreadable]
            for index, file in enumerate(self.files):
                self._kept.extend((index, batch) for batch in file.batches(useful))
        yield from self._kept


def _check_alike(file: TableFile, first: TableFile) -> None:
    # The order of columns may differ between files, because blocks are read by name.
    if set(file.names) == set(first.names):
        return
    here, there = set(file.names), set(first.names)
    lacks = [repr(name) for name in first.names if name not in here]
    adds = [repr(name) for name in file.names if name not in there]
    differences = [f"lacks {list_names(lacks)}"] if lacks else []
    differences += [f"also has {list_names(adds)}"] if adds else []
    raise DataError(
        f"{file.path} " + " and ".join(differences),
        expected=f"the columns of {first.path}: {list_names(first.names)}",
        hint="set header: false if these files do not begin with a line of column names" if file.warnings else "",
    )
