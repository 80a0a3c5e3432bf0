"""Processes that run dlrun and can be killed, and what has to be equal when two runs are said to be identical."""

import csv
import hashlib
import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

SERVER = Path(__file__).with_name("fork_server.py")
TIMINGS = {"seconds", "examples_per_second", "data_wait"}
_PATIENCE_SECONDS = 120


class Ended(NamedTuple):
    """How a process ended; `code` is negative if a signal ended it."""

    code: int
    out: str
    err: str
    operations: int


@dataclass
class Process:
    """A command that runs."""

    number: int
    output: Path
    _exit_code: Callable[[], int]

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.kill(self.number, number)

    def wait(self) -> Ended:
        code = self._exit_code()
        out, err = (self.output.with_suffix(suffix).read_text() for suffix in (".out", ".err"))
        operations = self.output.with_suffix(".operations")
        return Ended(code, out, err, int(operations.read_text()) if operations.exists() else 0)

    def wait_until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.output.with_suffix(".err").read_text()
            time.sleep(0.005)

    def wait_for(self, text: str) -> None:
        """Wait until the process has said `text` on its stderr."""
        self.wait_until(lambda: text in self.output.with_suffix(".err").read_text())


class ForkServer:
    """Starts commands, one at a time; see fork_server.py."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True)
        self.environment = {"DLRUN_STATE": str(home), "DLRUN_CACHE": str(home / "cache")}
        self._started = 0
        self._server = subprocess.Popen(
            [sys.executable, SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start(
        self,
        *arguments: object,
        folder: Path,
        kill_at: int | None = None,
        at: tuple[str, int] | None = None,
        signals: tuple[int, ...] = (),
        **environment: str,
    ) -> Process:
        self._started += 1
        output = self.home / f"process-{self._started}"
        request = {
            "arguments": [str(argument) for argument in arguments],
            "folder": str(folder),
            "environment": {**self.environment, **environment},
            "output": str(output),
            "kill_at": kill_at,
            "at": at,
            "signals": signals,
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Process(self._read_number(), output, self._read_number)

    def run(self, *arguments: object, folder: Path, **options: Any) -> Ended:
        return self.start(*arguments, folder=folder, **options).wait()

    def close(self) -> None:
        self._server.kill()
        self._server.communicate()

    def _read_number(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())


class Servers:
    """A few fork servers, lent out one by one."""

    def __init__(self, home: Path, count: int) -> None:
        self._idle: queue.Queue[ForkServer] = queue.Queue()
        self._all = [ForkServer(home / f"server-{index}") for index in range(count)]
        for server in self._all:
            server.environment["DLRUN_STATE"] = str(home)  # one user's secret for all
            self._idle.put(server)

    @contextmanager
    def lent(self) -> Iterator[ForkServer]:
        server = self._idle.get()
        try:
            yield server
        finally:
            self._idle.put(server)

    def close(self) -> None:
        for server in self._all:
            server.close()


def outcome(run: Path) -> dict[str, Any]:
    """Everything of a completed run that must not depend on how often it was killed."""
    from dlrun.training.checkpoint import read_checkpoint

    record = json.loads((run / "run.json").read_text())
    last = max((run / "checkpoints").glob("step-*"))
    best, state = read_checkpoint(run / "checkpoints" / "best").arrays, read_checkpoint(last).state["training"]
    with (run / "metrics.csv").open() as file:
        table = [{name: value for name, value in row.items() if name not in TIMINGS} for row in csv.DictReader(file)]
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return {
        **{key: record[key] for key in ("status", "exact", "weights_sha256", "result", "best", "reason", "precision")},
        "metrics.jsonl": [{name: value for name, value in row.items() if name not in TIMINGS} for row in rows],
        "metrics.csv": table,
        "best arrays": {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in sorted(best.items())},
        "last checkpoint": (last.name, {**state, "seconds": None}),
    }


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    found = Servers(tmp_path_factory.mktemp("servers"), 2)
    yield found
    found.close()


@pytest.fixture
def dlrun(servers: Servers) -> Iterator[ForkServer]:
    with servers.lent() as server:
        yield server


@pytest.fixture(scope="session")
def outcome_of() -> Callable[[Path], dict[str, Any]]:
    return outcome
