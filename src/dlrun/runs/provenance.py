"""Where a run's numbers come from: versions, packages, the state of the code, the machine; no environment variables."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

_PACKAGES = ("dlrun", "tensorflow", "keras", "numpy")
_GIT_SECONDS = 5.0
_DIFF_LIMIT = 1 << 20
# The repository's own settings may name programs to run while git looks at files: none of them is wanted here.
_GIT = ("-c", "core.fsmonitor=false", "--no-optional-locks")
_DIFF = ("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty")


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


def git_state(directory: Path) -> dict[str, Any] | None:
    """The commit that the code in `directory` is of.

    Returns:
        `{"commit": 40 digits or None before the first commit, "branch": name or None when detached, "dirty": whether a
        tracked file differs from the commit}`; None where there is no git or no repository.
    """
    output, ok = _git(directory, ("status", "--porcelain=v2", "--branch", "--untracked-files=no"), limit=_DIFF_LIMIT)
    if not ok:
        return None
    lines = output.decode(errors="replace").splitlines()
    heads = {key: value for key, _, value in (line.removeprefix("# branch.").partition(" ") for line in lines)}
    return {
        "commit": None if heads.get("oid") == "(initial)" else heads.get("oid"),
        "branch": None if heads.get("head") == "(detached)" else heads.get("head"),
        "dirty": any(not line.startswith("#") for line in lines),
    }


def git_diff(directory: Path) -> str:
    """How the tracked files differ from the last commit, at most 1 MiB of it; empty where there is nothing to tell.

    Files that git does not track are not in it.
    """
    output, ok = _git(directory, _DIFF, limit=_DIFF_LIMIT + 1)
    if not ok:
        return ""
    text = output[:_DIFF_LIMIT].decode(errors="replace")
    return text if len(output) <= _DIFF_LIMIT else f"{text}\n(cut here: the rest is beyond {_DIFF_LIMIT} bytes)\n"


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


def _git(directory: Path, arguments: tuple[str, ...], *, limit: int) -> tuple[bytes, bool]:
    """The first `limit` bytes that git prints, and whether they can be trusted; never an error, never a long wait."""
    program = shutil.which("git")
    if program is None:
        return b"", False
    try:
        process = subprocess.Popen(  # noqa: S603  (the arguments are this module's own)
            [program, *_GIT, "-C", str(directory), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return b"", False
    with process:
        watchdog = threading.Timer(_GIT_SECONDS, process.kill)
        watchdog.start()
        output = process.stdout.read(limit) if process.stdout else b""
        cut = len(output) == limit
        if cut:
            process.kill()
        code = process.wait()
        watchdog.cancel()
    return output, cut or code == 0
