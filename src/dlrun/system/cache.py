"""Cache everything that takes long to make and can be made again: `Cache(kind).get_or_make(key, make, read)`.

- An entry exists completely or not at all (`system/staging.py`), and is verified by its checksums before it is used
  (`system/seals.py`). A damaged entry is made again.
- If several processes need the same entry, one makes it and the others wait.
- The size of the whole cache is limited (`limit_bytes`); the least recently used entries make room for new ones.
- If the cache folder is not writable, the entry is made in a temporary folder, so that the run only loses time.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from dlrun.system.cache_entries import ABOUT, CONTENT, KINDS, locked, make_room
from dlrun.system.disk import disk, reason
from dlrun.system.memory import free_memory
from dlrun.system.seals import find_damage, seal, seal_folder, unseal
from dlrun.system.staging import recover, settled, staged_folder
from dlrun.system.user_folders import cache_folder

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of random name is made in it
_LARGEST_VALUE = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True)
class Cached(Generic[T]):
    """The content of a cache entry.

    Args:
        value: What `read` returned.
        folder: The folder of the entry; None for a temporary folder, which is removed although mapped files stay valid.
        is_reused: Whether an earlier run made it.
        notes: Messages for the user: a damaged entry was made again, or nothing can be cached.
    """

    value: T
    folder: Path | None
    is_reused: bool = False
    notes: tuple[str, ...] = ()


class Cache:
    """The entries of one kind in the user's cache folder.

    Args:
        kind: One of `KINDS`.
    """

    def __init__(self, kind: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is not one of {', '.join(KINDS)}")
        self.kind = kind

    @property
    def folder(self) -> Path:
        """The folder of the entries."""
        return cache_folder() / self.kind

    def get(self, key: str, read: Callable[[Path], T]) -> Cached[T] | None:
        """Read an entry; return None if there is none, or if it is damaged.

        Args:
            key: Its name, which must change if anything changes that it is made from.
            read: Reads its folder, and maps large files. No process removes the files in the meantime.
        """
        return self._look(key, read)[0]

    def get_or_make(
        self,
        key: str,
        make: Callable[[Path], None],
        read: Callable[[Path], T],
        *,
        what: str,
        size: int = 0,
        beside: Collection[Path] = (),
    ) -> Cached[T]:
        """Read an entry, after making it if there is none or it is damaged.

        Args:
            key: Its name, which must change if anything changes that it is made from.
            make: Writes its files into an empty folder. It is called a second time if the disk is full at first.
            read: Reads the folder, and maps large files. No process removes the files in the meantime.
            what: A description of what the entry is made from, for `dlrun cache ls`.
            size: The approximate size in bytes.
            beside: The folders of entries that are used together with it, and must not be removed to make room.

        Returns:
            The content of the entry.

        Raises:
            OSError: The entry can be written nowhere, or cannot be mapped (ENOMEM).
        """
        found, damage = self._look(key, read)
        if found is not None:
            return found
        entry = self.folder / key
        try:
            with locked(entry, exclusive=True):
                # Another process may have made it while this one waited.
                found, _ = _read_entry(entry, read)
                if found is None:
                    make_room(size, keep=(entry, *beside))
                    _write_entry(entry, make, what=what)
                    found = Cached(read(settled(entry / CONTENT)), entry, notes=_damage_notes(entry, damage))
                    _mark_used(entry)
                with suppress(OSError):  # `size` was only approximate
                    make_room(0, keep=(entry, *beside))
        except OSError as error:
            if error.errno == errno.ENOMEM:
                raise
            made = _make_aside(make, read, size=size, error=error)
            note = f"cache: nothing can be stored in {cache_folder()}: {reason(error)[0].lower()}"
            return replace(made, notes=(f"{note}; the next run prepares its data again",))
        return found

    def get_value(self, key: str) -> Any:
        """Return a small JSON value; None if there is none, or if it is damaged."""
        path = self._value_path(key)
        try:
            value = unseal(disk.read_file(path, largest=_LARGEST_VALUE))
            found = value["value"]
        except (OSError, ValueError, TypeError, KeyError):
            return None
        _mark_used(path)
        return found

    def has_value(self, key: str) -> bool:
        """Return whether there is a value, even if it is damaged."""
        return disk.exists(self._value_path(key))

    def put_value(self, key: str, value: Any, *, what: str, beside: Collection[Path] = ()) -> None:
        """Store a small JSON value. If that fails, `get_value` finds none, and the value is computed again.

        Args:
            key: Its name, which must change if anything changes that it is computed from.
            value: A JSON value below 1 MiB.
            what: A description of what it is computed from, for `dlrun cache ls`.
            beside: The folders of entries that are used together with it, and must not be removed to make room.
        """
        path = self._value_path(key)
        with suppress(OSError):
            disk.make_folders(path.parent)
            disk.write_atomically(path, seal({"what": what, "value": value}))
            make_room(0, keep=(path, *beside))

    def _look(self, key: str, read: Callable[[Path], T]) -> tuple[Cached[T] | None, str]:
        """Return the content of an entry; or None, and what is wrong with the entry if there is one."""
        entry = self.folder / key
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(entry, exclusive=False))
            except OSError:
                return None, ""
            return _read_entry(entry, read)

    def _value_path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def _read_entry(entry: Path, read: Callable[[Path], T]) -> tuple[Cached[T] | None, str]:
    content = settled(entry / CONTENT)
    if not disk.exists(content):
        return None, ""
    if damage := find_damage(content):
        return None, damage
    try:
        found = Cached(read(content), entry, is_reused=True)
    # Whatever is wrong with an entry, the answer is to make it again; too little memory is not wrong with it.
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise
        return None, f"it cannot be read: {error}"
    _mark_used(entry)
    return found, ""


def _damage_notes(entry: Path, damage: str) -> tuple[str, ...]:
    return (f"cache: {entry} was damaged ({damage}), and has been made again",) if damage else ()


def _write_entry(entry: Path, make: Callable[[Path], None], *, what: str) -> None:
    try:
        with staged_folder(entry / CONTENT) as staged:
            make(staged)
            disk.write_file(staged / ABOUT, seal({"what": what}))
            for name in disk.names(staged):
                disk.sync_file(staged / name)
            seal_folder(staged)
    except BaseException:
        # Free the space at once, even if the user interrupts.
        with suppress(OSError):
            recover(entry)
        raise


def _make_aside(make: Callable[[Path], None], read: Callable[[Path], T], *, size: int, error: OSError) -> Cached[T]:
    """Make an entry in a temporary folder, on the disk or else in memory, wherever there is room for it.

    Raises:
        OSError: That fails too; this is the given `error`.
    """
    for parent in (_temporary_folder(), _SHARED_MEMORY):
        try:
            if parent is None or size > _room(parent):
                continue
            with tempfile.TemporaryDirectory(prefix="dlrun-", dir=parent, ignore_cleanup_errors=True) as name:
                make(Path(name))
                # The files lose their names here; what `read` has mapped stays valid until the process ends.
                return Cached(read(Path(name)), None)
        except OSError as failed:
            if failed.errno == errno.ENOMEM:
                raise
    raise error


def _temporary_folder() -> Path | None:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return None


def _room(parent: Path) -> int:
    free = shutil.disk_usage(parent).free
    return min(free, free_memory()) if parent == _SHARED_MEMORY else free


def _mark_used(path: Path) -> None:
    with suppress(OSError):  # a read-only cache cannot record what was used last
        os.utime(path)
