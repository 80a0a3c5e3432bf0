"""Read delimited files (CSV, TSV): row by row with line numbers, or as blocks of columns with pyarrow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from dlrun.data.files.column_names import distinct_names, repeated_names
from dlrun.data.files.data_file import DataFile, FileFormat
from dlrun.data.files.dialect import Dialect, opened_rows, read_dialect
from dlrun.data.files.encoding import opened_bytes, undecodable
from dlrun.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 1 << 21
"""Bytes per block. Smaller blocks need less memory and are not slower, but no row may be longer than a block."""

_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class CsvFile(DataFile):
    """A delimited file whose first lines have been read.

    Args:
        dialect: Encoding, delimiter and quoting of the file.
        has_header: Whether the first line contains the column names.
    """

    dialect: Dialect = field(kw_only=True)
    has_header: bool = field(default=True, kw_only=True)

    @classmethod
    def open(cls, path: Path, file_format: FileFormat, *, head_only: bool = False) -> Self:
        """Open a file and detect its dialect; see `read_dialect`.

        Raises:
            DataError: The file cannot be read, or its number of columns differs from the number of names in `header`.
        """
        dialect = read_dialect(
            str(path),
            delimiter=file_format.delimiter,
            encoding=file_format.encoding,
            quoted=file_format.quoted,
            head_only=head_only,
        )
        header, notes = file_format.header, list[str]()
        names = distinct_names(header.names_of(str(path), dialect.first), notes)
        warnings = header.warnings(str(path), dialect.row_like, is_name_like=dialect.is_name_like)
        return cls(
            path,
            names,
            tuple(notes),
            dialect.detected,
            tuple(warnings),
            dialect=dialect,
            has_header=header.is_first_line(dialect.first),
            row_like=header.doubt(dialect.first, dialect.row_like),
        )

    @property
    def repeated(self) -> tuple[str, ...]:
        """Return the names that more than one column has."""
        return repeated_names(self.dialect.first) if self.has_header else ()

    def unreadable(self) -> dict[str, str]:
        """Return an empty mapping: every column of a delimited file can be read as text."""
        return {}

    def records(self, columns: Sequence[str], *, is_ragged: bool = False) -> Iterator[tuple[int, Sequence[str]]]:
        """Read every row with the number of the line on which it begins; empty lines are skipped.

        Raises:
            DataError: A row cannot be parsed, or (unless `is_ragged`) has too few or too many values.
        """
        places, width = [self.names.index(name) for name in columns], len(self.names)
        with opened_rows(str(self.path), self.dialect, strict=True) as rows:
            if self.has_header:
                next(rows)
            for number, (line, row) in enumerate(rows, start=1):
                if len(row) != width and not is_ragged:
                    raise self._wrong_width(line, number, row)
                row.extend([""] * (width - len(row)))
                yield line, [row[place] for place in places]

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read columns block by block, with every value as text.

        Raises:
            DataError: The file is damaged; the error names the line, what was found there and what was expected.
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
                        # pyarrow skips a byte-order mark itself, but converts text of any other encoding than utf-8.
                        encoding="utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding,
                    ),
                    parse_options=arrow_csv.ParseOptions(
                        delimiter=dialect.delimiter,
                        quote_char='"' if dialect.quoted else False,
                        # Without quotes every line break ends a row.
                        newlines_in_values=dialect.quoted,
                    ),
                    convert_options=arrow_csv.ConvertOptions(
                        # pyarrow would infer types from the first block, and fail at a later value that does not fit.
                        column_types=dict.fromkeys(own, pa.string()),
                        include_columns=list(names),
                        strings_can_be_null=False,
                    ),
                )
                yield from (batch for batch in reader if batch.num_rows)
        except (pa.ArrowInvalid, UnicodeError) as error:
            self._explain(error)

    def line_of(self, row: int) -> int:
        """Return the line on which a row begins, both counted from 1; 0 if there is no such row.

        A row number is not enough for a message: quoted values may contain line breaks, and empty lines are skipped.
        """
        # Not strict: another error on the way would replace the one that asks for the line.
        with opened_rows(str(self.path), self.dialect, strict=False) as rows:
            return next((line for line, _ in itertools.islice(rows, row - 1 + self.has_header, None)), 0)

    def _explain(self, cause: Exception) -> NoReturn:
        """Raise an error with the line that pyarrow failed on.

        pyarrow does not report line numbers, so the rows are read again one by one.

        Raises:
            DataError: Always.
        """
        problem = " ".join(str(cause).split())
        if isinstance(cause, UnicodeError) or "UTF8" in problem:
            raise undecodable(str(self.path), self.dialect.encoding) from cause
        without_rows = DataError(f"{self.path} has no rows", expected="rows below the line of column names")
        if "Empty CSV" in problem:
            raise without_rows from cause
        if not sum(1 for _ in self.records(())):  # pyarrow calls a single line without a line break too long
            raise without_rows from cause
        if "straddling" in problem:
            problem = f"a row is longer than {_BLOCK_BYTES >> 20} MiB"
        raise DataError(f"{self.path} cannot be read: {problem}", expected="a CSV file") from cause

    def _wrong_width(self, line: int, number: int, row: Sequence[str]) -> DataError:
        values = f"{len(row)} value{'s' * (len(row) != 1)}"
        return DataError(
            f"{self.path}:{line} (row {number}) has {values}: {_shown(row)}",
            expected=f"{len(self.names)} values, one for each column: {_listed(self.names)}",
            hint="put double quotes around a value that contains the delimiter, or set `delimiter`",
        )


def _shown(record: Sequence[Any]) -> str:
    text = ", ".join(map(str, record))
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")


def _listed(names: Sequence[str], *, most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
