"""Allow one writer per run, by a lock on a file that the system releases when the process ends for any reason."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from dlrun.errors import RunError
from dlrun.system.disk import disk, explained

# A reader locks the file for microseconds to look whether it is locked; a writer tries again for this long.
_ATTEMPTS, _PAUSE_SECONDS = 25, 0.01
_NUMBER_BYTES = 20


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` inside the block, with the id of this process in it; create it if it is missing.

    A child process created by `fork` without `exec` inherits the lock, and holds it until it ends.

    Args:
        path: The lock file.

    Raises:
        RunError: Another process holds the lock; the error names its process id.
    """
    with explained(f"lock {path.parent}"):
        handle = disk.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        with explained(f"lock {path.parent}"):
            if not _taken(handle, fcntl.LOCK_EX, attempts=_ATTEMPTS):
                raise RunError(
                    f"the run {path.parent.name} is held by process {_number(handle)}",
                    expected="one writer per run",
                    hint="wait until that process ends, or stop it",
                )
            # Only the holder of the lock writes its id, so the file may still name an earlier process for a moment.
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def holder(path: Path) -> int | None:
    """Return the id of the process that holds the lock; None if none does, 0 if its id is not written yet."""
    try:
        # A folder from elsewhere may have a named pipe here, which would wait for a writer without O_NONBLOCK.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        # A shared lock: two readers must not take each other for a writer.
        return None if _taken(handle, fcntl.LOCK_SH) else _number(handle)
    except OSError:
        return None  # a file system without locks, where no process can hold one
    finally:
        os.close(handle)


def _taken(handle: int, mode: int, *, attempts: int = 1) -> bool:
    for attempt in range(attempts):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, mode | fcntl.LOCK_NB)
            return True
    return False


def _number(handle: int) -> int:
    with contextlib.suppress(OSError):
        text = os.pread(handle, _NUMBER_BYTES, 0).decode("ascii", errors="replace").strip()
        return int(text) if text.isdecimal() else 0
    return 0
