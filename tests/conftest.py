"""What every test may use: the shared data, where this machine has it, and commands as processes that start at once."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

_BESIDE_THE_CHECKOUT = Path(__file__).parents[2] / "shared" / "data"
_FORK_SERVER = Path(__file__).with_name("fork_server.py")
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

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.kill(self.number, number)

    def wait(self) -> Ended:
        code = self.output.with_suffix(".code")
        self.wait_until(code.exists)
        operations = self.output.with_suffix(".operations")
        count = int(operations.read_text()) if operations.exists() else 0
        return Ended(int(code.read_text()), self._said(".out"), self.err, count)

    @property
    def err(self) -> str:
        """What it has said on its stderr so far."""
        return self._said(".err")

    def wait_until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
                pytest.fail(f"nothing has come within {_PATIENCE_SECONDS} s: {self.err}")
            time.sleep(0.005)

    def _said(self, suffix: str) -> str:
        path = self.output.with_suffix(suffix)
        return path.read_text() if path.exists() else ""  # the stream was led elsewhere


class ForkServer:
    """Starts commands, as many at a time as are asked for; see fork_server.py."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {"DLRUN_STATE": str(home), "DLRUN_CACHE": str(home / "cache")}
        self._started, self._lock = 0, threading.Lock()
        self._server = subprocess.Popen(
            [sys.executable, _FORK_SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start(  # noqa: PLR0913  each is one thing that can be asked of a process
        self,
        *arguments: object,
        folder: Path,
        script: Path | None = None,
        kill_at: int | None = None,
        at: tuple[str, int] | None = None,
        signals: tuple[int, ...] = (),
        streams: Mapping[int, str | None] | None = None,
        short_calls: bool = True,
        **environment: str,
    ) -> Process:
        with self._lock:
            self._started += 1
            output = self.home / f"process-{self._started}"
            request = {
                "arguments": [str(argument) for argument in arguments],
                "script": None if script is None else str(script),
                "folder": str(folder),
                "environment": {**self.environment, **environment},
                "output": str(output),
                "streams": streams or {},
                "short_calls": short_calls,
                "kill_at": kill_at,
                "at": at,
                "signals": signals,
            }
            assert self._server.stdin is not None
            assert self._server.stdout is not None
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
            return Process(int(self._server.stdout.readline()), output)

    def run(self, *arguments: object, folder: Path, **options: Any) -> Ended:
        return self.start(*arguments, folder=folder, **options).wait()

    def close(self) -> None:
        self._server.kill()
        self._server.communicate()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have the most slow tests; then two processes that share the files end together."""
    cost = Counter[Path]()
    for item in items:
        cost[item.path] += 10 if item.get_closest_marker("slow") else 3 if item.get_closest_marker("tensorflow") else 0
    items.sort(key=lambda item: -cost[item.path])


@pytest.fixture(scope="session", autouse=True)
def _writes_are_not_waited_for() -> Iterator[None]:
    """No test pulls the plug, and one training waits for the disk fifty times; real commands still do.

    In place of `os.fsync` stands what refuses a handle that is closed just the same.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(scope="module", autouse=True)
def _garbage_is_looked_for_among_new_objects() -> Iterator[None]:
    """Each training asks for full collections, which would pass through all that earlier modules have left behind."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Commands of dlrun as processes of their own, without the seconds that importing TensorFlow takes."""
    server = ForkServer(tmp_path_factory.mktemp("forked"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that is too large for the repository; the test is skipped where there is none."""
    folder = Path(os.environ.get("DLRUN_TEST_DATA") or _BESIDE_THE_CHECKOUT)
    if not folder.is_dir():
        pytest.skip(f"needs the test data: DLRUN_TEST_DATA is not set and {folder} does not exist")
    return folder.resolve()
