"""Describe the machine, the versions and the packages; environment variables may hold secrets and are not read."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

_PACKAGES = ("dlrun", "tensorflow", "keras", "numpy")
_FIELD = re.compile(r"^(Name|Version): *(\S+)", re.MULTILINE)


def versions() -> dict[str, str]:
    """Return the versions of Python, dlrun and the libraries that affect the numbers, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def packages_text() -> str:
    """Return all installed packages, sorted, one `name==version` per line, in the format of `pip install -r`."""
    found: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        # Parsing all metadata of all packages, descriptions included, would take a tenth of a short training.
        text = package.read_text("METADATA") or package.read_text("PKG-INFO") or ""
        fields = dict(_FIELD.findall(text.partition("\n\n")[0]))
        if name := fields.get("Name"):  # missing for a package that was only partly removed
            # Python imports the first one on the path.
            found.setdefault(name.casefold(), f"{name}=={fields.get('Version')}")
    return "".join(f"{found[key]}\n" for key in sorted(found))


def machine() -> dict[str, Any]:
    """Return the platform, the CPU model, the number of cores (all, and usable ones) and the memory in GiB."""
    return {
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_gib": round(memory_bytes() / 2**30, 1),
    }


def memory_bytes() -> int:
    """Return the size of the machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_model() -> str:
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
