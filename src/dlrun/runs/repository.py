"""The state of the code that a run was started with, as git knows it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

_GIT_SECONDS = 5.0
_DIFF_LIMIT = 1 << 20
# The repository's own settings may name programs to run while git looks at files: none of them is wanted here.
_GIT = ("-c", "core.fsmonitor=false", "--no-optional-locks")
_DIFF = ("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty")


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
