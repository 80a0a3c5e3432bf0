"""Write folders that exist completely or not at all, whenever their writer is killed; one writer per parent folder.

1. Fill the folder under the name `.new-WRITER-NAME`, and sync every file and the folder itself.
2. If there is a folder NAME already, rename it to `.old-NAME`.
3. Rename `.new-WRITER-NAME` to NAME, which is the commit, and sync the parent.
4. Remove `.old-NAME`. A folder to be deleted is renamed to `.drop-NAME` first.

Several folders are filled and synced together; then steps 2 and 3 are done for each in turn, with one sync of the
parent at the end.

Between 2 and 3 there is no NAME: readers use `.old-NAME` instead (`settled`), and the next writer first renames it back
(`recover`). `.new-` and `.drop-` folders are never read, and the next writer removes them.

WRITER is different in each process. A process that was paused, and whose folder another one has taken over, cannot put
files into the folder that the other one fills, nor commit it half-filled.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from dlrun.system.disk import disk

_NEW, _OLD = ".new-", ".old-"
DROPPED = ".drop-"


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder to fill with synced files; after the block it becomes `target`.

    Args:
        target: The folder to create or replace.

    Raises:
        OSError: `target` is unchanged, or already the new folder if the failure came after the commit. After any other
            exception in the block, it is unchanged.
    """
    with staged_folders(target) as (staged,):
        yield staged


@contextlib.contextmanager
def staged_folders(target: Path, *others: Path) -> Iterator[tuple[Path, ...]]:
    """Do the same as `staged_folder` for several folders with one parent, which appear in their order.

    Args:
        target: The first folder.
        others: The other folders.

    Raises:
        OSError: Each folder is the old or the new one; if one is new, so are all before it.
    """
    targets = (target, *others)
    try:
        disk.make_folders(target.parent)
        recover(target.parent)
        staged = tuple(map(staged_place, targets))
        for folder in staged:
            disk.mkdir(folder)
        yield staged
        _commit(dict(zip(staged, targets, strict=True)))
    except Exception:
        # Free the space of the half-written folder at once, since the disk may be full.
        with contextlib.suppress(OSError):
            recover(target.parent)
        raise


def staged_place(target: Path) -> Path:
    """Return where this process fills the folder that becomes `target`."""
    return target.with_name(f"{_NEW}{_writer(os.getpid())}-{target.name}")


@functools.lru_cache(maxsize=1)
def _writer(process: int) -> str:  # noqa: ARG001  a forked process is another writer
    return secrets.token_hex(4)


def drop_folder(path: Path) -> None:
    """Delete a folder: one rename makes it disappear, then its files are removed."""
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
    """Return the path to read the folder `path` from at this moment."""
    replaced = path.with_name(_OLD + path.name)
    return replaced if not disk.exists(path) and disk.exists(replaced) else path


def settled_names(parent: Path) -> set[str]:
    """Return the names of the folders in `parent`, including those that are being replaced right now."""
    return {name.removeprefix(_OLD) for name in disk.names(parent)}


def identity(path: Path) -> tuple[str, int, int] | None:
    """Return a value that changes as soon as the replacement of a folder begins; None if there is no folder."""
    place = settled(path)
    try:
        found = place.lstat()
    except OSError:
        return None
    return place.name, found.st_ino, found.st_mtime_ns


def _commit(targets: Mapping[Path, Path]) -> None:
    for staged in targets:
        disk.sync_folder(staged)
    replaced = [old for staged, target in targets.items() if (old := put_in_place(staged, target))]
    disk.sync_folder(next(iter(targets.values())).parent)
    for old in replaced:
        disk.remove_tree(old)


def put_in_place(staged: Path, target: Path) -> Path | None:
    """Rename a filled folder to its final name; return where the replaced folder is now, if there was one."""
    old = target.with_name(_OLD + target.name) if disk.exists(target) else None
    if old is not None:
        disk.rename(target, old)
    disk.rename(staged, target)
    return old
