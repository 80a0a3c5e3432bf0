"""Follow a growing text file: yield its last lines, then each new line, until its writer has ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dlrun.system.disk import disk, explained

_BLOCK_BYTES = 1 << 16
_LARGEST_BYTES = 1 << 26
_PAUSE_SECONDS = 0.25


def follow_lines(path: Path, *, last: int, is_growing: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the lines of a file without their line ends; an incomplete last line only comes once the writer has ended.

    If the file is cut, for example by a run that resumes from an earlier step, following continues at its new end.

    Args:
        path: The file; it may not exist yet.
        last: How many of the existing lines to yield.
        is_growing: Returns whether a process still writes to the file. Once it returns False, the rest is read.

    Raises:
        RunError: The file cannot be read.
    """
    growing = is_growing()
    data, position = _read(path, 0)
    *lines, rest = data.rsplit(b"\n", min(last, _LARGEST_BYTES) + 1)  # splits off the requested lines only
    if not growing and rest:
        lines, rest = [*lines, rest], b""
    yield from lines[len(lines) - min(last, len(lines)) :]
    while growing:
        time.sleep(_PAUSE_SECONDS)
        growing = is_growing()  # asked before reading, so that everything written until then is read
        data, after = _read(path, position)
        if after < position:
            rest, position = b"", after
            continue
        position = after
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _read(path: Path, position: int) -> tuple[bytes, int]:
    """Return the content of the file after a position, and the length of the file."""
    if not disk.exists(path):
        return b"", 0
    with explained(f"read {path}"):
        length = disk.size(path)
        if length <= position:
            return b"", length
        with disk.opened(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) as handle:
            start = max(position, length - _LARGEST_BYTES)
            os.lseek(handle, start, os.SEEK_SET)
            pieces = []
            while piece := disk.read(handle, min(_BLOCK_BYTES, length - start)):
                pieces.append(piece)
                start += len(piece)
    return b"".join(pieces), start
