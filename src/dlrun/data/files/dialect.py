"""How a delimited file is written, as detected from its bytes: encoding, delimiter, first row; and its rows."""

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
    """The character that a key means, or None if it is detected from the file."""
    return None if value == "auto" else DELIMITERS.get(value, value)


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Args:
        encoding: As Python names it.
        delimiter: Between two values.
        quoted: Whether a value may stand in double quotes.
        first: The first row that is not empty, trimmed.
        row_like: The values by which that looks like a row and not like names of columns; empty: it does not.
        blank_lines: Lines before it with nothing in them.
        detected: What was detected from the bytes.
        is_spaced: Whether blanks part the values, which no delimiter does.
        is_name_like: Whether the first row looks like names of columns, whatever it is read as.
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
    """Detect how a file is written.

    Args:
        path: The file; it may be compressed with gzip.
        delimiter: What is known already; None: detected from the first rows.
        encoding: What is known already; None: detected from the bytes, all of which have to fit.
        quoted: Whether a value may stand in double quotes.
        head_only: Whether to look at the first rows only.

    Raises:
        DataError: It cannot be read, or is not text.
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
        detected.append(Detected("delimiter", name, "" if chosen == (own or ",") else "by its first lines"))
    first, *rest = rows_of[chosen] or [[]]
    names = tuple(name.strip() for name in first)
    is_spaced = delimiter is None and _is_spaced(rows_of[chosen], chosen)
    like, is_named = row_like(names, rest), name_like(names, rest)
    return Dialect(found, chosen, quoted, names, like, blank_lines, tuple(detected), is_spaced, is_named)


def refuse_spaced(path: str, dialect: Dialect) -> None:
    """Refuse a file whose values are parted by blanks: one or many, as it looks well.

    Raises:
        DataError: With the line that makes a CSV file of it.
    """
    if not dialect.is_spaced:
        return
    stem = str(Path(path).with_suffix(""))
    target = f"{stem}.csv" if f"{stem}.csv" != path else f"{stem}-commas.csv"
    is_row = any(map(_is_number, dialect.first[0].split()))
    read, write = (", header=None", ", header=False") if is_row else ("", "")
    convert = f"pd.read_csv('{path}', sep=r'\\s+'{read}).to_csv('{target}', index=False{write})"
    raise DataError(
        f"the values of {path} are parted by blanks: {' '.join(dialect.first)[:_LONGEST_SHOWN]!r}",
        expected="commas, semicolons, tabs or | between them",
        hint=f'python -c "import pandas as pd; {convert}"',
    )


def is_delimited(path: str) -> bool:
    """Whether the first lines of a text file have the same number of values each, and more than one.

    Args:
        path: The file; False if it cannot be read.
    """
    try:
        dialect = read_dialect(path, quoted=False, head_only=True)
        with opened_rows(path, dialect, strict=False) as rows:
            widths = {len(row) for _, row in itertools.islice(rows, _JUDGED_ROWS)}
    except DataError:
        return False
    return widths == {len(dialect.first)} and len(dialect.first) > 1


@contextmanager
def opened_rows(path: str, dialect: Dialect, *, strict: bool) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a file for its rows, each with the line on which it begins; lines with nothing in them are skipped.

    Args:
        path: The file.
        dialect: How it is written.
        strict: Whether a quoted value has to end with its quote.

    Raises:
        DataError: The file, or a row of it, cannot be read.
    """
    with opened(path, dialect.encoding, newline="") as stream:
        yield _rows(_reader(lines(stream, path), dialect.delimiter, quoted=dialect.quoted, strict=strict), path)


def _rows(reader: Any, path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows; an error of the csv module becomes one that can be understood."""
    begun = 1
    try:
        for row in reader:
            if row:
                yield begun, row
            begun = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}:{begun}: a row that begins here cannot be taken apart: {error}",
            expected="a value in double quotes that ends with a quote; a quote inside it written twice",
            hint="quoted: false, if quotes in this file are letters like any other",
        ) from error


def _reader(text: Iterable[str], delimiter: str, *, quoted: bool, strict: bool) -> Any:
    csv.field_size_limit(LONGEST_TEXT)  # the module has one for all; its own 131,072 is less than a long text
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    return csv.reader(text, delimiter=delimiter, quoting=quoting, strict=strict)


def _read_head(stream: TextIO, path: str) -> tuple[int, str, bool]:
    """How many blank lines there are, the beginning of what follows, its first line whole, and whether it is all."""
    for blank_lines, line in enumerate(lines(stream, path)):
        if line.strip("\r\n"):
            rest = stream.read(_HEAD_CHARACTERS)
            first = line.removeprefix("\ufeff")  # the mark of an encoding that was said by its name
            return blank_lines, first + rest, not stream.read(1)
    raise DataError(f"{path} has no lines", expected="a line of column names, and rows")


def _first_rows(head: str, delimiter: str, *, quoted: bool, is_whole: bool) -> list[list[str]]:
    """The first rows that are not empty; the last of what was read may be cut and is left out."""
    rows: list[list[str]] = []
    try:
        for row in _reader(io.StringIO(head, newline=""), delimiter, quoted=quoted, strict=False):
            if row:
                rows.append(row)
            if len(rows) > _JUDGED_ROWS:
                break
    except csv.Error:  # a value without end: what reads the rows says where
        pass
    return rows if is_whole or len(rows) <= 1 else rows[:-1]


def _is_spaced(rows: Sequence[Sequence[str]], mark: str) -> bool:
    """Whether the first value of each row is several, with numbers among them: parted by blanks, and at most one tab.

    A value may also be a list of numbers, such as the pixels of an image: beside a tab, one blank parts nothing.
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
    """How well a delimiter fits: whether it divides, is the suffix's own, how alike rows are, and their values."""
    widths = [len(row) for row in rows] or [0]
    return widths[0] > 1, is_own, widths.count(widths[0]) / len(widths), widths[0]
