"""A kind of files that are examples: its words for messages, how headers are read, and how files are decoded."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from dlrun.data.media_files.headers import Scanned


@dataclass(frozen=True)
class MediaKind:
    """A kind of files.

    Args:
        noun: What an example is: `image`.
        file_noun: What its file is, with an article: `an image file`.
        formats: The supported formats, for messages.
        endings: Suffixes of the files.
        unread: Suffixes of unsupported formats. They are listed, so that they are reported as unreadable and not
            ignored.
        cache: Kind of the cache entries with decoded files.
        is_always_cached: Whether decoded files are kept in the cache even if they fit into memory, because decoding
            takes longer than reading them from there.
        scan: Function that reads the headers of files.
    """

    noun: str
    file_noun: str
    formats: str
    endings: tuple[str, ...]
    unread: tuple[str, ...]
    cache: str
    is_always_cached: bool
    scan: Callable[[Sequence[bytes]], Scanned]

    @property
    def plural(self) -> str:
        """What several examples are."""
        return f"{self.noun}s"

    @property
    def all_endings(self) -> str:
        """The suffixes, for messages."""
        return ", ".join(self.endings)


@dataclass(frozen=True)
class Decoded:
    """Consecutive decoded files.

    Args:
        values: Values of the files that can be decoded, `(files, *shape)`.
        failed: The reason for each other file, by its index.
        first: Index of the first file.
        last: Index after the last file.
    """

    values: npt.NDArray[Any]
    failed: dict[int, str]
    first: int
    last: int


class MediaReader(abc.ABC):
    """Decodes files of one kind into arrays of one shape."""

    kind: ClassVar[MediaKind]
    dtype: ClassVar[type[np.generic]]

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one decoded file."""

    @property
    @abc.abstractmethod
    def identity(self) -> Sequence[object]:
        """What decoded values depend on besides the files, as JSON values."""

    @property
    @abc.abstractmethod
    def described(self) -> str:
        """The form of one decoded file, for people: `28 x 28 x 1`."""

    @abc.abstractmethod
    def decode(self, paths: Sequence[bytes], scanned: Scanned) -> Iterator[Decoded]:
        """Decode files in order, a batch at a time.

        Args:
            paths: Paths of the files.
            scanned: Headers of the files, all of which are readable.
        """

    def check(self, scanned: Scanned) -> Scanned:
        """Return the headers with files that cannot be decoded into this form marked as unreadable."""
        return scanned

    @property
    def bytes(self) -> int:
        """The size of one decoded file."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize
