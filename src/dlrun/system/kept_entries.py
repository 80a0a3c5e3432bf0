"""The entries of a cache: one writer at a time, those that were used last are kept, and damaged ones made again.

    <cache>/<kind>/<key>/<content>

`content` is there whole or not at all (`system/staging.py`), and is compared with its sums before it is used
(`system/seals.py`). A process that uses what is removed keeps its files to the end: they are mapped.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlrun.system.disk import disk
from dlrun.system.staging import drop_folder

_LOCK = "lock"


@contextmanager
def one_writer(entry: Path) -> Iterator[None]:
    """Inside, no other process makes or removes this entry: the others wait.

    Raises:
        OSError: The cache cannot be written.
    """
    disk.make_folders(entry)
    with disk.opened(entry / _LOCK, os.O_RDWR | os.O_CREAT) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def damage_note(place: Path, why: str) -> str:
    """Return the message about an entry that could not be used.

    Args:
        place: Where it was.
        why: What was wrong with it.
    """
    return f"cache: {place} was damaged ({why}), and has been made again"


def mark_used(entry: Path) -> None:
    """Make an entry the one that was used last.

    Raises:
        OSError: The cache cannot be written.
    """
    os.utime(entry)


def make_room(entry: Path, content: str, *, most: int) -> None:
    """Remove what was not used for the longest time, until `most` entries are left, `entry` among them.

    Raises:
        OSError: The cache cannot be written.
    """
    others = [other for other in entry.parent.iterdir() if other != entry and (other / content).exists()]
    for other in sorted(others, key=lambda other: other.stat().st_mtime, reverse=True)[most - 1 :]:
        drop_folder(other / content)
