"""A bound on what a cache keeps: of its entries those that were used last; the others make room.

    <cache>/<kind>/<key>/<content>

`content` is there whole or not at all (`files/staging.py`). A process that uses what is removed keeps its files to the
end: they are mapped.
"""

from __future__ import annotations

import os
from pathlib import Path

from dlrun.files.staging import drop_folder


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
