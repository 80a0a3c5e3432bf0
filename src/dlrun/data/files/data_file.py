"""A file of rows with named columns, whatever it is written in: what tables, texts and lists of images read."""

from __future__ import annotations

import abc
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from dlrun.data.files.encoding import Detected
from dlrun.data.files.header import Header
from dlrun.errors import DataError
from dlrun.names import list_names, nearest


@dataclass(frozen=True)
class FileFormat:
    """What is known of how a delimited file is written before it is opened.

    Args:
        delimiter: Between two values; None: detected from the first lines.
        encoding: As Python names it; None: detected from the bytes.
        quoted: Whether a value may stand in double quotes.
        header: What is known of the first line.
    """

    delimiter: str | None = None
    encoding: str | None = None
    quoted: bool = True
    header: Header = field(default_factory=Header)


@dataclass(frozen=True)
class DataFile(abc.ABC):
    """A file of rows, whose beginning has been read.

    Args:
        path: Where it is.
        names: Its columns: those without one are numbered, those that occur twice are told apart.
        notes: What was changed about the names.
        detected: What was detected from the bytes.
        warnings: What may have been read in another way than it was meant.
        row_like: Which values of the first line, taken for names, look like those of a row; empty: none.
    """

    row_word: ClassVar[str] = "line"
    """What a row is counted by: a line of text, or a row where there are no lines."""

    path: Path
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    detected: tuple[Detected, ...] = ()
    warnings: tuple[str, ...] = ()
    row_like: str = ""

    @classmethod
    @abc.abstractmethod
    def open(cls, path: Path, file_format: FileFormat, *, head_only: bool = False) -> Self:
        """Read the beginning of a file.

        Args:
            path: Where it is.
            file_format: What is known of it.
            head_only: Whether its encoding is detected from its beginning only, which is enough to know the names.

        Raises:
            DataError: It cannot be read.
        """

    @abc.abstractmethod
    def records(self, columns: Sequence[str], *, is_ragged: bool = False) -> Iterator[tuple[int, Sequence[Any]]]:
        """Read every row, one after another, in bounded memory.

        Args:
            columns: Some of the names.
            is_ragged: Whether a row may have fewer or more values than there are columns; values that it lacks are
                empty.

        Returns:
            For each row its number, by which `place` names it, and its values: as text, or as Parquet and JSON type
            them.

        Raises:
            DataError: The file is damaged.
        """

    @classmethod
    def row_name(cls, number: int) -> str:
        """What a row is called beside its file: `line 7`."""
        return f"{cls.row_word} {number}"

    @classmethod
    def place(cls, path: object, number: int) -> str:
        """Where a row is, for messages: `reviews.csv:7`."""
        return f"{path}:{number}" if cls.row_word == "line" else f"{path}: {cls.row_name(number)}"


def written_label(value: Any) -> str | None:
    """Write a label as text: true and false in small letters, numbers as Python writes them, nothing for null.

    Returns:
        None for what is not one value.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return clean(str(value)).strip()
    return None


def written_value(value: Any) -> str | None:
    """Write any value as text: as it is for text, None for null, and JSON for what holds other values."""
    if isinstance(value, str):
        return clean(value)
    label = written_label(value)
    if label is not None:
        return label or None
    return clean(json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value))


def clean(text: str) -> str:
    """Mark each lone surrogate, which is half of a character and nothing in UTF-8, as unreadable."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def shown_value(value: Any) -> str:
    """A value for messages, not longer than a line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:60] + "..."  # what fits a line


def check_kept(path: object, keep: Iterable[str], names: Sequence[str], *, row_like: str = "") -> None:
    """Refuse columns to keep that a file does not have.

    Args:
        path: The file.
        keep: The columns to keep.
        names: Its columns; empty: it has none.
        row_like: As `DataFile` has it.

    Raises:
        DataError: It has none of the name.
    """
    for name in keep:
        if name not in names:
            expected, hint = advice_on_absent(name, names, row_like=row_like)
            raise DataError(
                f"{path} has no column {name!r} that could be kept",
                expected=expected if names else "a file with columns: CSV, JSON lines or Parquet",
                hint=hint,
            )


def advice_on_absent(name: str, names: Sequence[str], *, row_like: str = "", otherwise: str = "") -> tuple[str, str]:
    """Return what to expect and what to try where a file lacks a column.

    Args:
        name: The column.
        names: Those that the file has.
        row_like: As `DataFile` has it: cells of a row are not names to choose from.
        otherwise: The hint if no name is near and the first line is one of names.
    """
    if row_like:
        hint = (
            f"the first line looks like a row ({row_like}): header: false (--set dataset.header=false) reads it as "
            f"one, and calls the columns column_1 to column_{len(names)}, or as names: [...] says"
        )
        return "a first line with the names of the columns", hint
    near = nearest(name, names)
    return "one of " + list_names(names), f"did you mean {near!r}?" if near else otherwise
