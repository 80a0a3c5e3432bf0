"""Where a run's numbers come from: versions, packages, the machine; no environment variables."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

_PACKAGES = ("dlrun", "tensorflow", "keras", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python, dlrun and the libraries that decide the numbers; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def packages_text() -> str:
    """Every installed package, one `name==version` on a line, sorted: what `pip install -r` takes."""
    found: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        metadata = package.metadata  # parsed anew each time that it is asked for
        name = metadata["Name"]
        if name:  # a half-removed package has none
            # The first on the path is what Python imports.
            found.setdefault(name.casefold(), f"{name}=={metadata['Version']}")
    return "".join(f"{found[key]}\n" for key in sorted(found))


def machine() -> dict[str, Any]:
    """Platform, CPU model, number of cores (all, and those this process may use), memory in GiB."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_gib": round(memory / 2**30, 1),
    }


def usable_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_model() -> str:
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
