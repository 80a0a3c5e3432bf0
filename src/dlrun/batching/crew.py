"""The batch's side of the process that forks its runs: started, asked, listened to, and ended with all of them."""

from __future__ import annotations

import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from dlrun.batching.messages import Lines, Request
from dlrun.errors import RunError
from dlrun.system.interpreter import answer_pipe, python_command, python_environment

_MODULE = "dlrun.cli.batch.worker"
_GRACE_SECONDS = 30.0
"""How long runs may take to stop when the batch ends early."""


class Crew:
    """The process that imports TensorFlow once, and the runs that it forks.

    Args:
        process: Of `batching/server.py`.
        messages: The pipe through which it and the runs answer.
        errors: Where what it says goes.
    """

    def __init__(self, process: subprocess.Popen[bytes], *, messages: int, errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors
        if process.stdin is None:
            raise ValueError("the process needs a pipe for requests")
        self._requests, self._messages = process.stdin, messages
        self._lines = Lines(messages)

    def start(self, request: Request) -> None:
        """Ask for a run; what becomes of it comes as messages."""
        self._send(request.line())

    def signal(self, number: int) -> None:
        """Send a signal to every run."""
        self._send(b'{"signal": %d}\n' % number)

    def messages(self, *, seconds: float) -> list[dict[str, Any]]:
        """What has been said, after waiting for so long at the most.

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
            hint="the same command goes on with the batch; dlrun doctor checks the installation",
        )

    def close(self) -> None:
        """Tell all of them that the batch has ended, and wait until they have."""
        with suppress(OSError):
            self._requests.close()
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._lines.is_open and (left := deadline - time.monotonic()) > 0:
            if select.select([self._messages], [], [], left)[0]:
                self._lines.read()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)

    def _send(self, line: bytes) -> None:
        with suppress(OSError):  # it has ended: `messages` tells that
            self._requests.write(line)
            self._requests.flush()

    def _last_line(self) -> str:
        self._errors.seek(0)
        return (self._errors.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


@contextmanager
def crew_started() -> Iterator[Crew]:
    """Start the process; when this is left, none of its runs goes on."""
    with tempfile.TemporaryFile() as errors, answer_pipe() as answer:
        process = subprocess.Popen(  # noqa: S603  dlrun itself, without a shell
            python_command("-m", _MODULE, answer.argument),
            env=python_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # what libraries print is no message
            stderr=errors,
            pass_fds=answer.inherited,
            start_new_session=True,  # a Ctrl-C comes to the batch alone, which passes it on
        )
        crew = Crew(process, messages=answer.handed_over(), errors=errors)
        try:
            yield crew
        finally:
            crew.close()
