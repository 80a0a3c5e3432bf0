"""How much memory this process may still use: what the machine has free, within the limit of its control group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """Memory that nobody uses yet, in bytes; half of the machine's where it cannot be asked."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        free = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) << 10
    return min([free, *_left_in_groups()])


def _left_in_groups() -> Iterator[int]:
    """What is left in each control group (version 2) above this process that has a limit."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
        group = _GROUPS / next(line for line in lines if line.startswith("0::")).removeprefix("0::/")
        for folder in (group, *group.parents):
            if folder == _GROUPS.parent:
                break
            with suppress(OSError, ValueError):  # the topmost has no limit; "max" is none
                limit = int((folder / "memory.max").read_text("ascii"))
                used = int((folder / "memory.current").read_text("ascii"))
                counts = dict(line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines())
                yield max(0, limit - used + int(counts.get("inactive_file", 0)))
