"""Have the page of a search drawn by a process of its own.

A search runs for hours beside its trials; the plotting library would stay in its memory until it ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pydantic import TypeAdapter

from dlrun.errors import RunError
from dlrun.search.outcome import SearchOutcome
from dlrun.search.page.writing import draw_search_page
from dlrun.system.interpreter import answer_pipe, python_command, python_environment

_PATIENCE_SECONDS = 300


def write_search_page(outcome: SearchOutcome, *, path: Path) -> None:
    """Write the page of a search, and replace an earlier one.

    Args:
        outcome: The search.
        path: The file to write.

    Raises:
        RunError: The page cannot be drawn or written.
    """
    if "matplotlib.figure" in sys.modules:
        draw_search_page(outcome, path=path)
        return
    task = json.dumps({"path": str(path.absolute()), "outcome": plain_outcome(outcome)}).encode()
    hint = f"dlrun search show {outcome.name} has the same numbers"
    try:
        with answer_pipe() as answer:
            done = subprocess.run(  # noqa: S603  dlrun itself, without a shell
                python_command("-m", "dlrun.search.page", answer.argument),
                env=python_environment(),
                input=task,
                stdout=subprocess.DEVNULL,  # the answer has a pipe of its own; libraries may print here
                stderr=subprocess.DEVNULL,
                pass_fds=answer.inherited,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
            problem = answer.read()
    except subprocess.TimeoutExpired:
        raise RunError(f"drawing {path} took more than {_PATIENCE_SECONDS} s", hint=hint) from None
    except OSError as error:  # too little memory or too many processes
        raise RunError(f"cannot draw {path}: {error.strerror}", hint=hint) from None
    if not isinstance(problem, str):
        raise RunError(f"drawing {path} ended with exit code {done.returncode}", hint=hint)
    if problem:
        raise RunError(problem, hint=hint)


def plain_outcome(outcome: SearchOutcome) -> object:
    """Return an outcome in plain JSON values."""
    return TypeAdapter(SearchOutcome).dump_python(outcome, mode="json")


def read_plain_outcome(plain: object) -> SearchOutcome:
    """Return the outcome that `plain_outcome` was given."""
    return TypeAdapter(SearchOutcome).validate_python(plain)
