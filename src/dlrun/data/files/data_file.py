"""Interface of a file of rows with named columns in any format, as tables, texts and lists of images use it."""

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
    """Format of a delimited file, as far as it is known before the file is opened.

    Args:
        delimiter: Character between two values; None to detect it from the first lines.
        encoding: Python's name of the encoding; None to detect it from the bytes.
        quoted: Whether a value may be enclosed in double quotes.
        header: Whether the first line contains the column names.
    """

    delimiter: str | None = None
    encoding: str | None = None
    quoted: bool = True
    header: Header = field(default_factory=Header)


@dataclass(frozen=True)
class DataFile(abc.ABC):
    """A file of rows whose beginning has been read.

    Args:
        path: Path of the file.
        names: Distinct column names; missing and repeated names are replaced.
        notes: Notes on replaced names.
        detected: Properties that were detected from the bytes.
        warnings: Warnings about ambiguous content.
        row_like: Column names in the first line that look like values of a row; empty if none do.
    """

    row_word: ClassVar[str] = "line"
    """Unit in which rows are counted: `line` for text files, `row` for files without lines."""

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
            path: Path of the file.
            file_format: Known format of the file.
            head_only: Whether to detect the encoding from the beginning only, which is enough for the column names.

        Raises:
            DataError: The file cannot be read.
        """

    @abc.abstractmethod
    def records(self, columns: Sequence[str], *, is_ragged: bool = False) -> Iterator[tuple[int, Sequence[Any]]]:
        """Read every row, one after another, in bounded memory.

        Args:
            columns: Names of the columns to read.
            is_ragged: Whether a row may have fewer or more values than there are columns; missing values are then
                empty.

        Returns:
            The number of each row, as `place` expects it, and its values: text, or the types of Parquet and JSON.

        Raises:
            DataError: The file is damaged.
        """

    @classmethod
    def row_name(cls, number: int) -> str:
        """Return the name of a row within its file: `line 7`."""
        return f"{cls.row_word} {number}"

    @classmethod
    def place(cls, path: object, number: int) -> str:
        """Return the place of a row for messages: `reviews.csv:7`."""
        return f"{path}:{number}" if cls.row_word == "line" else f"{path}: {cls.row_name(number)}"


def written_label(value: Any) -> str | None:
    """Return a label as text: booleans in lower case, numbers as Python writes them, and an empty text for null.

    Returns:
        The text; None if `value` is not a single value.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return clean(str(value)).strip()
    return None


def written_value(value: Any) -> str | None:
    """Return any value as text: text is unchanged, null becomes None, lists and objects become JSON."""
    if isinstance(value, str):
        return clean(value)
    label = written_label(value)
    if label is not None:
        return label or None
    return clean(json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value))


def clean(text: str) -> str:
    """Replace each lone surrogate (half of a character) by the replacement character.

    JSON can contain lone surrogates, but UTF-8 cannot encode them.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def shown_value(value: Any) -> str:
    """Return a value for messages, shortened to one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:60] + "..."


def check_kept(path: object, keep: Iterable[str], names: Sequence[str], *, row_like: str = "") -> None:
    """Raise an error if a file lacks a column to keep.

    Args:
        path: The file.
        keep: Names of the columns to keep.
        names: Column names of the file; empty if it has no columns.
        row_like: As in `DataFile`.

    Raises:
        DataError: The file does not have one of the columns.
    """
    for name in keep:
        if name not in names:
            expected, hint = advice_on_absent(name, names, row_like=row_like)
            raise DataError(
                f"{path} has no column {name!r} to keep",
                expected=expected if names else "a file with columns: CSV, JSON lines or Parquet",
                hint=hint,
            )


def advice_on_absent(name: str, names: Sequence[str], *, row_like: str = "", otherwise: str = "") -> tuple[str, str]:
    """Return what to expect and what to try where a file lacks a column.

    Args:
        name: Name of the missing column.
        names: Column names of the file.
        row_like: As in `DataFile`. If it is not empty, `names` are probably values of a row and are not suggested.
        otherwise: Hint if no column has a similar name.
    """
    if row_like:
        hint = (
            f"the first line looks like a row ({row_like}): header: false (--set dataset.header=false) reads it as "
            f"one and calls the columns column_1 to column_{len(names)}; names: [...] sets other names"
        )
        return "a first line of column names", hint
    near = nearest(name, names)
    return "one of " + list_names(names), f"did you mean {near!r}?" if near else otherwise
