"""A text file that grows, as lines: the last ones first, then each as it is written, until its writer has ended."""

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
    """Yield the lines of a file without their ends; one that is not whole yet is left out, unless nobody writes on.

    A file that is cut, as by a run that goes on from an earlier step, is followed from its new end.

    Args:
        path: The file; it may not exist yet.
        last: How many of the lines that are there at the beginning.
        is_growing: Whether somebody still writes to it. When it says no, what is there is read to its end.

    Raises:
        RunError: It cannot be read.
    """
    growing = is_growing()
    data, position = _read(path, 0)
    *lines, rest = data.rsplit(b"\n", min(last, _LARGEST_BYTES) + 1)  # of millions of lines only those asked for
    if not growing and rest:
        lines, rest = [*lines, rest], b""
    yield from lines[len(lines) - min(last, len(lines)) :]
    while growing:
        time.sleep(_PAUSE_SECONDS)
        growing = is_growing()  # asked before the look: what was written until then is seen
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
    """What the file holds from a position on, and where it ends."""
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
