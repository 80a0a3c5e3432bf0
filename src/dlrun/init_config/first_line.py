"""Detect whether the first line of a delimited file names the columns, and write the keys that follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dlrun.data.files.dialect import read_dialect, refuse_spaced
from dlrun.data.files.header import Header
from dlrun.data.files.locate import find_tables, is_parquet
from dlrun.init_config.draft import Key

_MOST_WRITTEN = 60
"""Maximum number of columns whose names are written to the config for the user to change."""


@dataclass(frozen=True)
class FirstLine:
    """The first line of a delimited file.

    Args:
        columns: Number of columns.
        like: Values that make it look like a data row; empty if it names the columns.
        given: Names for the columns if the line does not name them; empty for column_1, column_2, ...
    """

    columns: int = 0
    like: str = ""
    given: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str) -> FirstLine:
        """Inspect the first of the files that a path matches.

        Raises:
            DataError: There is no such file, or it cannot be read.
        """
        first = find_tables(path)[0]
        if is_parquet(first):
            return cls()
        refuse_spaced(str(first), read_dialect(str(first), head_only=True))
        return cls.of_text(str(first))

    @classmethod
    def of_text(cls, path: str) -> FirstLine:
        """Inspect a file that is known to be delimited text.

        Raises:
            DataError: The file cannot be read.
        """
        dialect = read_dialect(path, head_only=True)
        return cls(len(dialect.first), dialect.row_like)

    @property
    def header(self) -> Header:
        """The header option for reading the file."""
        return Header(False, self.given) if self.like else Header()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, if the file does not name them."""
        return self.given or tuple(f"column_{number}" for number in range(1, self.columns + 1))

    @property
    def keys(self) -> dict[str, Any]:
        """Keys that the dataset needs to read the file."""
        if not self.like:
            return {}
        return {"header": False, "names": self.given} if self.given else {"header": False}

    def lines(self) -> Iterator[Key]:
        """Yield these keys as lines of the section, with names for the user to change."""
        if self.like:
            yield Key(
                "header", False, f"the first line looks like a data row ({self.like}); true if it names the columns"
            )
            if self.columns <= _MOST_WRITTEN:
                yield Key("names", list(self.names), "rename the columns as you like, here and below")

    def messages(self) -> Iterator[str]:
        """Yield a message for the user about the first line."""
        if self.like:
            yield (
                f"header: false, because the first line looks like a data row ({self.like}); the columns are named "
                f"{self.names[0]} to {self.names[-1]} (names)"
            )
