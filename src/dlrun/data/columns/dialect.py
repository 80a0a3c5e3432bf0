"""How a CSV file is written, told from its bytes: encoding, delimiter, and the names of its columns."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from dlrun.errors import DataError

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

_HEAD_BYTES = 1 << 18
_SCANNED_BYTES = 1 << 24
_JUDGED_ROWS = 50
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"
_NUMBER = re.compile(r"\s*[+-]?[\d.,]*\d[\d.,]*\s*")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Args:
        encoding: As Python names it.
        delimiter: Between two values.
        names: Of the columns: trimmed, those without one numbered, those that occur twice told apart.
        repeated: Names that more than one column has.
        blank_lines: Lines before the names with nothing in them.
        notes: What was told from the bytes, where it is not what everyone expects.
    """

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    repeated: tuple[str, ...] = ()
    blank_lines: int = 0
    notes: tuple[str, ...] = ()


def read_dialect(
    path: Path, *, delimiter: str | None = None, encoding: str | None = None, head_only: bool = False
) -> Dialect:
    """Tell how a file is written.

    Args:
        path: The file; it may be compressed with gzip.
        delimiter: What is known already; None: told from the first lines.
        encoding: What is known already; None: told from the bytes, all of which have to fit.
        head_only: Whether to look at the first lines only.

    Raises:
        DataError: It cannot be read, holds no text, or has no names of columns.
    """
    try:
        notes: list[str] = []
        chosen = encoding or _tell_encoding(path, notes, head_only=head_only)
        head, is_whole = _head(path, chosen)
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}", expected="a CSV file") from error
    blank_lines = _count_blank_lines(head)
    records_of = {mark: _records(head, mark, is_whole=is_whole) for mark in DELIMITERS.values()}
    if delimiter is None:
        delimiter = max(records_of, key=lambda mark: _fit(records_of[mark]))
        if delimiter != ",":
            name = next(name for name, mark in DELIMITERS.items() if mark == delimiter)
            notes.append(f"delimiter: {name}, by the first lines (key `delimiter`)")
    records = records_of.get(delimiter) or _records(head, delimiter, is_whole=is_whole)
    if not records:
        raise DataError(f"{path} has no lines", expected="a line of column names, and rows")
    if all(_NUMBER.fullmatch(name) for name in records[0]):
        notes.append(
            f"names: the first line of {path.name} is taken for the names of the columns, though all are numbers"
        )
    names = distinct_names(records[0], notes)
    return Dialect(chosen, delimiter, names, repeated_names(records[0]), blank_lines, tuple(notes))


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, unpacked if it is compressed with gzip."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path)) if packed else path.open("rb")


def open_text(path: Path, dialect: Dialect) -> IO[str]:
    """Open a file as the csv module wants it; what cannot be decoded is replaced."""
    return io.TextIOWrapper(open_bytes(path), encoding=dialect.encoding, errors="replace", newline="")


def distinct_names(given: Sequence[str], notes: list[str]) -> tuple[str, ...]:
    """Names for every column: a missing one is numbered, one that occurs again gets the number of its turn."""
    names: list[str] = []
    taken = {name.strip() for name in given}
    for number, raw in enumerate(given, start=1):
        name = base = raw.strip() or f"column_{number}"
        turn = 1
        while name in names or (turn > 1 and name in taken):
            turn += 1
            name = f"{base}_{turn}"
        if name != raw.strip():
            said = f"a second {raw.strip()!r}" if raw.strip() else "without a name"
            notes.append(f"names: column {number} is {said}, and is called {name!r}")
        names.append(name)
    return tuple(names)


def repeated_names(given: Sequence[str]) -> tuple[str, ...]:
    """The names that more than one column has."""
    names = [name.strip() for name in given if name.strip()]
    return tuple(dict.fromkeys(name for name in names if names.count(name) > 1))


def _tell_encoding(path: Path, notes: list[str], *, head_only: bool) -> str:
    with open_bytes(path) as file:
        first = file.read(_HEAD_BYTES)
        for bom, encoding in _BOMS:
            if first.startswith(bom):
                if encoding != "utf-8-sig":
                    notes.append(f"encoding: {encoding}, by its first bytes")
                return encoding
        if b"\x00" in first:
            return _tell_wide(path, first, notes)
        decoder = codecs.getincrementaldecoder("utf-8")()
        block = first
        try:
            while block:
                if not block.isascii() or decoder.getstate()[0]:
                    decoder.decode(block)
                block = b"" if head_only else file.read(_SCANNED_BYTES)
            if not head_only:
                decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            encoding = _tell_single_byte(path)
            notes.append(f"encoding: {encoding}, as it is not UTF-8 (key `encoding`)")
            return encoding
    return "utf-8"


def _tell_single_byte(path: Path) -> str:
    """Windows' Latin-1, or the real one if there are bytes that only this has."""
    with open_bytes(path) as file:
        while block := file.read(_SCANNED_BYTES):
            if len(block.translate(None, _NOT_IN_CP1252)) < len(block):
                return "latin-1"
    return "cp1252"


def _tell_wide(path: Path, first: bytes, notes: list[str]) -> str:
    """UTF-16 without its mark, by which of two bytes is zero; anything else with zero bytes is no text."""
    even, odd = first[0::2].count(0), first[1::2].count(0)
    half = len(first) // 2
    for encoding, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros > half // 2 and others < half // 10:
            notes.append(f"encoding: {encoding}, by its zero bytes (key `encoding`)")
            return encoding
    raise DataError(f"{path} holds zero bytes: it is no text", expected="a CSV or Parquet file")


def _head(path: Path, encoding: str) -> tuple[str, bool]:
    """The first characters, and whether they are all."""
    with open_bytes(path) as file:
        raw = file.read(_HEAD_BYTES)
        is_whole = not file.read(1)
    try:
        text = codecs.getincrementaldecoder(encoding)("strict").decode(raw)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{line} is not {encoding}: {error.reason}", expected=f"text in {encoding}", hint="encoding: auto"
        ) from error
    return text, is_whole


def _count_blank_lines(head: str) -> int:
    count = 0
    for line in io.StringIO(head, newline=""):
        if line.strip("\r\n"):
            return count
        count += 1
    return count


def _records(head: str, delimiter: str, *, is_whole: bool) -> list[list[str]]:
    """The first rows that are not empty; the last of what was read may be cut and is left out."""
    records: list[list[str]] = []
    reader = csv.reader(io.StringIO(head.lstrip("\r\n"), newline=""), delimiter=delimiter)
    try:
        for record in reader:
            if record:
                records.append(record)
            if len(records) > _JUDGED_ROWS:
                break
    except csv.Error:  # a field without end: what reads the rows says where
        pass
    return records if is_whole or len(records) <= 1 else records[:-1]


def _fit(records: Iterable[Sequence[str]]) -> tuple[bool, float, int]:
    """How well a delimiter fits: whether it divides, how many rows it divides like the first, and into how many."""
    widths = [len(record) for record in records]
    if not widths:
        return False, 0.0, 0
    return widths[0] > 1, sum(width == widths[0] for width in widths) / len(widths), widths[0]
