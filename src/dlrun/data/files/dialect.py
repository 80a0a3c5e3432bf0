"""Detect the dialect of a delimited file from its bytes (encoding, delimiter, first row), and read its rows."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from dlrun.data.files.encoding import LONGEST_TEXT, Detected, detect_encoding, lines, opened
from dlrun.data.files.header import name_like, row_like
from dlrun.errors import DataError

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

_TABBED = (".tsv", ".tab")
_HEAD_CHARACTERS = 1 << 18
_JUDGED_ROWS = 50
_FEWEST_SPACED = 3
_LONGEST_SHOWN = 60


def _check_delimiter(value: str) -> str:
    if value != "auto" and value not in DELIMITERS and (len(value) != 1 or value in '"\r\n'):
        names = ", ".join(DELIMITERS)
        raise PydanticCustomError("delimiter", f"Input should be auto, one character, or one of {names}")
    return value


FileDelimiter = Annotated[str, AfterValidator(_check_delimiter)]
"""The name of a delimiter, the character itself, or auto."""


def known_delimiter(value: str) -> str | None:
    """Return the delimiter for the value of a YAML key; None to detect it from the file."""
    return None if value == "auto" else DELIMITERS.get(value, value)


@dataclass(frozen=True)
class Dialect:
    """Encoding, delimiter and first row of a CSV file.

    Args:
        encoding: Python's name of the encoding.
        delimiter: Character between two values.
        quoted: Whether a value may be enclosed in double quotes.
        first: Values of the first row that is not empty, without surrounding spaces.
        row_like: Values of the first row that look like data and not like column names; empty if none do.
        blank_lines: Number of empty lines before the first row.
        detected: Properties that were detected from the bytes.
        is_spaced: Whether the values are separated by spaces, which is not supported.
        is_name_like: Whether the first row looks like column names, however it is read.
    """

    encoding: str
    delimiter: str
    quoted: bool
    first: tuple[str, ...]
    row_like: str
    blank_lines: int
    detected: tuple[Detected, ...]
    is_spaced: bool = False
    is_name_like: bool = False


def read_dialect(
    path: str,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    quoted: bool = True,
    head_only: bool = False,
) -> Dialect:
    """Detect the dialect of a file.

    Args:
        path: The file; it may be compressed with gzip.
        delimiter: Known delimiter; None to detect it from the first rows.
        encoding: Known encoding; None to detect it from the bytes, all of which must be valid in it.
        quoted: Whether a value may be enclosed in double quotes.
        head_only: Whether to look at the first rows only.

    Raises:
        DataError: The file cannot be read or is not text.
    """
    detected = [] if encoding else [detect_encoding(path, head_only=head_only)]
    found = encoding or detected[0].name
    with opened(path, found, newline="") as stream:
        blank_lines, head, is_whole = _read_head(stream, path)
    marks = tuple(DELIMITERS.values()) if delimiter is None else (delimiter,)
    rows_of = {mark: _first_rows(head, mark, quoted=quoted, is_whole=is_whole) for mark in marks}
    own = "\t" if Path(path.removesuffix(".gz")).suffix.lower() in _TABBED else None
    chosen = max(marks, key=lambda mark: _fit(rows_of[mark], is_own=mark == own))
    if delimiter is None:
        name = next(name for name, mark in DELIMITERS.items() if mark == chosen)
        detected.append(Detected("delimiter", name, "" if chosen == (own or ",") else "detected from its first lines"))
    first, *rest = rows_of[chosen] or [[]]
    names = tuple(name.strip() for name in first)
    is_spaced = delimiter is None and _is_spaced(rows_of[chosen], chosen)
    like, is_named = row_like(names, rest), name_like(names, rest)
    return Dialect(found, chosen, quoted, names, like, blank_lines, tuple(detected), is_spaced, is_named)


def refuse_spaced(path: str, dialect: Dialect) -> None:
    """Raise an error for a file whose values are separated by one or more spaces, as in aligned columns.

    Raises:
        DataError: Spaces separate the values; the hint is a command that converts the file to CSV.
    """
    if not dialect.is_spaced:
        return
    stem = str(Path(path).with_suffix(""))
    target = f"{stem}.csv" if f"{stem}.csv" != path else f"{stem}-commas.csv"
    # With a number in the first line, it is probably a row, which the command must not take for column names.
    is_row = any(map(_is_number, dialect.first[0].split()))
    read, write = (", header=None", ", header=False") if is_row else ("", "")
    convert = f"pd.read_csv('{path}', sep=r'\\s+'{read}).to_csv('{target}', index=False{write})"
    raise DataError(
        f"the values of {path} are separated by spaces: {' '.join(dialect.first)[:_LONGEST_SHOWN]!r}",
        expected="commas, semicolons, tabs or | between them",
        hint=f'python -c "import pandas as pd; {convert}"',
    )


def is_delimited(path: str) -> bool:
    """Return whether the first lines of a text file all have the same number of values, and more than one.

    Args:
        path: The file; for one that cannot be read the result is False.
    """
    try:
        # In prose a quote is an ordinary character; read as an opening one, it could join many lines.
        dialect = read_dialect(path, quoted=False, head_only=True)
        with opened_rows(path, dialect, strict=False) as rows:
            widths = {len(row) for _, row in itertools.islice(rows, _JUDGED_ROWS)}
    except DataError:
        return False
    return widths == {len(dialect.first)} and len(dialect.first) > 1


@contextmanager
def opened_rows(path: str, dialect: Dialect, *, strict: bool) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a file and read its rows, each with the number of the line on which it begins; empty lines are skipped.

    Args:
        path: The file.
        dialect: Dialect of the file.
        strict: Whether a quoted value must end with a quote.

    Raises:
        DataError: The file or one of its rows cannot be read.
    """
    with opened(path, dialect.encoding, newline="") as stream:
        yield _rows(_reader(lines(stream, path), dialect.delimiter, quoted=dialect.quoted, strict=strict), path)


