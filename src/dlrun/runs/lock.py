"""One writer to a run: a lock on a file, which the system takes back when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from dlrun.errors import RunError
from dlrun.system.disk import disk, explained

# A reader holds the lock for microseconds while it looks; a writer that meets one tries again for this long.
_ATTEMPTS, _PAUSE_SECONDS = 25, 0.01
_NUMBER_BYTES = 20


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, made if it is missing, with the number of this process in it.

    A child made by `fork` without `exec` holds it too, for as long as it lives.

    Raises:
        RunError: Another process holds it; its number is told.
    """
    with explained(f"lock {path.parent}"):
        handle = disk.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        with explained(f"lock {path.parent}"):
            if not _taken(handle, fcntl.LOCK_EX, attempts=_ATTEMPTS):
                raise RunError(
                    f"the run {path.parent.name} is held by process {_number(handle)}",
                    expected="one writer to a run",
                    hint="wait until that process ends, or stop it",
                )
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def holder(path: Path) -> int | None:
    """Number of the process that holds the lock file; None if nobody does, 0 if it has not said its number yet."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return None if _taken(handle, fcntl.LOCK_SH) else _number(handle)
    except OSError:
        return None  # a file system without locks: nobody can hold one
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
