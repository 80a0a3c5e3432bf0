"""The headers of many files, read by several threads into a few arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.header import KINDS, Header, MoreNeeded, Unreadable, parse_header

LARGEST_PIXELS = 2**27
"""Of one image, as it is or padded: 134 million, 400 MB when it is decoded."""

_FIRST_BYTES = 4096
_MORE_BYTES = 2**24
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
    """What the headers of some files say.

    Args:
        rows: A structured array `(files,)`: height, width, channels, kind (a place in `KINDS`), orientation, alpha,
            bits, whether it moves, and the file's bytes and time of change in nanoseconds.
        unreadable: Why, for the place of each file that cannot be read.
    """

    rows: npt.NDArray[np.void]
    unreadable: dict[int, str] = field(default_factory=dict)

    def readable(self) -> npt.NDArray[np.void]:
        """The rows of the files that can be read."""
        if not self.unreadable:
            return self.rows
        return np.delete(self.rows, list(self.unreadable))

    def at(self, places: npt.NDArray[np.int64]) -> Scanned:
        """Of the files at `places`, all of which can be read."""
        return Scanned(self.rows[places])

    def digest(self, paths: Sequence[bytes]) -> str:
        """A hash of the files' places, sizes and times of change: equal as long as none is another."""
        found = sha256(self.rows.tobytes())
        for path in paths:
            found.update(path + b"\0")
        return found.hexdigest()


def scan(paths: Sequence[bytes]) -> Scanned:
    """Read the header of each file."""
    rows = np.zeros(len(paths), _ROW)
    unreadable: dict[int, str] = {}

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
    """The same, with images that padding makes too large among those that cannot be read."""
    if form.fit != "pad":
        return scanned
    rows = scanned.rows
    height = np.maximum(rows["height"], rows["width"].astype(np.int64) * form.height // form.width)
    width = np.maximum(rows["width"], rows["height"].astype(np.int64) * form.width // form.height)
    too_large = {
        int(place): f"it has {rows['height'][place]} x {rows['width'][place]} pixels, too long a shape to be padded"
        for place in np.flatnonzero(height * width > LARGEST_PIXELS)
    }
    return Scanned(rows, {**too_large, **scanned.unreadable})


def _row(path: bytes) -> tuple[object, ...]:
    # Not to wait for ever where a name belongs to a pipe.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(handle)
        header = _header(handle)
    finally:
        os.close(handle)
    if header.height * header.width > LARGEST_PIXELS:
        raise Unreadable(
            f"it has {header.height:,} x {header.width:,} pixels, more than the {LARGEST_PIXELS / 1e6:.0f} million "
            "that are read"
        )
    kind = KINDS.index(header.kind)
    size = (header.height, header.width, header.channels)
    looks = (kind, header.orientation, header.alpha, header.bits, header.moves)
    return (*size, *looks, status.st_size, status.st_mtime_ns)


def _header(handle: int) -> Header:
    data = os.pread(handle, _FIRST_BYTES, 0)
    try:
        return parse_header(data)
    except MoreNeeded:
        if len(data) < _FIRST_BYTES:
            raise Unreadable("it is cut short") from None
    try:
        return parse_header(os.pread(handle, _MORE_BYTES, 0))
    except MoreNeeded:
        raise Unreadable("it is cut short") from None


def _why(path: bytes, error: OSError) -> str:
    if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH110, PTH114  bytes, which Path does not take
        return f"it is a link to {os.fsdecode(os.readlink(path))}, which is not there"  # noqa: PTH115
    return (error.strerror or str(error)).lower()
