"""A Python program of dlrun's own in, its end out: run in a process of its own, so that its crash is one line here."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dlrun.errors import RunError
from dlrun.system.interpreter import python_command, python_environment

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONWARNINGS": "ignore"}
_OF_FILES = re.compile(r"(?:OS|Permission)Error: \[Errno (\d+)\]")


def run_child(
    arguments: list[str], *, folder: Path, what: str, hint: str = "", environment: Mapping[str, str] | None = None
) -> None:
    """Run Python with `arguments`, on the CPU.

    Args:
        arguments: Of the interpreter.
        folder: Where the process runs.
        what: What fails, if it fails: `TensorFlow Lite cannot convert the model`.
        hint: What to try then.
        environment: Variables besides those of this process.

    Raises:
        RunError: It failed or crashed: its last words.
        OSError: It ended with one, as on a full disk.
    """
    done = subprocess.run(  # noqa: S603  this interpreter, with files of dlrun's own
        python_command(*arguments),
        cwd=folder,
        env=python_environment({**_QUIET, **(environment or {})}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = _last_words(done)
        if found := _OF_FILES.match(said):
            raise OSError(int(found[1]), os.strerror(int(found[1])))
        raise RunError(f"{what}: {said}", hint=hint)


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"it crashed ({signal.Signals(-done.returncode).name})"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.partition(":")[0].endswith(("Error", "Exception"))]
    said = (errors or lines or ["it ended without a word"])[-1]
    return said if len(said) < 400 else said[:400] + " ..."  # a converter may add the whole graph
