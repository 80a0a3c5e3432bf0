"""Texts from standard input: the same bytes mean what they mean in a file, as detected from their beginning."""

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
"""Of rows: one with a mistake in it makes no lines of text of the others."""
_KINDS: dict[StandardInput, type[DataFile]] = {"csv": CsvFile, "jsonl": JsonLinesFile}
"""What its rows are read from; `lines` are not rows."""


@dataclass(frozen=True)
class KeptInput(TextFile):
    """Standard input, which is called so wherever a row of it is named.

    Args:
        file: The file that keeps it.
    """

    file: TextFile

    @classmethod
    def of(cls, file: TextFile) -> KeptInput:
        """The same rows under the name of standard input."""
        return cls(file.path, file.reading, file)

    def names(self) -> tuple[str, ...]:
        """The names of its columns; empty if it has none."""
        with named_standard_input(self.path):
            return self.file.names()

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Its rows."""
        with named_standard_input(self.path):
            yield from self.file.rows(labelled=labelled)

    def warnings(self) -> Iterator[str]:
        """As of the file."""
        return (warning.replace(self.path, "standard input") for warning in self.file.warnings())

    def row_name(self, number: int) -> str:
        """As in a file."""
        return self.file.row_name(number)

    def place(self, number: int) -> str:
        """Where a row stands: `standard input, line 7`."""
        return f"standard input, {self.row_name(number)}"


def read_standard_input(reading: TextReading) -> TextFile:
    """Return what stands on standard input, kept in a file that is there until the program ends.

    Args:
        reading: How it is read. Of a kind that it does not name, it is CSV if its first line names the reading's column
            of texts, JSON lines if that is an object, Parquet by its first bytes, and else one text a line.

    Raises:
        DataError: It is not text, or its lines look like CSV without a name that is known.
    """
    folder = Path(tempfile.mkdtemp(prefix="dlrun-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "standard input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    with named_standard_input(str(path)):
        kind = _kind(path, reading)
        return KeptInput.of(ColumnFile(str(path), reading, kind) if kind else LinesFile(str(path), reading))


def _kind(path: Path, reading: TextReading) -> type[DataFile] | None:
    """What a file is written in, by the reading or by its beginning; None for lines of text."""
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
    """Detect the kind of text from its beginning.

    Raises:
        DataError: It looks like CSV, and none of its columns is known to hold the texts.
    """
    lines = [line for line in head.splitlines() if line.strip()][:_LOOKED_AT]
    if not lines:
        return "lines"
    if _is_object(lines[0]):
        return "jsonl"
    own = known_delimiter(reading.delimiter)
    marks = (own,) if own is not None else tuple(DELIMITERS.values())
    rows_of = {mark: _rows(head, mark, quoted=reading.quoted) for mark in marks}
    for rows in rows_of.values():
        if rows and _names_the_text(rows, reading):
            return "csv"
    for mark, rows in rows_of.items():
        if _is_like_csv(rows):
            raise DataError(
                f"standard input looks like CSV (divided by {mark!r}), and its first line does not name the column "
                f"{reading.text!r}: {lines[0][:60]!r}",
                expected=f"a first line with the name {reading.text!r}, or one text a line",
                hint="--set dataset.standard_input=lines reads each line as one text, csv as CSV",
            )
    return "lines"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _rows(head: str, mark: str, *, quoted: bool) -> list[list[str]]:
    """The first rows, without the last of what was read, which may be cut."""
    found: list[list[str]] = []
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    try:
        for row in csv.reader(io.StringIO(head, newline=""), delimiter=mark, quoting=quoting):
            found += [row] if row else []
            if len(found) > _LOOKED_AT:
                break
    except csv.Error:
        pass
    return found[:-1] if len(found) > _LOOKED_AT else found


def _names_the_text(rows: Sequence[Sequence[str]], reading: TextReading) -> bool:
    """Whether the first row has the name of the column of texts, or rows are those of columns whose names are known."""
    first = [value.strip() for value in rows[0]]
    if reading.header.is_first_line(first):
        return reading.text in first
    width = len(reading.header.names or first)
    return width > 1 and sum(len(row) == width for row in rows) >= _MOSTLY * len(rows)


def _is_like_csv(rows: Sequence[Sequence[str]]) -> bool:
    """Whether all rows have as many values, and none begins with a space as what follows a comma in a sentence does."""
    widths = {len(row) for row in rows}
    no_space = all(not value.startswith(" ") for row in rows for value in row)
    return len(rows) >= _FEW_LINES and len(widths) == 1 and widths.pop() > 1 and no_space
