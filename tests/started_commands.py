"""Commands of dlrun as processes that can be watched, signalled and killed: fixtures for several folders of tests."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_PATIENCE_SECONDS = 400


class Command:
    """A running `python -m dlrun ...` in a folder."""

    def __init__(self, *arguments: object, folder: Path, **environment: str) -> None:
        self.output = Path(tempfile.mkdtemp(prefix=".output-", dir=folder))
        self._out, self._err = ((self.output / name).open("w") for name in ("stdout", "stderr"))
        variables = {**os.environ, "DLRUN_STATE": str(folder / "state"), "DLRUN_CACHE": str(folder / "cache")}
        variables |= environment
        command = [sys.executable, "-m", "dlrun", *map(str, arguments)]
        self.process = subprocess.Popen(command, cwd=folder, stdout=self._out, stderr=self._err, env=variables)

    @property
    def err(self) -> str:
        return (self.output / "stderr").read_text()

    @property
    def out(self) -> str:
        return (self.output / "stdout").read_text()

    def wait(self) -> int:
        return self.process.wait(_PATIENCE_SECONDS)

    def wait_until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.err
            assert self.process.poll() is None, self.err
            time.sleep(0.005)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self._out.close()
        self._err.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Command]]:
    """Starts commands, and ends those that still run at the end of the test."""
    commands: list[Command] = []

    def started(*arguments: object, folder: Path, **environment: str) -> Command:
        commands.append(Command(*arguments, folder=folder, **environment))
        return commands[-1]

    yield started
    for command in commands:
        command.close()


@pytest.fixture
def run(start: Callable[..., Command]) -> Callable[..., Command]:
    """Runs a command to its end."""

    def finished(*arguments: object, folder: Path) -> Command:
        command = start(*arguments, folder=folder)
        command.wait()
        return command

    return finished


@pytest.fixture(scope="session")
def records() -> Callable[[Path], list[dict[str, Any]]]:
    """Return the content of every run.json in a folder's runs, oldest first."""

    def read(folder: Path) -> list[dict[str, Any]]:
        found = [json.loads(path.read_text()) for path in folder.glob("runs/*/run.json")]
        return sorted(found, key=lambda record: record["started"])

    return read
