"""Folders that are there whole or not at all, whenever their writer is killed; one writer to a parent folder.

1. The folder is filled under the name `.new-NAME`; every file and the folder itself are synced.
2. A folder that has the name already is renamed to `.old-NAME`.
3. `.new-NAME` is renamed to NAME, which is the commit, and the parent is synced.
4. `.old-NAME` is removed. A folder to be deleted is renamed to `.drop-NAME` first.

Between 2 and 3 there is no NAME: whoever reads takes `.old-NAME` instead (`settled`), and the next writer renames it
back before anything else (`recover`). `.new-` and `.drop-` are never read, and the next writer removes them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dlrun.system.disk import disk

_NEW, _OLD = ".new-", ".old-"
DROPPED = ".drop-"


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """An empty folder to fill with synced files; it becomes `target` at the end of the `with` block.

    Raises:
        OSError: `target` is what it was, or already the new one if the failure came after the commit. After any other
            error of the block it is what it was.
    """
    try:
        disk.make_folders(target.parent)
        recover(target.parent)
        staged = target.with_name(_NEW + target.name)
        disk.mkdir(staged)
        yield staged
        _commit(staged, target)
    except Exception:
        # Give the space of the half-written folder back at once: the disk may be full.
        with contextlib.suppress(OSError):
            recover(target.parent)
        raise


def drop_folder(path: Path) -> None:
    """Delete a folder: it is gone in one step, its files after that."""
    dropped = path.with_name(DROPPED + path.name)
    disk.rename(path, dropped)
    disk.remove_tree(dropped)


def recover(parent: Path) -> None:
    """Finish or undo what a killed writer left in `parent`."""
    for name in disk.names(parent):
        target = parent / name.removeprefix(_OLD)
        if name.startswith((_NEW, DROPPED)) or (name.startswith(_OLD) and disk.exists(target)):
            disk.remove_tree(parent / name)
        elif name.startswith(_OLD):
            disk.rename(parent / name, target)


def settled(path: Path) -> Path:
    """Where the folder `path` is to be read at this moment."""
    replaced = path.with_name(_OLD + path.name)
    return replaced if not disk.exists(path) and disk.exists(replaced) else path


def settled_names(parent: Path) -> set[str]:
    """The names in `parent`, those included that are just being replaced."""
    return {name.removeprefix(_OLD) for name in disk.names(parent)}


def identity(path: Path) -> tuple[str, int, int] | None:
    """What differs as soon as the folder is replaced, or has begun to be; None if there is none."""
    place = settled(path)
    try:
        found = place.lstat()
    except OSError:
        return None
    return place.name, found.st_ino, found.st_mtime_ns


def _commit(staged: Path, target: Path) -> None:
    disk.sync_folder(staged)
    replaced = target.with_name(_OLD + target.name)
    replacing = disk.exists(target)
    if replacing:
        disk.rename(target, replaced)
    disk.rename(staged, target)
    disk.sync_folder(target.parent)
    if replacing:
        disk.remove_tree(replaced)
