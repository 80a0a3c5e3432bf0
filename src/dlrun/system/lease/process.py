"""Which process is this, seen from any machine, and has another one ended for certain?"""

from __future__ import annotations

import functools
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

HOST_VARIABLE = "DLRUN_HOST"
_LONGEST_HOST = 40
_PROC = Path("/proc")
_LOCAL = frozenset(
    {
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "bcachefs"),
        *("tmpfs", "ramfs", "overlay", "vfat", "exfat", "ntfs3"),
    }
)
"""File systems that one machine has for itself."""
_ENDED = frozenset("ZX")
_STATE_FIELD, _THREADS_FIELD, _STARTED_FIELD = 0, 17, 19
"""Positions in /proc/PID/stat after the name of the program; see proc(5)."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, told apart from all others on all machines.

    Args:
        host: The name of its machine, for people.
        boot: Identifies the machine and its present start. Nothing that ran before a restart still runs.
        namespace: Identifies the set of processes that it can see by their numbers: containers have one of their own.
        number: Its process id.
        started: When it started, in ticks since the machine did: a later process may have the same id.
    """

    host: str
    boot: str
    namespace: str
    number: int
    started: int

    def sees(self, other: ProcessIdentity) -> bool:
        """Return whether this process can find out if another one is alive, because the system knows both."""
        return (self.boot, self.namespace) == (other.boot, other.namespace)

    def has_ended(self, other: ProcessIdentity, *, place: Path) -> bool:
        """Return whether another process has ended for certain.

        Args:
            other: The process.
            place: A path that the other process has used.

        Returns:
            Whether it is not alive; or, if it ran before the machine was restarted, whether only this machine can have
            used that path. Of any other process nothing is known.
        """
        if self.sees(other):
            return not _is_alive(other)
        return self.host == other.host and self.boot != other.boot and _is_local(place)


def this_process() -> ProcessIdentity:
    """Return the identity of this process.

    The environment variable `DLRUN_HOST` sets its machine apart from others that seem to be the same one: clones of a
    running virtual machine. It can only separate machines: it never makes two of them one.
    """
    return _identity(os.getpid(), os.environ.get(HOST_VARIABLE, ""))


def paused_clock() -> float:
    """Return seconds of a clock that is never set, and also counts the time that the machine sleeps."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


@functools.lru_cache(maxsize=4)
def _identity(number: int, name: str) -> ProcessIdentity:
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", name or os.uname().nodename)[:_LONGEST_HOST].strip(".-") or "unnamed"
    try:
        machine = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = re.sub(r"\D", "", (_PROC / "self/ns/pid").readlink().name) or "0"
    except OSError:  # a system without /proc
        machine, namespace = os.uname().nodename, "0"
    boot = sha256(f"{machine}\n{name}".encode()).hexdigest()[:16]
    stat = _stat(number)
    return ProcessIdentity(host, boot, namespace, number, int(stat[_STARTED_FIELD]) if stat else 0)


def _is_local(place: Path) -> bool:
    """Return whether a path is on a file system that no other machine can see; False if that is unknown."""
    path, found = os.path.realpath(place), ("", "")
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROC / "self/mountinfo").read_text(errors="replace").splitlines():
            fields, _, source = line.partition(" - ")
            point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields.split()[4])
            is_around = path == point or path.startswith(point.rstrip("/") + "/")
            if is_around and len(point) >= len(found[0]):
                found = point, source.split()[0]
    return found[1] in _LOCAL


def _is_alive(process: ProcessIdentity) -> bool:
    try:
        os.kill(process.number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        pass
    stat = _stat(process.number)
    if stat is None:
        # It has ended since, or /proc hides the processes of other users: only the signal tells.
        return _exists(process.number)
    if int(stat[_STARTED_FIELD]) != process.started:
        return False
    # After a kill, the first thread may be gone while another one still waits inside a write to a network file system.
    return stat[_STATE_FIELD] not in _ENDED or int(stat[_THREADS_FIELD]) > 1


def _exists(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stat(number: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the name of the program, which may contain spaces and brackets."""
    try:
        text = (_PROC / str(number) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
