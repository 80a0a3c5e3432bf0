"""Find out how much memory this process may still use, given the machine and its limits."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

_UNLIMITED = 1 << 60  # version 1 of control groups reports a number near 2^63 if there is no limit

_FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))


def free_memory(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of bytes that are free and that no limit forbids; a cautious guess if nothing is known.

    Args:
        proc: The folder where the system describes itself.
        groups: The folder with the limits of control groups.
    """
    known = [*_of_machine(proc), *_of_control_groups(proc, groups), *_of_process(proc)]
    return max(0, min(known, default=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2))


def _of_machine(proc: Path) -> Iterator[int]:
    fields = _fields(proc / "meminfo")
    if "MemAvailable" in fields:
        yield fields["MemAvailable"]


def _of_process(proc: Path) -> Iterator[int]:
    """Yield what `ulimit -v` and `ulimit -d` leave."""
    fields = _fields(proc / "self" / "status")
    for limit, used in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY and used in fields:
            yield soft - fields[used]


def _of_control_groups(proc: Path, groups: Path) -> Iterator[int]:
    """Yield what the control group of this process and each group above it leave, for both versions."""
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            top = groups / "memory" if controllers else groups
            names = _FILES[bool(controllers)]
            folder = top / path.strip("/")
            # Inside a container the path is that of the host, which does not exist here; the group is at the top.
            for place in [folder, *folder.parents] if folder.is_dir() else [top]:
                yield from _left(place, *names)
                if place == top:
                    break


def _left(place: Path, limit: str, usage: str) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError):
        most, used = int((place / limit).read_text()), int((place / usage).read_text())
        stat = dict(line.split(" ", 1) for line in (place / "memory.stat").read_text().splitlines())
        if most < _UNLIMITED:
            # Inactive pages of files count as used, but the system frees them as soon as memory is needed.
            yield most - used + int(stat.get("total_inactive_file", stat.get("inactive_file", "0")))


def _fields(path: Path) -> dict[str, int]:
    """Return the lines `Name:  123 kB` of a file, in bytes."""
    fields = {}
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                fields[name] = int(value.removesuffix(" kB")) << 10
    return fields
