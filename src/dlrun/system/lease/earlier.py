"""The locks of dlrun 0.1: a file with the id of a process, which the process holds by `flock` while it lives.

A run that such a version trains at this moment must not get a second writer. Nothing is locked this way any more: on
network file systems `flock` may hang, or exclude nobody. Here it is only tried on a file that an earlier version has
locked in the same way.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

_NUMBER_BYTES = 20
# A reader locks the file for microseconds to look whether it is locked; who wants to have it tries again for this long.
_ATTEMPTS, _PAUSE_SECONDS = 25, 0.01


def earlier_holder(path: Path) -> int | None:
    """Return the id of the process of an earlier version that holds a lock file; None if none does, 0 if unknown."""
    try:
        # A folder from elsewhere may have a named pipe here, which would wait for a writer without O_NONBLOCK.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        # A shared lock: two readers must not take each other for a writer.
        return _holder(handle, fcntl.LOCK_SH) if stat.S_ISREG(os.fstat(handle).st_mode) else None
    finally:
        os.close(handle)


def remove_earlier_lock(path: Path) -> int | None:
    """Remove the lock file of an earlier version, unless a process holds it.

    Returns:
        The id of the process that holds it; None if it is removed.

    Raises:
        OSError: It is not a regular file, or cannot be removed.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        # The lock is held while the file is removed: an earlier version that starts right now finds it held.
        number = _holder(handle, fcntl.LOCK_EX, attempts=_ATTEMPTS)
        if number is None:
            with suppress(FileNotFoundError, IsADirectoryError):  # another process was faster
                path.unlink()
        return number
    finally:
        os.close(handle)


def _holder(handle: int, mode: int, *, attempts: int = 1) -> int | None:
    for attempt in range(attempts):
        time.sleep(_PAUSE_SECONDS if attempt else 0)
        try:
            fcntl.flock(handle, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except OSError:  # a file system without locks, where no process can hold one
            return None
        return None
    text = os.pread(handle, _NUMBER_BYTES, 0).decode("ascii", errors="replace").strip()
    return int(text) if text.isdecimal() else 0
