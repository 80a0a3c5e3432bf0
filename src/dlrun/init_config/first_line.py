"""The first line of a file to be drafted for: whether it names the columns, and the keys that say so if it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dlrun.data.files.dialect import read_dialect, refuse_spaced
from dlrun.data.files.header import Header
from dlrun.data.files.locate import find_tables, is_parquet
from dlrun.init_config.draft import Key

_MOST_WRITTEN = 60
"""Columns up to which their names are written, for the user to change."""


@dataclass(frozen=True)
class FirstLine:
    """What the first line of a delimited file is.

    Args:
        columns: How many there are.
        like: The values by which it looks like a row; empty: it names the columns.
        given: Names that the columns are given, where it does not; empty: column_1, column_2, ...
    """

    columns: int = 0
    like: str = ""
    given: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str) -> FirstLine:
        """Look at the first of the files that a path means.

        Raises:
            DataError: There is none, or it cannot be read.
        """
        first = find_tables(path)[0]
        if is_parquet(first):
            return cls()
        refuse_spaced(str(first), read_dialect(str(first), head_only=True))
        return cls.of_text(str(first))

    @classmethod
    def of_text(cls, path: str) -> FirstLine:
        """Look at a file that is known to be delimited text.

        Raises:
            DataError: It cannot be read.
        """
        dialect = read_dialect(path, head_only=True)
        return cls(len(dialect.first), dialect.row_like)

    @property
    def header(self) -> Header:
        """As what reads the file takes it."""
        return Header(False, self.given) if self.like else Header()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, where the file does not name them."""
        return self.given or tuple(f"column_{number}" for number in range(1, self.columns + 1))

    @property
    def keys(self) -> dict[str, Any]:
        """What the dataset has to be told."""
        if not self.like:
            return {}
        return {"header": False, "names": self.given} if self.given else {"header": False}

    def lines(self) -> Iterator[Key]:
        """The same as keys of the section, with names to be changed."""
        if self.like:
            yield Key("header", False, f"the first line looks like a row ({self.like}); true: it names the columns")
            if self.columns <= _MOST_WRITTEN:
                yield Key("names", list(self.names), "call the columns as you like, here and below")

    def told(self) -> Iterator[str]:
        """The same for the user's eyes."""
        if self.like:
            yield (
                f"header: false, as the first line looks like a row ({self.like}); the columns are called "
                f"{self.names[0]} to {self.names[-1]} (names)"
            )
