"""Stop a training before its full length: after a signal, when its time is up, or at an epoch where it pauses."""

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
"""Signals closer together than this count as one: both the terminal and a launcher send Ctrl-C to every process."""
_KILL_SECONDS = 120.0
"""How long a process may take to stop in an orderly way after its launcher has ended."""


def handled_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that stop dlrun. SIGHUP, which a closing terminal sends, is ignored under nohup."""
    return tuple(each for each in SIGNALS if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN)


def stop_with(pipe: int, *, kill_seconds: float | None = None) -> None:
    """Stop this process, as SIGTERM does, when the process at the other end of a pipe ends for whatever reason.

    Args:
        pipe: The file descriptor of the reading end.
        kill_seconds: How long stopping may take before the process is killed; None for any time.
    """

    def watch() -> None:
        poll = select.poll()
        poll.register(pipe, 0)  # no events: poll always reports that the other end has closed
        poll.poll()
        os.kill(os.getpid(), signal.SIGTERM)
        if kill_seconds is not None:
            time.sleep(kill_seconds)
            os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


class Stop:
    """Handles SIGINT (Ctrl-C), SIGTERM and SIGHUP, and knows the time limit and the epoch to pause after.

    While the training loop runs, the first signal is only remembered, and the loop checks for it after every call.
    Anywhere else it raises KeyboardInterrupt at once. A second signal within half a second counts as the same one. The
    next one after that ends the process immediately, which is safe: everything that has to survive is on the disk.

    Args:
        pause_after: The epoch, from 1, at whose end the training pauses; None for no pause.
    """

    def __init__(self, *, pause_after: int | None = None) -> None:
        self.signal: int | None = None
        self.leave: Callable[[], object] = _nothing
        """Called just before a further signal ends the process."""
        self._heard_at = 0.0
        self._deferred = False
        self._deadline = float("inf")
        self._pause_after = float("inf") if pause_after is None else pause_after

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals inside the block; outside the main thread, where Python forbids this, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._heard) for number in handled_signals()}
        if os.environ.get(LAUNCHED):
            # The launcher holds the other end of the standard input, which closes when the launcher ends.
            stop_with(0, kill_seconds=_KILL_SECONDS)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self, *, max_seconds: float | None) -> Iterator[None]:
        """Remember the first signal inside the block, instead of raising KeyboardInterrupt.

        Args:
            max_seconds: The time until `is_late`; None for no limit.
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
        """Raise KeyboardInterrupt inside the block for errors that are the consequence of a signal.

        When a signal interrupts TensorFlow's native code while it traces, it raises a SystemError that does not mention
        the signal; when a signal interrupts the import of a C extension, Python raises an ImportError.
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

    def pauses(self, epoch: int) -> bool:
        """Return whether the training pauses once so many epochs are complete."""
        return epoch >= self._pause_after

    def _heard(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signal module passes it
        if self.signal is not None:
            if time.monotonic() - self._heard_at < _ONE_PRESS_SECONDS:
                return
            leave, self.leave = self.leave, _nothing  # only once: a third signal must not wait for a hanging disk
            leave()
            os._exit(128 + number)
        self.signal, self._heard_at = number, time.monotonic()
        if not self._deferred:
            raise KeyboardInterrupt(number)


def _nothing() -> None:
    pass
