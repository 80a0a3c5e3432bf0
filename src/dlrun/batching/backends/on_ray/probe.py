"""What a node answers when it is asked whether runs can train there.

Ray sends the source of this module to the nodes, because dlrun may not be installed there. So it imports nothing of
dlrun, or of Ray, at its top.
"""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Question:
    """What to look for on a node.

    Args:
        token: The path of a file in the folder for runs that the driver has just written, and its content.
        folder: The working directory of the driver; None for the one that Ray has prepared on the node.
        files: Paths relative to it, each with the digest of its content: configs and plugins.
        environment: Variables that the runs get.
        challenge: A text to sign with the user's secret.
    """

    token: tuple[str, str]
    folder: str | None
    files: Sequence[tuple[str, str]]
    environment: tuple[tuple[str, str], ...]
    challenge: str


def answer_question(question: Question) -> dict[str, Any]:
    """Look around on this node; called there, by Ray.

    Args:
        question: What to look for.

    Returns:
        `node`, `time`, `versions`, `source` (a digest of dlrun, empty without dlrun), `secret`, and what is wrong with
        `storage`, `scratch` (the folder for temporary files) and `files`.
    """
    os.environ.update(dict(question.environment))
    found: dict[str, Any] = {"node": socket.gethostname(), "versions": {"python": platform.python_version()}}
    found["source"] = found["secret"] = ""
    try:
        from dlrun.runs.provenance.machine import versions
        from dlrun.runs.provenance.trust import answer_challenge
        from dlrun.spec.identity import own_source
    except ImportError as error:
        found["missing"] = str(error)
    else:
        found["versions"], found["source"] = versions(), own_source()
        found["secret"] = answer_challenge(question.challenge)
    found["storage"] = _storage_problem(*question.token)
    found["scratch"] = _scratch_problem()
    found["files"] = [path for path, digest in question.files if _digest(question.folder, path) != digest]
    found["time"] = time.time()
    return found


def _storage_problem(path: str, content: str) -> str:
    """Return why this node cannot read and write where the runs are; empty if it can."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  no more imports than it takes
            if file.read() != content:
                return "sees another folder of this name"
        own = f"{path}-{socket.gethostname()}-{os.getpid()}"
        with open(own, "x", encoding="utf-8") as file:  # noqa: PTH123
            file.write(content)
        os.unlink(own)  # noqa: PTH108
    except FileNotFoundError:
        return "does not see it"
    except OSError as error:
        return f"cannot use it: {error.strerror or error}"
    return ""


def _scratch_problem() -> str:
    """Return why this node has no room for temporary files; empty if it has."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(1 << 20))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _digest(folder: str | None, path: str) -> str:
    """Return the digest of a file; empty if it cannot be read."""
    try:
        with open(os.path.join(folder or os.getcwd(), path), "rb") as file:  # noqa: PTH109, PTH118, PTH123
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""
