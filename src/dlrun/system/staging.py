"""Folders that are there whole or not at all, whenever their writer is killed; one writer to a parent folder.

1. The folder is filled under the name `.new-NAME`; every file and the folder itself are synced.
2. A folder that has the name already is renamed to `.old-NAME`.
3. `.new-NAME` is renamed to NAME, which is the commit, and the parent is synced.
4. `.old-NAME` is removed. A folder to be deleted is renamed to `.drop-NAME` first.

Several folders are filled and synced together; then 2 and 3 are done for each in turn, and the parent is synced once.

Between 2 and 3 there is no NAME: whoever reads takes `.old-NAME` instead (`settled`), and the next writer renames it
back before anything else (`recover`). `.new-` and `.drop-` are never read, and the next writer removes them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
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
    with staged_folders(target) as (staged,):
        yield staged


@contextlib.contextmanager
def staged_folders(target: Path, *others: Path) -> Iterator[tuple[Path, ...]]:
    """Like `staged_folder`, for several folders of one parent, which appear in their order.

    Raises:
        OSError: Each is what it was or the new one; one that is the new one comes after no other that is not.
    """
    targets = (target, *others)
    try:
        disk.make_folders(target.parent)
        recover(target.parent)
        staged = tuple(each.with_name(_NEW + each.name) for each in targets)
        for folder in staged:
            disk.mkdir(folder)
        yield staged
        _commit(dict(zip(staged, targets, strict=True)))
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


def _commit(targets: Mapping[Path, Path]) -> None:
    for staged in targets:
        disk.sync_folder(staged)
    replaced = [old for staged, target in targets.items() if (old := _put_in_place(staged, target))]
    disk.sync_folder(next(iter(targets.values())).parent)
    for old in replaced:
        disk.remove_tree(old)


def _put_in_place(staged: Path, target: Path) -> Path | None:
    """Rename a filled folder to what it is to be; where the folder that it replaces is now, if there was one."""
    old = target.with_name(_OLD + target.name) if disk.exists(target) else None
    if old is not None:
        disk.rename(target, old)
    disk.rename(staged, target)
    return old
