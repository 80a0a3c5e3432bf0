"""Reasons to end a training before its full length: a signal from outside, or the time it was given."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from dlrun.errors import DlrunError
from dlrun.training.devices.cluster import LAUNCHED

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_PRESS_SECONDS = 0.5
"""Signals this near to each other are one: a terminal sends Ctrl-C to every process, and so does a launcher."""
_KILL_SECONDS = 120.0
"""How long a process that has lost its launcher may take to stop in good order."""


def handled_signals() -> tuple[signal.Signals, ...]:
    """The signals that stop dlrun: SIGHUP, which a terminal sends when it is closed, is left ignored under nohup."""
    return tuple(each for each in SIGNALS if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN)


def stop_with(pipe: int, *, kill_seconds: float | None = None) -> None:
    """Stop this process, as SIGTERM does, when whoever holds the other end of a pipe has ended, however it did.

    Args:
        pipe: The end that is read.
        kill_seconds: How long it may take to stop; None: for ever.
    """

    def watch() -> None:
        poll = select.poll()
        poll.register(pipe, 0)  # asks for nothing but the end, which comes unasked
        poll.poll()
        os.kill(os.getpid(), signal.SIGTERM)
        if kill_seconds is not None:
            time.sleep(kill_seconds)
            os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


class Stop:
    """Hears SIGINT (Ctrl-C), SIGTERM and SIGHUP, and keeps the time.

    The first signal is remembered while the training loop runs, which asks for it after every call; anywhere else it
    raises KeyboardInterrupt at once. One that follows at once is the same. The next ends the process: everything that
    has to survive is on the disk already.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.leave: Callable[[], object] = _nothing
        """Called before the process ends without another word."""
        self._heard_at = 0.0
        self._deferred = False
        self._deadline = float("inf")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals inside; only Python's main thread may, elsewhere nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._heard) for number in handled_signals()}
        if os.environ.get(LAUNCHED):
            stop_with(0, kill_seconds=_KILL_SECONDS)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self, *, max_seconds: float | None) -> Iterator[None]:
        """Inside, remember the first signal instead of raising.

        Args:
            max_seconds: Time until `is_late`; None: for ever.
        """
        self._deferred = True
        if max_seconds is not None:
            self._deadline = time.monotonic() + max_seconds
        try:
            yield
        finally:
            self._deferred = False
            self._deadline = float("inf")

    @contextmanager
    def recognised(self) -> Iterator[None]:
        """Inside, an error that a signal has led to is KeyboardInterrupt again.

        TensorFlow's native code, interrupted while it traces, raises a SystemError that says nothing of it, and a C
        extension whose import is interrupted an ImportError.
        """
        try:
            yield
        except DlrunError:
            raise
        except Exception as error:
            if self.signal is None:
                raise
            raise KeyboardInterrupt(self.signal) from error

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._deadline

    def _heard(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  as the signal module calls it
        if self.signal is not None:
            if time.monotonic() - self._heard_at < _ONE_PRESS_SECONDS:
                return
            leave, self.leave = self.leave, _nothing  # once: a third signal does not wait for a disk that hangs
            leave()
            os._exit(128 + number)
        self.signal, self._heard_at = number, time.monotonic()
        if not self._deferred:
            raise KeyboardInterrupt(number)


def _nothing() -> None:
    pass
