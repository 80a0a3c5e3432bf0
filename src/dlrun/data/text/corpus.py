"""The texts of one place, read once and kept where they are few, read again from their files where they are many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from dlrun.data.files.spelling import canonical
from dlrun.data.text.rows import Row, TextFile

_KEPT_BYTES = 2**26


class Named(NamedTuple):
    """A row and the file that it is in, which knows what to call it."""

    file: TextFile
    row: Row

    @property
    def place(self) -> str:
        """Where it stands."""
        return self.file.place(self.row.number)


class Corpus(Protocol):
    """Labelled texts that can be gone through again and again, in the same order."""

    def __iter__(self) -> Iterator[Named]: ...


@dataclass(frozen=True)
class FileCorpus:
    """The rows of files.

    Args:
        files: Where they are.
        classes: The labels that are taken; None: all.
        kept: The rows, where they are kept.
    """

    files: tuple[TextFile, ...]
    classes: tuple[str, ...] | None = None
    kept: Sequence[Named] | None = None

    @classmethod
    def of(cls, files: tuple[TextFile, ...], *, classes: tuple[str, ...] | None = None) -> FileCorpus:
        """The rows, kept in memory if the files are small.

        Raises:
            DataError: A file cannot be read.
        """
        found = cls(files, classes)
        return replace(found, kept=tuple(found)) if sum(file.size() for file in files) <= _KEPT_BYTES else found

    def __iter__(self) -> Iterator[Named]:
        """Every row with its file.

        Raises:
            DataError: A file cannot be read, or a row lacks something.
        """
        if self.kept is not None:
            yield from self.kept
            return
        known = {canonical(name) for name in self.classes or ()}
        for file in self.files:
            for row in file.rows(labelled=True):
                if self.classes is None or canonical(row.label or "") in known:
                    yield Named(file, row)
