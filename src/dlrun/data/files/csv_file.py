"""The rows of a CSV file as blocks of text columns, in bounded memory; whatever is wrong is told with its line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dlrun.data.files.column_names import distinct_names, repeated_names
from dlrun.data.files.detected import Told
from dlrun.data.files.dialect import Dialect, opened_rows, read_dialect, refuse_spaced
from dlrun.data.files.encoding import opened_bytes, undecodable
from dlrun.data.files.header import Header
from dlrun.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 1 << 21
"""What is read at once; small blocks take less memory and are no slower. No row may be longer."""

_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class CsvFile:
    """A CSV file whose first lines were read.

    Args:
        path: Where it is.
        dialect: How it is written.
        names: Of the columns: those without one numbered, those that occur twice told apart.
        has_header: Whether the first line names the columns.
        notes: What was changed about the names.
        warnings: What may have been taken for names.
    """

    path: Path
    dialect: Dialect
    names: tuple[str, ...]
    has_header: bool = True
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        header: Header | None = None,
        head_only: bool = False,
    ) -> CsvFile:
        """Tell how a file is written; see `read_dialect`.

        Raises:
            DataError: It cannot be read, or has another number of columns than `header` has names.
        """
        header = header or Header()
        dialect = read_dialect(str(path), delimiter=delimiter, encoding=encoding, head_only=head_only)
        refuse_spaced(str(path), dialect)
        notes: list[str] = []
        names = distinct_names(header.names_of(str(path), dialect.first), notes)
        has_header = header.is_first_line(dialect.first)
        warnings = header.warnings(str(path), dialect.row_like, is_name_like=dialect.is_name_like)
        return cls(path, dialect, names, has_header, tuple(notes), tuple(warnings))

    @property
    def repeated(self) -> tuple[str, ...]:
        """Names that more than one column has."""
        return repeated_names(self.dialect.first) if self.has_header else ()

    @property
    def told(self) -> tuple[Told, ...]:
        """What was told from the bytes."""
        return self.dialect.told

    def unreadable(self) -> dict[str, str]:
        """Columns whose values are of no use, and why; a CSV file has none."""
        return {}

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The columns `names`, block by block, every value as it is written.

        Raises:
            DataError: The file is damaged: names the line, what was found there and what was expected.
        """
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        own, dialect = self.names, self.dialect
        try:
            with opened_bytes(str(self.path)) as file:
                reader = arrow_csv.open_csv(
                    file,
                    read_options=arrow_csv.ReadOptions(
                        block_size=_BLOCK_BYTES,
                        column_names=list(own),
                        skip_rows=dialect.blank_lines,
                        skip_rows_after_names=int(self.has_header),
                        encoding="utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding,
                    ),
                    parse_options=arrow_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(own, pa.string()),
                        include_columns=list(names),
                        strings_can_be_null=False,
                    ),
                )
                yield from (batch for batch in reader if batch.num_rows)
        except (pa.ArrowInvalid, UnicodeError) as error:
            self._explain(error)

    def line_of(self, row: int) -> int:
        """The line on which a row begins, both counted from 1; 0 if there is no such row."""
        with opened_rows(str(self.path), self.dialect, strict=False) as rows:
            return next((line for line, _ in itertools.islice(rows, row - 1 + self.has_header, None)), 0)

    def _explain(self, cause: Exception) -> NoReturn:
        """Find what pyarrow stumbled over, with the module that counts lines.

        Raises:
            DataError: Always.
        """
        said = " ".join(str(cause).split())
        if isinstance(cause, UnicodeError) or "UTF8" in said:
            raise undecodable(str(self.path), self.dialect.encoding) from cause
        without_rows = DataError(f"{self.path} has no rows", expected="rows under the line of names")
        if "Empty CSV" in said:
            raise without_rows from cause
        width, number = len(self.names), 0
        with opened_rows(str(self.path), self.dialect, strict=True) as rows:
            for number, (line, row) in enumerate(rows, start=1 - self.has_header):
                if len(row) != width:
                    raise DataError(
                        f"{self.path}:{line} (row {number}) has {len(row)} values: {_shown(row)}",
                        expected=f"{width}, one for each column: {_listed(self.names)}",
                        hint="put quotes around a value with the delimiter in it, or set `delimiter`",
                    ) from cause
        if not number:  # of one line without an end pyarrow says that it is too long
            raise without_rows from cause
        if "straddling" in said:
            said = f"a row has more than {_BLOCK_BYTES >> 20} MiB"
        raise DataError(f"{self.path} cannot be read: {said}", expected="a CSV file") from cause


def _shown(record: Sequence[Any]) -> str:
    text = ", ".join(map(str, record))
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")


def _listed(names: Sequence[str], *, most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
