"""What every file of texts gives: rows of a number, a text and a label; and which columns they are in."""

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

_PACKED = 8  # times smaller is text that gzip has packed, and then some


StandardInput = Literal["auto", "lines", "csv", "jsonl"]


class Row(NamedTuple):
    """One example.

    Args:
        number: The number of its first line, or of the row, from 1.
        text: Without lone surrogates, so that it is UTF-8.
        label: As it is written, without space around it; None if it was not asked for.
        kept: The values of the columns of `TextReading.keep`, as text; None for no value.
    """

    number: int
    text: str
    label: str | None
    kept: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class TextReading:
    """How files of texts are read.

    Args:
        text: Column or key of the texts, in files that have some.
        label: Column or key of what is to be predicted.
        encoding: Character encoding; auto: detected from the file's bytes.
        delimiter: Between two values of a CSV file, or auto.
        quoted: Whether fields of a CSV or TSV file may stand in double quotes.
        header: What is known of the first line of a CSV or TSV file.
        standard_input: What stands on standard input; auto: detected from its beginning.
        keep: Columns or keys that go with the predictions; never stored.
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
        """The encoding, or None if it is detected from the file."""
        return None if self.encoding == "auto" else self.encoding

    @property
    def file_format(self) -> FileFormat:
        """All that is known of a delimited file before it is opened."""
        return FileFormat(known_delimiter(self.delimiter), self.known_encoding, self.quoted, self.header)


@dataclass(frozen=True)
class TextFile(abc.ABC):
    """A file of texts.

    Args:
        path: Where it is, or `-`.
        reading: How it is read.
    """

    path: str
    reading: TextReading

    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of its columns; empty if it has none.

        Raises:
            DataError: It cannot be read.
        """

    @abc.abstractmethod
    def rows(self, *, labelled: bool) -> Iterator[Row]:
        """Its examples, one after another, in bounded memory.

        Args:
            labelled: Whether each has a label; else none is looked for.

        Raises:
            DataError: It cannot be read, or a row lacks its text or its label.
        """

    def size(self) -> int:
        """Bytes that it takes, about."""
        size = Path(self.path).stat().st_size
        return size * _PACKED if self.path.endswith(".gz") else size

    @property
    def is_delimited(self) -> bool:
        """Whether its values are divided by a delimiter."""
        return False

    def detected(self) -> Iterator[tuple[str, Detected]]:
        """What was detected from its bytes, and in which file; for files that have been read."""
        if self.reading.known_encoding is None:
            yield self.path, detect_encoding(self.path)

    def warnings(self) -> Iterator[str]:
        """What may have been read in another way than it was meant."""
        return iter(())

    def left_out(self) -> Iterator[str]:
        """Notes on what lies there and is not read."""
        return iter(())

    def row_name(self, number: int) -> str:
        """What a row is called beside its file: `line 7`."""
        return f"line {number}"

    def place(self, number: int) -> str:
        """Where a row stands, for messages: `reviews.csv:7`."""
        return f"{self.path}:{number}"

    def check_columns(self, names: tuple[str, ...], *, labelled: bool, row_like: str = "") -> None:
        """Refuse a file without the columns that are read among its `names`.

        Args:
            names: Its columns.
            labelled: Whether the labels are read.
            row_like: As `DataFile` has it.

        Raises:
            DataError: There is none of the name.
        """
        for key in ("text", "label") if labelled else ("text",):
            name = getattr(self.reading, key)
            if name not in names:
                otherwise = f"the key `{key}` says which column it is"
                expected, hint = advice_on_absent(name, names, row_like=row_like, otherwise=otherwise)
                raise DataError(f"{self.path} has no column {name!r}", expected=expected, hint=hint)
        check_kept(self.path, self.reading.keep, names, row_like=row_like)


def absent_label(place: str, reading: TextReading) -> DataError:
    """The error for a row whose label is missing."""
    return DataError(
        f"{place}: the label is missing", expected=f"a value in {reading.label!r}", hint="fill it in, or drop the row"
    )
