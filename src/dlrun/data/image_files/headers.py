"""Read the headers of many image files in several threads.

Threads help because most of the time is spent waiting for the disk, where Python releases its global lock. Each thread
takes many files at once, so that the cost of handing out work does not count. Threads write to different rows of one
array, so that no lock is needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.pillow import KINDS, LARGEST_PIXELS, Unreadable, prepare_pillow, read_header

_THREADS = 8
_FILES_AT_ONCE = 512
_ROW = np.dtype(
    [
        ("height", np.int32), ("width", np.int32), ("channels", np.int8), ("kind", np.int8), ("orientation", np.int8),
        ("alpha", np.bool_), ("bits", np.int8), ("moves", np.bool_), ("bytes", np.int64), ("changed", np.int64),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Scanned:
    """Headers of several files.

    Args:
        rows: Structured array `(files,)` with the fields of `ImageHeader`; `kind` is an index into `KINDS`.
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


def scan(paths: Sequence[bytes]) -> Scanned:
    """Read the header of each file.

    Args:
        paths: Paths of the files.

    Returns:
        The headers in the same order, and the reason for each file that cannot be read.
    """
    rows = np.zeros(len(paths), _ROW)
    unreadable: dict[int, str] = {}
    prepare_pillow()

    def read(places: range) -> None:
        for place in places:
            try:
                rows[place] = _row(paths[place])
            except Unreadable as error:
                unreadable[place] = str(error)
            except OSError as error:
                unreadable[place] = _why(paths[place], error)

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="dlrun-scan") as threads:
        starts = range(0, len(paths), _FILES_AT_ONCE)
        list(threads.map(read, (range(start, min(start + _FILES_AT_ONCE, len(paths))) for start in starts)))
    return Scanned(rows, dict(sorted(unreadable.items())))


def check_pixels(scanned: Scanned, form: ImageForm) -> Scanned:
    """Mark images as unreadable that would become too large by padding.

    Args:
        scanned: Headers of the files.
        form: Size and channels of the decoded images.

    Returns:
        The headers with more entries in `unreadable`.
    """
    if form.fit != "pad":
        return scanned
    rows = scanned.rows
    height = np.maximum(rows["height"], rows["width"].astype(np.int64) * form.height // form.width)
    width = np.maximum(rows["width"], rows["height"].astype(np.int64) * form.width // form.height)
    too_large = {
        int(place): f"it has {rows['height'][place]} x {rows['width'][place]} pixels, which is too long to be padded"
        for place in np.flatnonzero(height * width > LARGEST_PIXELS)
    }
    return Scanned(rows, {**too_large, **scanned.unreadable})


def _row(path: bytes) -> tuple[object, ...]:
    header = vars(read_header(path))
    return tuple(KINDS.index(value) if name == "kind" else value for name, value in header.items())


def _why(path: bytes, error: OSError) -> str:
    if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH110, PTH114  bytes, which Path does not take
        return f"it is a link to {os.fsdecode(os.readlink(path))}, which does not exist"  # noqa: PTH115
    return (error.strerror or str(error)).lower()
