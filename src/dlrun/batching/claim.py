"""Who trains a run: a lock by its identity, so that of several batches in one folder only one does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dlrun.batching.record import FOLDER
from dlrun.runs.record import IdentityRecord
from dlrun.system.disk import disk, explained

_OFFSETS = 1 << 62


@contextmanager
def claimed(identity: IdentityRecord, *, runs_dir: Path) -> Iterator[bool]:
    """Claim a run for as long as the `with` block lasts; the system takes the claim back when the process ends.

    One file serves every run: what is locked is one byte of it, at a place that follows from the identity. Such a lock
    belongs to the process, which must not open the file a second time meanwhile.

    Yields:
        Whether it is this process'; otherwise another one has it.

    Raises:
        RunError: The file cannot be opened.
    """
    handle = _opened(runs_dir, ".lock")
    try:
        with explained(f"lock {runs_dir / FOLDER}"):
            is_mine = _locked(handle, int(identity.spec, 16) ^ int(identity.code, 16) ^ int(identity.data, 16))
        yield is_mine
    finally:
        os.close(handle)


@contextmanager
def turn_to_load(places: Sequence[Path], *, runs_dir: Path) -> Iterator[bool]:
    """Wait, if data is not there, until no other run downloads any.

    Yields:
        Whether it is still missing, and this process is the one to get it.

    Raises:
        RunError: The lock file cannot be opened.
    """
    if all(place.exists() for place in places):
        yield False
        return
    handle = _opened(runs_dir, ".loading")
    try:
        with explained(f"lock {runs_dir / FOLDER}"):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield not all(place.exists() for place in places)
    finally:
        os.close(handle)


def _opened(runs_dir: Path, name: str) -> int:
    path = runs_dir / FOLDER / name
    with explained(f"open {path}"):
        disk.make_folders(path.parent)
        return disk.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)


def _locked(handle: int, number: int) -> bool:
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number % _OFFSETS, os.SEEK_SET)
    except (BlockingIOError, PermissionError):  # POSIX allows either
        return False
    return True
