"""Run a Python program in a process of its own, so that a crash in it becomes a one-line error here."""

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
# An OSError in the child is raised again here, so that a full disk gets the same message as everywhere else.
_OF_FILES = re.compile(r"(?:OS|Permission)Error: \[Errno (\d+)\]")


def run_child(
    arguments: list[str], *, folder: Path, what: str, hint: str = "", environment: Mapping[str, str] | None = None
) -> None:
    """Run Python on the CPU in a new process.

    Args:
        arguments: The arguments of the interpreter.
        folder: The working directory of the process.
        what: The start of the error message, such as `TensorFlow Lite cannot convert the model`.
        hint: What to try if it fails.
        environment: Additional environment variables.

    Raises:
        RunError: The process failed or crashed; the message ends with its last line of output.
        OSError: The process ended with an error of a file operation, for example because the disk is full.
    """
    done = subprocess.run(  # noqa: S603  this interpreter, with dlrun's own files
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
        message = _last_words(done)
        if found := _OF_FILES.match(message):
            raise OSError(int(found[1]), os.strerror(int(found[1])))
        raise RunError(f"{what}: {message}", hint=hint)


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        # The negative of the signal that ended the process, which had no time to say why.
        return f"it crashed ({signal.Signals(-done.returncode).name})"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    # The last line may be a warning or a log message; a line that names an exception says more.
    errors = [line for line in lines if line.partition(":")[0].endswith(("Error", "Exception"))]
    message = (errors or lines or ["it ended without any output"])[-1]
    return message if len(message) < 400 else message[:400] + " ..."  # a converter may print the whole graph
