"""Train runs on this machine: the process that imports TensorFlow once and forks them."""

from __future__ import annotations

import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from dlrun.batching.backends.backend import LOCAL, BackendRequest, Placement
from dlrun.batching.backends.slots import LocalSlots, check_jobs, make_slots
from dlrun.batching.messages import Lines, Request
from dlrun.errors import RunError, UsageError
from dlrun.system.interpreter import answer_pipe, python_command, python_environment

_MODULE = "dlrun.cli.batch.worker"
_GRACE_SECONDS = 30.0
"""How long runs may take to stop if the batch ends early."""


class LocalCrew:
    """The process that imports TensorFlow once, and the runs that it forks.

    Args:
        process: The process of `batching/server.py`.
        messages: The pipe for the messages of that process and of the runs.
        errors: The file for its standard error output.
    """

    def __init__(self, process: subprocess.Popen[bytes], *, messages: int, errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors
        if process.stdin is None:
            raise ValueError("the process needs a pipe for requests")
        self._requests, self._messages = process.stdin, messages
        self._lines = Lines(messages)

    def start(self, request: Request) -> None:
        """Request a run; its progress and its end arrive as messages."""
        self._send(request.line())

    def signal(self, number: int) -> None:
        """Send a signal to every run."""
        self._send(b'{"signal": %d}\n' % number)

    def messages(self, *, seconds: float) -> list[dict[str, Any]]:
        """Return the messages that arrive within some time.

        Args:
            seconds: How long to wait for a message.

        Raises:
            RunError: The process has ended.
        """
        if select.select([self._messages], [], [], seconds)[0]:
            found = self._lines.read()
            if self._lines.is_open:
                return found
        elif self._process.poll() is None:
            return []
        code = self._process.wait()
        raise RunError(
            f"the process that starts the runs ended with {code}: {self._last_line()}",
            hint="run the same command again to continue the batch; dlrun doctor checks the installation",
        )

    def close(self) -> None:
        """Let the process and its runs know that the batch has ended, and wait for them to end."""
        with suppress(OSError):
            # Closing stdin is the request to stop: it also works if this process is killed and never gets here.
            self._requests.close()
        deadline = time.monotonic() + _GRACE_SECONDS
        # The messages are read although nobody needs them: a run that writes to a full pipe would never end.
        while self._lines.is_open and (left := deadline - time.monotonic()) > 0:
            if select.select([self._messages], [], [], left)[0]:
                self._lines.read()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)

    def _send(self, line: bytes) -> None:
        with suppress(OSError):  # if the process has ended, `messages` reports it
            self._requests.write(line)
            self._requests.flush()

    def _last_line(self) -> str:
        self._errors.seek(0)
        return (self._errors.read().decode(errors="replace").strip().splitlines() or ["it printed nothing"])[-1]


@contextmanager
def crew_started(environment: Mapping[str, str] | None = None) -> Iterator[LocalCrew]:
    """Start the process; after the block neither it nor any of its runs is alive.

    Args:
        environment: Additional variables for it.
    """
    with tempfile.TemporaryFile() as errors, answer_pipe() as answer:
        process = subprocess.Popen(  # noqa: S603  dlrun itself, without a shell
            python_command("-m", _MODULE, answer.argument),
            env=python_environment(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # libraries may print there; messages have a pipe of their own
            stderr=errors,
            pass_fds=answer.inherited,
            start_new_session=True,  # so that Ctrl-C reaches only the batch, which passes it on
        )
        crew = LocalCrew(process, messages=answer.handed_over(), errors=errors)
        try:
            yield crew
        finally:
            crew.close()


@dataclass(frozen=True)
class LocalBackend:
    """This machine.

    Args:
        slots: Its slots.
    """

    slots: LocalSlots

    def __str__(self) -> str:
        """Return its name."""
        return LOCAL.on

    def crew(self) -> AbstractContextManager[LocalCrew]:
        """Start the process that forks the runs."""
        return crew_started()


def check_local(placement: Placement, *, jobs: int | None) -> None:
    """Refuse options that mean nothing on this machine.

    Args:
        placement: Where to train, and what each run needs.
        jobs: How many runs train at a time.

    Raises:
        UsageError: There is such an option, or the number is out of range.
    """
    check_jobs(jobs)
    for option, value in (("--gpus-per-run", placement.gpus_per_run), ("--cpus-per-run", placement.cpus_per_run)):
        if value is not None:
            raise UsageError(
                f"{option} is {value:g}, but the runs train on this machine, where each sees all cores",
                expected="--jobs N to choose how many runs share the machine, or --on with a cluster",
            )


@contextmanager
def open_local(request: BackendRequest) -> Iterator[LocalBackend]:
    """Provide this machine, without starting anything yet."""
    yield LocalBackend(make_slots(request.specs, jobs=request.jobs))
