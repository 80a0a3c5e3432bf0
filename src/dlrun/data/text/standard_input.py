"""Read texts from standard input, in any format that a file may have, as detected from its beginning."""

from __future__ import annotations

import atexit
import csv
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dlrun.data.files.csv_file import CsvFile
from dlrun.data.files.data_file import DataFile
from dlrun.data.files.dialect import DELIMITERS, known_delimiter
from dlrun.data.files.encoding import named_standard_input, opened
from dlrun.data.files.json_lines import JsonLinesFile
from dlrun.data.files.locate import begins_as_parquet
from dlrun.data.files.parquet_file import ParquetFile
from dlrun.data.text.column_file import ColumnFile
from dlrun.data.text.folders import LinesFile
from dlrun.data.text.rows import Row, StandardInput, TextFile, TextReading
from dlrun.errors import DataError

_HEAD_CHARACTERS = 1 << 16
_LOOKED_AT = 20
_FEW_LINES = 3
_MOSTLY = 0.8
"""Share of rows that must have the same width, so that one malformed row does not turn CSV into lines of text."""
_KINDS: dict[StandardInput, type[DataFile]] = {"csv": CsvFile, "jsonl": JsonLinesFile}
"""Classes that read each format; `lines` are read by `LinesFile`."""


@dataclass(frozen=True)
class KeptInput(TextFile):
    """A copy of standard input, which messages call `standard input` and not by the path of the copy.

    Args:
        file: The copy.
    """

    file: TextFile

    @classmethod
    def of(cls, file: TextFile) -> KeptInput:
        """Return the rows of a file under the name of standard input."""
        return cls(file.path, file.reading, file)

    def names(self) -> tuple[str, ...]:
        """Return the column names; empty if there are no columns."""
        with named_standard_input(self.path):
            return self.file.names()

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Read the rows."""
        with named_standard_input(self.path):
            yield from self.file.rows(labelled=labelled)

    def warnings(self) -> Iterator[str]:
        """Return warnings about ambiguous content."""
        return (warning.replace(self.path, "standard input") for warning in self.file.warnings())

    def row_name(self, number: int) -> str:
        """Return the name of a row: `line 7`."""
        return self.file.row_name(number)

    def place(self, number: int) -> str:
        """Return the place of a row for messages: `standard input, line 7`."""
        return f"standard input, {self.row_name(number)}"


def read_standard_input(reading: TextReading) -> TextFile:
    """Copy standard input to a file, which is deleted when the program ends, and return it.

    Args:
        reading: Columns and format. If the format is `auto`, the input is Parquet by its first bytes, CSV if its first
            line contains the name of the text column, JSON lines if it is an object, and otherwise one text per line.

    Raises:
        DataError: The input is not text, or looks like CSV without the text column.
    """
    # A pipe can be read only once, but detecting the format and reading the rows both start at the beginning.
    folder = Path(tempfile.mkdtemp(prefix="dlrun-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "standard input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    with named_standard_input(str(path)):
        kind = _kind(path, reading)
        return KeptInput.of(ColumnFile(str(path), reading, kind) if kind else LinesFile(str(path), reading))


def _kind(path: Path, reading: TextReading) -> type[DataFile] | None:
    """Return the class that reads the format of a file, by the settings or by its beginning; None for lines of text."""
    if reading.standard_input != "auto":
        return _KINDS.get(reading.standard_input)
    if begins_as_parquet(path):
        return ParquetFile
    if not path.stat().st_size:
        return None
    with opened(str(path), reading.known_encoding, newline="") as text:
        head = text.read(_HEAD_CHARACTERS)
    return _KINDS.get(_kind_of(head, reading))


def _kind_of(head: str, reading: TextReading) -> StandardInput:
    """Detect the format from the beginning of a text.

    Raises:
        DataError: The text looks like CSV, but has no text column.
    """
    lines = [line for line in head.splitlines() if line.strip()][:_LOOKED_AT]
    if not lines:
        return "lines"
    if _is_object(lines[0]):
        return "jsonl"
    own = known_delimiter(reading.delimiter)
    marks = (own,) if own is not None else tuple(DELIMITERS.values())
    rows_of = {mark: _rows(head, mark, quoted=reading.quoted) for mark in marks}
    # Every delimiter is tried for the column name before one of them may be an error: the right one may come last.
    for rows in rows_of.values():
        if rows and _names_the_text(rows, reading):
            return "csv"
    for mark, rows in rows_of.items():
        if _is_like_csv(rows):
            raise DataError(
                f"standard input looks like CSV (separated by {mark!r}), but its first line has no column "
                f"{reading.text!r}: {lines[0][:60]!r}",
                expected=f"a first line with the column {reading.text!r}, or one text per line",
                hint="--set dataset.standard_input=lines reads each line as one text, csv as CSV",
            )
    return "lines"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _rows(head: str, mark: str, *, quoted: bool) -> list[list[str]]:
    """Return the first rows, without the last one, which may be incomplete."""
    found: list[list[str]] = []
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    try:
        for row in csv.reader(io.StringIO(head, newline=""), delimiter=mark, quoting=quoting):
            found += [row] if row else []
            if len(found) > _LOOKED_AT:
                break
    except csv.Error:
        # Lines of text need not be valid CSV; the rows before the error are enough to judge.
        pass
    return found[:-1] if len(found) > _LOOKED_AT else found


def _names_the_text(rows: Sequence[Sequence[str]], reading: TextReading) -> bool:
    """Return whether the first row contains the name of the text column, or rows fit the column names in the spec."""
    first = [value.strip() for value in rows[0]]
    if reading.header.is_first_line(first):
        return reading.text in first
    width = len(reading.header.names or first)
    return width > 1 and sum(len(row) == width for row in rows) >= _MOSTLY * len(rows)


def _is_like_csv(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether all rows have the same number of values, and no value begins with a space.

    In sentences a comma is followed by a space, so lines of text with one comma each are not taken for CSV.
    """
    widths = {len(row) for row in rows}
    no_space = all(not value.startswith(" ") for row in rows for value in row)
    return len(rows) >= _FEW_LINES and len(widths) == 1 and widths.pop() > 1 and no_space
