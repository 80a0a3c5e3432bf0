"""Measure in a process of its own: its memory can be measured, and nothing of the caller's state can change."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlrun.errors import DataError
from dlrun.system.interpreter import answer_pipe, python_command, python_environment

Config = str | Path | Mapping[str, Any]


def measured_by(module: str, config: Config, **asked: Any) -> dict[str, Any]:
    """Run a module of dlrun that measures something of a config, and return its answer.

    Args:
        module: The module. It reads its question from standard input, and answers through a pipe.
        config: A YAML file, or a dict of the same keys.
        asked: The rest of the question.

    Returns:
        The answer; with the key `error` if there is none.

    Raises:
        DataError: The data is missing or wrong.
    """
    given = dict(config) if isinstance(config, Mapping) else str(config)
    with answer_pipe() as answer:
        done = subprocess.run(  # noqa: S603  dlrun itself, without a shell
            python_command("-m", module, answer.argument),
            env=python_environment(),
            input=json.dumps({"config": given, **asked}, default=str),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            pass_fds=answer.inherited,
        )
        found = answer.read()
    if done.returncode or not isinstance(found, dict):
        last = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        return {"error": f"ended with exit code {done.returncode}: {last}"}
    if "data_error" in found:  # no other measurement will find the data
        raise DataError(**found["data_error"])
    return found


def answer_of(error: Exception) -> dict[str, Any]:
    """Return the answer of a module whose measurement failed with an error of dlrun."""
    if isinstance(error, DataError):
        return {"data_error": {"what": error.what, "expected": error.expected, "hint": error.hint}}
    return {"error": getattr(error, "what", str(error))}
