"""The rows of a CSV file as blocks of text columns, in bounded memory; whatever is wrong is told with its line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from dlrun.data.columns.dialect import Dialect, open_bytes, open_text, read_dialect
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
    """

    path: Path
    dialect: Dialect

    @classmethod
    def open(
        cls, path: Path, *, delimiter: str | None = None, encoding: str | None = None, head_only: bool = False
    ) -> CsvFile:
        """Tell how a file is written; see `read_dialect`."""
        return cls(path, read_dialect(path, delimiter=delimiter, encoding=encoding, head_only=head_only))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return self.dialect.names

    @property
    def repeated(self) -> tuple[str, ...]:
        """Names that more than one column has."""
        return self.dialect.repeated

    @property
    def notes(self) -> tuple[str, ...]:
        """What was told from the bytes."""
        return self.dialect.notes

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

        own, dialect = self.dialect.names, self.dialect
        try:
            with open_bytes(self.path) as file:
                reader = arrow_csv.open_csv(
                    file,
                    read_options=arrow_csv.ReadOptions(
                        block_size=_BLOCK_BYTES,
                        column_names=list(own),
                        skip_rows=dialect.blank_lines,
                        skip_rows_after_names=1,
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
        except (pa.ArrowInvalid, UnicodeError, OSError, EOFError) as error:
            self._explain(error)

    def line_of(self, row: int) -> int:
        """The line on which a row ends, both counted from 1; 0 if it cannot be told."""
        with open_text(self.path, self.dialect) as file:
            reader = csv.reader(file, delimiter=self.dialect.delimiter)
            try:
                for number, _ in enumerate(record for record in reader if record):
                    if number == row:  # the first is the names
                        return reader.line_num
            except csv.Error:
                pass
        return 0

    def _explain(self, cause: Exception) -> NoReturn:
        """Find what pyarrow stumbled over, with the module that counts lines.

        Raises:
            DataError: Always.
        """
        width = len(self.dialect.names)
        said = " ".join(str(cause).split())
        if isinstance(cause, UnicodeError) or "UTF8" in said:
            raise DataError(
                f"{self.path} is not {self.dialect.encoding}: {said}", expected="one encoding", hint="encoding: auto"
            ) from cause
        if "Empty CSV" in said:
            raise DataError(f"{self.path} has no rows", expected="rows under the line of names") from cause
        begun = 1
        with open_text(self.path, self.dialect) as file:
            reader = csv.reader(file, delimiter=self.dialect.delimiter, strict=True)
            try:
                for number, record in enumerate(record for record in reader if record):
                    if len(record) != width:
                        raise DataError(
                            f"{self.path}:{reader.line_num} (row {number}) has {len(record)} values: {_shown(record)}",
                            expected=f"{width}, one for each column: {_listed(self.dialect.names)}",
                            hint="put quotes around a value with the delimiter in it, or set `delimiter`",
                        ) from cause
                    begun = reader.line_num + 1
            except csv.Error as error:
                raise DataError(
                    f"{self.path}:{begun}: {error}: a quote that is opened there is not closed",
                    expected='"..." around a value, with "" for a quote in it',
                ) from cause
        if "straddling" in said:
            said = f"a row has more than {_BLOCK_BYTES >> 20} MiB"
        raise DataError(f"{self.path} cannot be read: {said}", expected="a CSV file") from cause


def _shown(record: Sequence[Any]) -> str:
    text = ", ".join(map(str, record))
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")


def _listed(names: Sequence[str], *, most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
