"""Ask, before anything in a held folder is changed, whether this process still holds it.

A process may be paused for longer than its lease, by SIGSTOP, a sleeping laptop or a network that is away; another
machine then takes its folder over. It must notice before it writes. All file operations of dlrun go through
`system/disk.py`, which asks here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

FRESH_SECONDS = 0.1
"""How old the last confirmation may be for an operation that commits nothing."""


class Fence(Protocol):
    """What stands before the changes of a folder."""

    def confirm(self, *, within: float = 0.0) -> None:
        """Raise an error if this process no longer holds the folder.

        Args:
            within: The age in seconds up to which the last confirmation counts.
        """


_fences: dict[str, Fence] = {}


@contextmanager
def fenced(folder: Path, fence: Fence) -> Iterator[None]:
    """Ask a fence before everything in a folder that is changed inside the block.

    Args:
        folder: The folder. Changes under its resolved path are asked about too.
        fence: Raises an error if a change must not be made.
    """
    places = {os.path.abspath(folder), os.path.realpath(folder)}  # noqa: PTH100  Path.absolute keeps `..`
    _fences.update(dict.fromkeys(places, fence))
    try:
        yield
    finally:
        for place in places:
            _fences.pop(place, None)


def ask_fence(*paths: Path, within: float = 0.0) -> None:
    """Ask whether this process may still change some paths, if a fence stands before a folder that they are in.

    Args:
        paths: What is to be changed.
        within: The age in seconds up to which the last confirmation counts.

    Raises:
        TakenOverError: Another process has taken the folder over.
        OSError: The folder cannot be read.
    """
    if not _fences:
        return
    places = [os.path.abspath(path) for path in paths]  # noqa: PTH100  Path.absolute keeps `..`
    for folder, fence in tuple(_fences.items()):
        if any(place == folder or place.startswith(folder + os.sep) for place in places):
            fence.confirm(within=within)
            return
