"""Start the processes of this machine that train one model, send signals to them, and end them together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import IO, NamedTuple, TypeVar

from dlrun.system.interpreter import python_command, python_environment
from dlrun.training.devices.cluster import LAUNCHED
from dlrun.training.devices.gpus import visible_gpus
from dlrun.training.stop import handled_signals

_KILL_SECONDS = 3.0
"""How long processes may take to end after SIGTERM."""
Item = TypeVar("Item")


@dataclass
class Worker:
    """One of the processes, and the file that its errors go to."""

    index: int
    process: subprocess.Popen[bytes]
    errors: IO[bytes] | None

    @property
    def ended_badly(self) -> bool:
        """Whether the process has ended without finishing its work."""
        return self.process.poll() not in (None, 0)

    def last_line(self) -> str:
        """Return the last line that it wrote to its stderr; nothing for the chief, whose lines the user has seen."""
        if self.errors is None:
            return ""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        return (errors or lines or [""])[-1].removeprefix("error: ").strip()


class Lifeline(NamedTuple):
    """A pipe that nobody writes to. Its readers see its end, and stop, when this process has ended in whatever way."""

    reader: int
    writer: int

    def close(self) -> None:
        """Close both ends."""
        os.close(self.reader)
        os.close(self.writer)


@contextmanager
def start_workers(arguments: Sequence[str], *, workers: int, device: str) -> Iterator[list[Worker]]:
    """Start the processes, and end all of them when the block ends.

    Args:
        arguments: The arguments of `dlrun`.
        workers: Number of processes.
        device: The spec's `training.device`.
    """
    addresses = _free_addresses(workers)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    gpus = [] if device == "cpu" else visible_gpus()
    crew: list[Worker] = []
    with ExitStack() as stack:
        lifeline = Lifeline(*os.pipe())
        stack.callback(lifeline.close)
        stack.callback(lambda: end(crew, seconds=0))
        try:
            for index in range(workers):
                task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
                environment = python_environment({"TF_CONFIG": json.dumps(task), LAUNCHED: "1"})
                if gpus:
                    environment["CUDA_VISIBLE_DEVICES"] = ",".join(_share(gpus, index, workers))
                if cores:
                    os.sched_setaffinity(0, _share(cores, index, workers))  # the process inherits it
                errors = None if index == 0 else stack.enter_context(tempfile.TemporaryFile())
                crew.append(Worker(index, _start(arguments, environment, errors, lifeline), errors))
        finally:
            if cores:
                os.sched_setaffinity(0, cores)
        yield crew


def _start(
    arguments: Sequence[str], environment: Mapping[str, str], errors: IO[bytes] | None, lifeline: Lifeline
) -> subprocess.Popen[bytes]:
    quiet = errors is not None
    return subprocess.Popen(  # noqa: S603  dlrun itself, without a shell
        python_command("-m", "dlrun", *arguments),
        env=environment,
        stdin=lifeline.reader,  # a new process inherits this end alone
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=errors,
        start_new_session=True,  # Ctrl-C reaches this process alone, which sends it on
    )


def _share(items: list[Item], index: int, workers: int) -> list[Item]:
    """Return the contiguous part of `items` for one worker; where there are too few, one that another has, too."""
    part = items[index * len(items) // workers : (index + 1) * len(items) // workers]
    return part or [items[index % len(items)]]


@contextmanager
def forward_signals(crew: list[Worker]) -> Iterator[None]:
    """Send the signals that reach this process inside the block on to each worker: one stops it, two kill."""

    def forward(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  as the signal module calls it
        for worker in crew:
            with suppress(ProcessLookupError):
                worker.process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in handled_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def failed_worker(crew: Sequence[Worker]) -> Worker | None:
    """Return the worker whose failure ended the others, or None if none has ended badly."""
    # Several may have ended since the last look. A worker that misses another ends with an error, but only the one that
    # was killed by a signal is the cause.
    ended = [worker for worker in crew if worker.ended_badly]
    return min(ended, key=lambda worker: worker.process.returncode >= 0, default=None)


def end(crew: list[Worker], *, seconds: float) -> None:
    """Wait for the processes to end by themselves; then send SIGTERM, and at last SIGKILL."""
    for number, patience in ((None, seconds), (signal.SIGTERM, _KILL_SECONDS), (signal.SIGKILL, None)):
        alive = [worker.process for worker in crew if worker.process.poll() is None]
        deadline = None if patience is None else time.monotonic() + patience
        for process in alive:
            if number is not None:
                process.send_signal(number)
        for process in alive:
            with suppress(subprocess.TimeoutExpired):
                process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))


def _free_addresses(count: int) -> list[str]:
    """Return free addresses of this machine."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def signal_name(number: int) -> str:
    """Return the name of a signal for people: `signal 9 (SIGKILL)`."""
    with suppress(ValueError):
        return f"signal {number} ({signal.Signals(number).name})"
    return f"signal {number}"
