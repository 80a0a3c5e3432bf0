"""What a worker process of Ray does for a run: it has a child that imports TensorFlow once and forks the runs.

The worker itself never imports TensorFlow, and no run trains in it. So a run that crashes, leaks or is killed for its
memory takes nothing with it that the next run needs. If the worker ends for any reason (Ray kills it, its node or the
driver is gone), its child notices, and the run stops at its next step with a checkpoint, as after SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dlrun.batching.backends.backend import ANY_GPU
from dlrun.batching.backends.local import LocalCrew, crew_started
from dlrun.batching.messages import Request
from dlrun.errors import RunError

_LOOK_SECONDS = 0.05
_EXCHANGE_SECONDS = 0.25
_SILENT_SECONDS = 1.0
"""How often to look for signals at least."""


@dataclass(frozen=True)
class Task:
    """A run for a worker.

    Args:
        line: The request.
        attempt: Distinguishes the tasks of one run.
        folder: The working directory; None for the one that Ray has prepared.
        environment: Variables for the run.
    """

    line: bytes
    attempt: int
    folder: str | None
    environment: tuple[tuple[str, str], ...]


@dataclass
class Link:
    """The connection of a run to the mailbox of its driver.

    Args:
        exchange: Puts messages into the mailbox, and returns a promise of the signals.
        wait: Returns the signals of a promise, or None if they are not there within some seconds.
        attempt: Distinguishes the tasks of one run.
    """

    exchange: Callable[[list[dict[str, Any]]], Any]
    wait: Callable[[Any, float], Sequence[int] | None]
    attempt: int
    _promise: Any = None
    _sent_at: float = 0.0
    _passed: int = 0

    def __post_init__(self) -> None:
        self._messages: list[dict[str, Any]] = []

    def say(self, message: Mapping[str, Any]) -> None:
        """Keep a message for the next exchange."""
        self._messages.append({**message, "attempt": self.attempt})

    def signals(self, *, seconds: float = 0.0) -> list[int]:
        """Send what was said, and return the signals that have arrived since the last time.

        Args:
            seconds: How long to wait for an answer.
        """
        now = time.monotonic()
        if self._promise is None and now - self._sent_at > (_EXCHANGE_SECONDS if self._messages else _SILENT_SECONDS):
            self._promise, self._messages, self._sent_at = self.exchange(self._messages), [], now
        if self._promise is None or (all_signals := self.wait(self._promise, seconds)) is None:
            return []
        self._promise = None
        new = list(all_signals[self._passed :])
        self._passed = max(self._passed, len(all_signals))
        return new


def train_task(task: Task, mailbox: Any) -> list[dict[str, Any]]:
    """Train a run; called on a node, by Ray.

    Args:
        task: The run.
        mailbox: The handle of the driver's mailbox.

    Returns:
        The messages that must not be lost: that it has a folder, how it ended, and that it is gone.
    """
    import ray

    def wait(promise: Any, seconds: float) -> Sequence[int] | None:
        try:
            return ray.get(promise, timeout=seconds) if ray.wait([promise], timeout=seconds)[0] else None
        except ray.exceptions.RayError:  # the mailbox was lost with its node, and comes back elsewhere
            return ()

    link = Link(mailbox.exchange.remote, wait, task.attempt)
    request = Request.read(json.loads(task.line))
    if request.gpu == ANY_GPU:
        gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
        request = replace(request, gpu=",".join(gpus))
    else:
        request = replace(request, gpu="")  # a run that was given no GPU must not see any
    if link.signals(seconds=1.0):
        return ended(request, "interrupted")
    try:
        kept = follow(_worker.crew(task), request, link)
        reason = unstarted(kept)
    except (RunError, OSError) as error:
        _worker.forget()
        reason = (error.what if isinstance(error, RunError) else str(error)) or type(error).__name__
    if not reason:
        return kept
    # What starts the runs is broken here, as on a node without space; it may work on another one.
    node = ray.get_runtime_context().get_node_id()
    return ended(request, "lost", reason=f"{socket.gethostname()}: {reason}", node=node, code=1)


def follow(crew: LocalCrew, request: Request, link: Link) -> list[dict[str, Any]]:
    """Have a run trained, pass its messages on and signals to it, until it is gone.

    Args:
        crew: Trains it.
        request: The run.
        link: The connection to the driver.

    Returns:
        The messages that must not be lost.

    Raises:
        RunError: The process that starts the runs has ended.
    """
    crew.start(request)
    kept: list[dict[str, Any]] = []
    while True:
        try:
            for message in crew.messages(seconds=_LOOK_SECONDS):
                if message["event"] in ("run", "ended", "gone"):
                    kept.append({**message, "attempt": link.attempt})
                if message["event"] == "gone":
                    return kept
                if message["event"] != "ended":
                    link.say(message)
            for number in link.signals():
                crew.signal(number)
        except KeyboardInterrupt:  # Ray has cancelled the task
            crew.signal(signal.SIGTERM)


def unstarted(kept: Sequence[Mapping[str, Any]]) -> str:
    """Return why a run had no chance to begin, and to say so itself; empty if it had.

    Args:
        kept: Its last messages.
    """
    code = kept[-1]["code"]
    return f"a run could not be started (exit code {code})" if len(kept) == 1 and code > 0 else ""


def ended(request: Request, how: str, *, code: int = 0, **content: Any) -> list[dict[str, Any]]:
    """Return the messages about a run that has no process, or none any more."""
    about = {"number": request.number}
    return [{**about, "event": "ended", "how": how, **content}, {**about, "event": "gone", "code": code}]


class _Worker:
    """The one child of this worker process, started with its first run."""

    def __init__(self) -> None:
        self._context: Any = None
        self._crew: LocalCrew | None = None

    def crew(self, task: Task) -> LocalCrew:
        if self._crew is None:
            if task.folder is not None:
                os.chdir(task.folder)
            # Ray sets it to the CPUs of the task; a run has the threads that it would have alone.
            os.environ.pop("OMP_NUM_THREADS", None)
            Path.cwd()  # an error here is clearer than one of the child
            self._context = crew_started(dict(task.environment))
            self._crew = self._context.__enter__()
        return self._crew

    def forget(self) -> None:
        context, self._context, self._crew = self._context, None, None
        if context is not None:
            with suppress(OSError, RunError):
                context.__exit__(None, None, None)


_worker = _Worker()
