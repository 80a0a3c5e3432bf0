"""Interface of a file of texts: its rows of number, text and label, and the columns that contain them."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from dlrun.data.files.data_file import FileFormat, advice_on_absent, check_kept
from dlrun.data.files.dialect import known_delimiter
from dlrun.data.files.encoding import Detected, detect_encoding
from dlrun.data.files.header import Header
from dlrun.errors import DataError

_PACKED = 8  # gzip makes text up to about this many times smaller


StandardInput = Literal["auto", "lines", "csv", "jsonl"]


class Row(NamedTuple):
    """One example.

    Args:
        number: Number of its first line, or of the row in a Parquet file, from 1.
        text: The text, without lone surrogates, so that UTF-8 can encode it.
        label: The label as it is written, without surrounding spaces; None if labels are not read.
        kept: Values of the columns in `TextReading.keep`, as text; None for a missing value.
    """

    number: int
    text: str
    label: str | None
    kept: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class TextReading:
    """Columns and format of files of texts.

    Args:
        text: Column or key of the texts, in files that have columns.
        label: Column or key of the labels.
        encoding: Character encoding, or `auto` to detect it from the bytes.
        delimiter: Delimiter of a CSV file, or `auto` to detect it.
        quoted: Whether values of a CSV or TSV file may be enclosed in double quotes.
        header: Settings for the first line of a CSV or TSV file.
        standard_input: Format of standard input, or `auto` to detect it from the beginning.
        keep: Columns or keys to copy to the predictions; never saved.
    """

    text: str = "text"
    label: str = "label"
    encoding: str = "auto"
    delimiter: str = "auto"
    quoted: bool = True
    header: Header = field(default_factory=Header)
    standard_input: StandardInput = "auto"
    keep: Annotated[tuple[str, ...], Field(exclude=True)] = ()

    @property
    def known_encoding(self) -> str | None:
        """Return the encoding; None to detect it from the file."""
        return None if self.encoding == "auto" else self.encoding

    @property
    def file_format(self) -> FileFormat:
        """Return the format of a delimited file, as far as it is known before the file is opened."""
        return FileFormat(known_delimiter(self.delimiter), self.known_encoding, self.quoted, self.header)


@dataclass(frozen=True)
class TextFile(abc.ABC):
    """A file of texts.

    Args:
        path: Path of the file, or `-`.
        reading: Columns and format of the file.
    """

    path: str
    reading: TextReading

    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """Return the column names; empty if the file has no columns.

        Raises:
            DataError: The file cannot be read.
        """

    @abc.abstractmethod
    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Read the examples one after another, in bounded memory.

        Args:
            labelled: Whether to read labels, which every row must then have.

        Raises:
            DataError: The file cannot be read, or a row lacks its text or its label.
        """

    def size(self) -> int:
        """Return the approximate size of the texts in bytes."""
        size = Path(self.path).stat().st_size
        return size * _PACKED if self.path.endswith(".gz") else size

    @property
    def is_delimited(self) -> bool:
        """Return whether the values are separated by a delimiter."""
        return False

    def detected(self) -> Iterator[tuple[str, Detected]]:
        """Yield properties that were detected from the bytes, each with the path; call this after reading the file."""
        if self.reading.known_encoding is None:
            yield self.path, detect_encoding(self.path)

    def warnings(self) -> Iterator[str]:
        """Return warnings about ambiguous content."""
        return iter(())

    def left_out(self) -> Iterator[str]:
        """Return notes on files that are left out."""
        return iter(())

    def row_name(self, number: int) -> str:
        """Return the name of a row within its file: `line 7`."""
        return f"line {number}"

    def place(self, number: int) -> str:
        """Return the place of a row for messages: `reviews.csv:7`."""
        return f"{self.path}:{number}"

    def check_columns(self, names: tuple[str, ...], *, labelled: bool, row_like: str = "") -> None:
        """Raise an error if a column to read is missing.

        Args:
            names: Column names of the file.
            labelled: Whether labels are read.
            row_like: As in `DataFile`.

        Raises:
            DataError: A column is missing.
        """
        for key in ("text", "label") if labelled else ("text",):
            name = getattr(self.reading, key)
            if name not in names:
                otherwise = f"set the key `{key}` to the name of the column"
                expected, hint = advice_on_absent(name, names, row_like=row_like, otherwise=otherwise)
                raise DataError(f"{self.path} has no column {name!r}", expected=expected, hint=hint)
        check_kept(self.path, self.reading.keep, names, row_like=row_like)


def absent_label(place: str, reading: TextReading) -> DataError:
    """Return the error for a row whose label is missing."""
    return DataError(
        f"{place}: the label is missing", expected=f"a value in {reading.label!r}", hint="fill it in, or remove the row"
    )