def _rows(reader: Any, path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows, and turn an error of the csv module into a `DataError` with the line of the row."""
    # A quoted value may contain line breaks, so a row begins on the line after the previous row ended.
    first_line = 1
    try:
        for row in reader:
            if row:
                yield first_line, row
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}:{first_line}: the row that begins here cannot be parsed: {error}",
            expected="a quoted value that ends with a double quote, with each quote inside it doubled",
            hint="set quoted: false if quotes in this file are ordinary characters",
        ) from error


def _reader(text: Iterable[str], delimiter: str, *, quoted: bool, strict: bool) -> Any:
    csv.field_size_limit(LONGEST_TEXT)  # a setting of the whole module, whose default of 131,072 is too low for texts
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    return csv.reader(text, delimiter=delimiter, quoting=quoting, strict=strict)


def _read_head(stream: TextIO, path: str) -> tuple[int, str, bool]:
    """Return the number of leading empty lines, the text after them (at least a whole line), and whether it is all."""
    for blank_lines, line in enumerate(lines(stream, path)):
        if line.strip("\r\n"):
            rest = stream.read(_HEAD_CHARACTERS)
            # With encoding: utf-8 or utf-16-le, Python keeps a byte-order mark as the first character.
            first = line.removeprefix("\ufeff")
            return blank_lines, first + rest, not stream.read(1)
    raise DataError(f"{path} has no lines", expected="a line of column names, and rows")


def _first_rows(head: str, delimiter: str, *, quoted: bool, is_whole: bool) -> list[list[str]]:
    """Return the first rows that are not empty, without the last one if it may be incomplete."""
    rows: list[list[str]] = []
    try:
        for row in _reader(io.StringIO(head, newline=""), delimiter, quoted=quoted, strict=False):
            if row:
                rows.append(row)
            if len(rows) > _JUDGED_ROWS:
                break
    except csv.Error:  # an unterminated value: reading the rows reports its line
        pass
    return rows if is_whole or len(rows) <= 1 else rows[:-1]


def _is_spaced(rows: Sequence[Sequence[str]], mark: str) -> bool:
    """Return whether the rows have several values, with numbers among them, separated by spaces (and at most one tab).

    A value may also be a list of numbers, such as the pixels of an image. So next to a tab, single spaces do not count
    as separators.
    """
    if len(rows) < _FEWEST_SPACED or not (len(rows[0]) == 1 or (mark == "\t" and len(rows[0]) <= 2)):
        return False
    values = [row[0].split() for row in rows]
    if len({len(each) for each in values}) != 1 or len(values[0]) < _FEWEST_SPACED:
        return False
    if mark == "\t" and len(rows[0]) == 2 and not all("  " in row[0].strip() for row in rows):
        return False
    return all(sum(map(_is_number, each)) >= 2 for each in values[1:])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _fit(rows: Sequence[Sequence[str]], *, is_own: bool) -> tuple[bool, bool, float, int]:
    """Return how well a delimiter fits, as a tuple to compare.

    A delimiter must split the first row. Then the one that belongs to the suffix wins, then the one with the most rows
    as wide as the first, then the one with the most values.
    """
    widths = [len(row) for row in rows] or [0]
    return widths[0] > 1, is_own, widths.count(widths[0]) / len(widths), widths[0]
