"""Claim runs, so that only one of several batches in the same folder trains a run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dlrun.batching.record import FOLDER
from dlrun.runs.record import IdentityRecord
from dlrun.system.disk import disk, explained

# File offsets are signed 64-bit integers. Two runs with the same offset would only exclude each other needlessly.
_OFFSETS = 1 << 62


@contextmanager
def claimed(identity: IdentityRecord, *, runs_dir: Path) -> Iterator[bool]:
    """Claim a run for the duration of the block; the system releases the claim when the process ends.

    All runs share one lock file. A claim locks a single byte of it, at an offset computed from the identity of the run.
    This needs no lock file per run, which would have to be removed at the right moment. Such a lock belongs to the
    process and is lost when the process closes any handle of the file, so the process must not open it twice.

    Args:
        identity: The identity of the run.
        runs_dir: The folder for runs.

    Yields:
        Whether this process has the claim; otherwise another process has it.

    Raises:
        RunError: The lock file cannot be opened.
    """
    handle = _opened(runs_dir, ".lock")
    try:
        with explained(f"lock {runs_dir / FOLDER}"):
            is_mine = _try_lock(handle, int(identity.spec, 16) ^ int(identity.code, 16) ^ int(identity.data, 16))
        yield is_mine
    finally:
        os.close(handle)


@contextmanager
def turn_to_load(places: Sequence[Path], *, runs_dir: Path) -> Iterator[bool]:
    """Wait, if data is missing, until no other run is downloading any.

    Args:
        places: The paths of the data.
        runs_dir: The folder for runs.

    Yields:
        Whether the data is still missing, and this process should download it.

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


def _try_lock(handle: int, number: int) -> bool:
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number % _OFFSETS, os.SEEK_SET)
    except (BlockingIOError, PermissionError):  # POSIX allows either of them
        return False
    return True
