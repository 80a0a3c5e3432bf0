"""List, lock and remove the entries of the user's cache folder, the least recently used first.

    <cache>/<kind>/<key>/content/   files, about.json and sums.json      a folder of files
    <cache>/<kind>/<key>/lock                                            held while `content` is written or read
    <cache>/<kind>/<key>.json                                            one small value, sealed

The lock is one of the system (`flock`), unlike that of a run: the cache belongs to one machine, many processes read an
entry at once, and losing an entry costs time and no result. If two machines share a cache anyway, each entry is
written under a name of its writer and verified by checksums.

The modification time of an entry is when it was last used. Only the folders of known kinds are used, because
`DLRUN_CACHE` may name a folder that contains other files too.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import UsageError
from dlrun.system.disk import disk
from dlrun.system.staging import DROPPED, settled
from dlrun.system.user_folders import cache_folder

KINDS = {
    "images": "decoded images that do not fit into memory",
    "audio": "decoded recordings",
    "tables": "rows of tables that do not fit into memory",
    "tfds": "decoded examples of tensorflow-datasets",
    "tfds-tables": "tables of tensorflow-datasets, as Parquet files",
    "features": "what a frozen network computes of the examples",
    "masks": "decoded masks that do not fit into memory",
    "mask-values": "values of masks",
    "fingerprints": "fingerprints of datasets",
    "jit": "measured times of training steps with and without XLA",
}
"""The kinds of entries, and what they contain."""

CONTENT, ABOUT = "content", "about.json"
LIMIT_VARIABLE = "DLRUN_CACHE_SIZE"
DEFAULT_LIMIT_BYTES = 10 << 30
DISK_PART = 0.25
"""The largest fraction of its disk that the cache uses, unless the user sets a size."""

_LOCK = "lock"
_LOCK_ATTEMPTS = 100
_LARGEST_ABOUT = 1 << 16
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


@dataclass(frozen=True)
class CacheEntry:
    """One entry of the cache.

    Args:
        path: Its folder or file.
        kind: One of `KINDS`.
        what: A description of what it was made from.
        bytes: The size of its files.
        used: When it was last used, in seconds since 1970.
    """

    path: Path
    kind: str
    what: str
    bytes: int
    used: float


def list_entries(kinds: Collection[str] = tuple(KINDS)) -> list[CacheEntry]:
    """Return the entries of some kinds, the least recently used first."""
    found = []
    for kind in kinds:
        folder = cache_folder() / kind
        with suppress(OSError):
            for name in disk.names(folder):
                with suppress(OSError):  # another process has just removed it
                    found.append(_describe(folder / name, kind))
    return sorted(found, key=lambda entry: entry.used)


def limit_bytes() -> int:
    """Return the largest size of the cache: `DLRUN_CACHE_SIZE`, or else 10 GiB or a quarter of a small disk.

    Raises:
        UsageError: `DLRUN_CACHE_SIZE` is not a size.
    """
    if given := os.environ.get(LIMIT_VARIABLE, "").strip():
        parsed = _SIZE.fullmatch(given)
        if parsed is None:
            raise UsageError(
                f"the environment variable {LIMIT_VARIABLE} is {given!r}",
                expected="a size: 20GiB, 500MiB, or a number of bytes",
            )
        return int(float(parsed[1]) * 1024 ** " KMGT".index(parsed[2].upper() or " "))
    place = cache_folder()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return min(DEFAULT_LIMIT_BYTES, int(DISK_PART * shutil.disk_usage(place).total))
    except OSError:
        return DEFAULT_LIMIT_BYTES


def make_room(needed: int, *, keep: Collection[Path] = ()) -> None:
    """Remove the least recently used entries until the cache has room for `needed` more bytes.

    Entries that another process is writing or reading, and those in `keep`, are not removed. An entry larger than the
    limit of the cache is still made, and is then alone in the cache.

    Args:
        needed: The number of bytes.
        keep: The folders of entries that must not be removed.

    Raises:
        OSError: Even removing all entries would not make enough room on the disk; nothing is removed.
    """
    entries = list_entries()
    removable = [entry for entry in entries if entry.path not in keep]
    free = shutil.disk_usage(cache_folder()).free
    if needed > free + sum(entry.bytes for entry in removable):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    excess = max(sum(entry.bytes for entry in entries) + needed - limit_bytes(), needed - free)
    for entry in removable:
        if excess <= 0:
            return
        if remove_entry(entry.path):
            excess -= entry.bytes


def remove_entry(path: Path) -> bool:
    """Remove an entry; return False if another process is writing or reading it.

    Files that another process has mapped stay valid for it: only their names disappear at once.

    Args:
        path: The folder or file of the entry.

    Raises:
        OSError: The entry cannot be removed.
    """
    if path.is_symlink() or not path.is_dir():
        with suppress(FileNotFoundError):
            disk.unlink(path)
        return True
    try:
        # A process that waits for this lock notices that the file has another inode now, and tries again: see `locked`.
        with _held(path / _LOCK):
            dropped = path
            if not path.name.startswith(DROPPED):
                dropped = path.with_name(DROPPED + path.name)
                if disk.exists(dropped):
                    disk.remove_tree(dropped)
                disk.rename(path, dropped)
            disk.remove_tree(dropped)
    except BlockingIOError:
        return False
    except FileNotFoundError:  # another process removes it at the same time
        return True
    return True


@contextmanager
def locked(entry: Path, *, exclusive: bool) -> Iterator[None]:
    """Lock an entry inside the block: one process may write it, or several may read it; the others wait.

    If the entry has not been written when its exclusive lock is released, its folder is removed.

    Args:
        entry: The folder of the entry; an exclusive lock creates it if it is missing.
        exclusive: Whether to write the entry.

    Raises:
        OSError: The cache is not writable; or, for a shared lock, the entry does not exist.
    """
    handle = _open_locked(entry, exclusive=exclusive)
    try:
        yield
    finally:
        if exclusive:
            _drop_unwritten(entry, handle)
        disk.close(handle)


def _drop_unwritten(entry: Path, handle: int) -> None:
    if disk.exists(settled(entry / CONTENT)) or not _is_at(entry / _LOCK, handle):
        return
    with suppress(OSError):
        disk.unlink(entry / _LOCK)
        disk.rmdir(entry)


def _open_locked(entry: Path, *, exclusive: bool) -> int:
    path = entry / _LOCK
    for _ in range(_LOCK_ATTEMPTS):
        if exclusive:
            disk.make_folders(entry)
        try:
            # A shared lock needs no write permission, so that a read-only cache can be used.
            handle = disk.open(path, os.O_RDWR | os.O_CREAT if exclusive else os.O_RDONLY)
        except FileNotFoundError:
            if exclusive:  # the entry was removed after its folder was made
                continue
            raise
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        except BaseException:  # including an interruption by the user
            disk.close(handle)
            raise
        if _is_at(path, handle):
            return handle
        disk.close(handle)  # the entry was removed while this process waited
    raise OSError(errno.EBUSY, f"{entry} is removed again and again by another program")


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Hold the lock of an entry to be removed; entries of earlier versions may have none."""
    try:
        handle = disk.open(lock, os.O_RDWR)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        disk.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    """Return whether an open file still has that name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _describe(path: Path, kind: str) -> CacheEntry:
    found = path.lstat()
    size = found.st_size
    if path.is_dir():
        size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
    return CacheEntry(path, kind, _what(path), size, found.st_mtime)


def _what(path: Path) -> str:
    if path.name.startswith("."):
        return "left by a process that was killed"
    about = path if path.suffix == ".json" and path.is_file() else settled(path / CONTENT) / ABOUT
    try:
        found = json.loads(disk.read_file(about, largest=_LARGEST_ABOUT))
        words = found["value"]["what"]
    except (OSError, ValueError, KeyError, TypeError):
        names = disk.names(path) if path.is_dir() else [path.name]
        is_unfinished = all(name == _LOCK or name.startswith(".") for name in names)
        return "unfinished" if is_unfinished else "made by an earlier version"
    return str(words)
