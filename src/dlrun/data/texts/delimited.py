"""CSV and TSV files: columns by the names in their first line; quotes may hold separators and line breaks."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dlrun.data.texts.encoding import LONGEST_TEXT, lines, opened
from dlrun.data.texts.rows import Row, TextFile, absent_label
from dlrun.errors import DataError

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_TABBED = (".tsv", ".tab")


@dataclass(frozen=True)
class DelimitedFile(TextFile):
    """A file of lines whose fields are separated by a character, the one that parts the first line into most fields."""

    def names(self) -> tuple[str, ...]:
        """The fields of its first line."""
        with self._reader() as (_, names):
            return names

    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Its rows; lines with nothing in them are no rows."""
        self.check_columns(labelled=labelled)
        with self._reader() as (reader, names):
            text, label = names.index(self.reading.text), names.index(self.reading.label) if labelled else 0
            number = reader.line_num + 1
            for fields in self._fields(reader):
                if len(fields) != len(names) and fields:
                    raise self._wrong_width(number, fields, names)
                if fields:
                    said = fields[label].strip() if labelled else None
                    if said == "":
                        raise absent_label(self.place(number), self.reading)
                    yield Row(number, fields[text], said)
                number = reader.line_num + 1

    def notes(self) -> Iterator[str]:
        """Also the delimiter, where it is no comma."""
        yield from super().notes()
        with opened(self.path, self.reading.encoding, newline="") as stream:
            delimiter = self._delimiter(next(lines(stream, self.path), ""))
        if self.reading.delimiter == "auto" and delimiter != "," and not self._is_tabbed:
            name = next(name for name, mark in DELIMITERS.items() if mark == delimiter)
            yield f"delimiter: {name} for {self.path}, by its first line (key `delimiter`)"

    @property
    def _is_tabbed(self) -> bool:
        return Path(self.path.removesuffix(".gz")).suffix.lower() in _TABBED

    @contextmanager
    def _reader(self) -> Iterator[tuple[Any, tuple[str, ...]]]:
        """A reader after the first line, and the names that stood there."""
        csv.field_size_limit(LONGEST_TEXT)  # the module has one for all; its own 131,072 is less than a long text
        with opened(self.path, self.reading.encoding, newline="") as stream:
            following = lines(stream, self.path)
            first = next(following, "")
            if not first.strip():
                raise DataError(f"{self.path}:1: the first line is empty", expected="a line with the columns' names")
            delimiter = self._delimiter(first)
            quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.reading.quoted else csv.QUOTE_NONE
            reader = csv.reader(_chained(first, following), delimiter=delimiter, quoting=quoting, strict=True)
            names = tuple(name.strip() for name in next(self._fields(reader)))
            yield reader, names

    def _fields(self, reader: Any) -> Iterator[list[str]]:
        """The fields of each row; an error of the csv module becomes one that can be understood."""
        begun = reader.line_num + 1
        try:
            for fields in reader:
                yield fields
                begun = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{self.path}:{begun}: a row that begins here cannot be taken apart: {error}",
                expected="a field in double quotes that ends with a quote; a quote inside it written twice",
                hint="quoted: false, if quotes in this file are letters like any other",
            ) from error

    def _delimiter(self, first: str) -> str:
        said = self.reading.delimiter
        if said != "auto":
            return DELIMITERS.get(said, said)
        if self._is_tabbed:
            return "\t"
        parted = {mark: len(next(csv.reader([first], delimiter=mark))) for mark in DELIMITERS.values()}
        return max(parted, key=lambda mark: parted[mark])  # of equals the first

    def _wrong_width(self, number: int, fields: list[str], names: tuple[str, ...]) -> DataError:
        return DataError(
            f"{self.path}:{number}: the row has {len(fields)} field{'s'[: len(fields) > 1]}: {_shown(fields)}",
            expected=f"{len(names)}, as the first line has: {', '.join(names)}",
            hint="a text with a delimiter in it stands in double quotes",
        )


def _chained(first: str, following: Iterator[str]) -> Iterator[str]:
    yield first
    yield from following


def _shown(fields: list[str]) -> str:
    text = repr(fields)
    return text if len(text) <= 100 else text[:100] + "..."  # noqa: PLR2004  what fits a line
