"""The texts of a split, which are kept in memory if they are few, and otherwise read from their files on each pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from dlrun.data.files.spelling import canonical
from dlrun.data.text.rows import Row, TextFile

_KEPT_BYTES = 2**26


class Named(NamedTuple):
    """A row together with its file, which knows the name of the row."""

    file: TextFile
    row: Row

    @property
    def place(self) -> str:
        """Return the place of the row for messages."""
        return self.file.place(self.row.number)


class Corpus(Protocol):
    """Labelled texts that can be read repeatedly, in the same order."""

    def __iter__(self) -> Iterator[Named]: ...


@dataclass(frozen=True)
class FileCorpus:
    """The rows of one or several files.

    Args:
        files: Files in row order.
        classes: Labels of the rows to use; None for all rows.
        kept: The rows if they are kept in memory, otherwise None.
    """

    files: tuple[TextFile, ...]
    classes: tuple[str, ...] | None = None
    kept: Sequence[Named] | None = None

    @classmethod
    def of(cls, files: tuple[TextFile, ...], *, classes: tuple[str, ...] | None = None) -> FileCorpus:
        """Return the corpus of some files, with its rows in memory if the files are small.

        Raises:
            DataError: A file cannot be read.
        """
        # Each text is needed three times: for its label, the vocabulary, and its ids. Small files are parsed only once.
        found = cls(files, classes)
        return replace(found, kept=tuple(found)) if sum(file.size() for file in files) <= _KEPT_BYTES else found

    def __iter__(self) -> Iterator[Named]:
        """Read every row with its file.

        Raises:
            DataError: A file cannot be read, or a row lacks its text or its label.
        """
        if self.kept is not None:
            yield from self.kept
            return
        # Labels are compared in canonical spelling, as when they become class indices (`text/labels.py`).
        known = {canonical(name) for name in self.classes or ()}
        for file in self.files:
            for row in file.rows(labelled=True):
                if self.classes is None or canonical(row.label or "") in known:
                    yield Named(file, row)
