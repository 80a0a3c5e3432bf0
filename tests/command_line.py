"""What tests of the command line share: a started process, the type of a call in this process, and what it prints."""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dlrun.cli.app import app

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "digits_mlp.yaml"

Printed = tuple[int, str, str]
"""The exit code, stdout and stderr of a command."""
Dlrun = Callable[..., Printed]


def started(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a shell starts it; most tests take `dlrun`, which is the same without the seconds of a start."""
    command = [sys.executable, "-m", "dlrun", *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=variables)


def in_this_process(group: str, capsys: pytest.CaptureFixture[str]) -> Dlrun:
    """Commands of a group, such as `runs`, called in this process."""

    def call(*arguments: object) -> Printed:
        with pytest.raises(SystemExit) as ended:
            app([group, *map(str, arguments)])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


def only_run(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))
