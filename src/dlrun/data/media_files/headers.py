"""Read the headers of many files in several threads.

Threads help because most of the time is spent waiting for the disk, where Python releases its global lock. Each thread
takes many files at once, so that the cost of handing out work does not count. Threads write to different rows of one
array, so that no lock is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

_THREADS = 8
_FILES_AT_ONCE = 512


class Unreadable(Exception):
    """The file cannot be read, for the reason in the message."""


@dataclass(frozen=True)
class Scanned:
    """Headers of several files.

    Args:
        rows: Structured array `(files,)` with the properties of each file.
        unreadable: The reason for each file that cannot be read, by its index.
    """

    rows: npt.NDArray[np.void]
    unreadable: dict[int, str] = field(default_factory=dict)

    def readable(self) -> npt.NDArray[np.void]:
        """Return the rows of the readable files."""
        if not self.unreadable:
            return self.rows
        return np.delete(self.rows, list(self.unreadable))

    def at(self, places: npt.NDArray[np.int64]) -> Scanned:
        """Return the headers of the files at `places`, all of which are readable."""
        return Scanned(self.rows[places])

    def digest(self, paths: Sequence[bytes]) -> str:
        """Return a hash of the files' paths, sizes and modification times, which changes when a file does."""
        found = sha256(self.rows.tobytes())
        for path in paths:
            found.update(path + b"\0")
        return found.hexdigest()


def scan_files(
    paths: Sequence[bytes], dtype: np.dtype[Any], read_row: Callable[[bytes], tuple[object, ...]]
) -> Scanned:
    """Read the header of each file.

    Args:
        paths: Paths of the files.
        dtype: Data type of a row of headers.
        read_row: Function that returns the row of a file. It raises `Unreadable`, or an OSError.

    Returns:
        The headers in the same order, and the reason for each file that cannot be read.
    """
    rows = np.zeros(len(paths), dtype)
    unreadable: dict[int, str] = {}

    def read(places: range) -> None:
        for place in places:
            try:
                rows[place] = read_row(paths[place])
            except Unreadable as error:
                unreadable[place] = str(error)
            except OSError as error:
                unreadable[place] = _why(paths[place], error)

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="dlrun-scan") as threads:
        starts = range(0, len(paths), _FILES_AT_ONCE)
        list(threads.map(read, (range(start, min(start + _FILES_AT_ONCE, len(paths))) for start in starts)))
    return Scanned(rows, dict(sorted(unreadable.items())))


def _why(path: bytes, error: OSError) -> str:
    if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH110, PTH114  bytes, which Path does not take
        return f"it is a link to {os.fsdecode(os.readlink(path))}, which does not exist"  # noqa: PTH115
    return (error.strerror or str(error)).lower()
