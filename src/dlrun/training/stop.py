"""Reasons to end a training before its full length: a signal from outside, or the time it was given."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dlrun.errors import DlrunError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Hears SIGINT (Ctrl-C) and SIGTERM, and keeps the time.

    The first signal is remembered while the training loop runs, which asks for it after every call; anywhere else it
    raises KeyboardInterrupt at once. The second ends the process without another word: everything that has to survive
    is on the disk already.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._deferred = False
        self._deadline = float("inf")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals inside; only Python's main thread may, elsewhere nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._heard) for number in SIGNALS}
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
            os._exit(128 + number)
        self.signal = number
        if not self._deferred:
            raise KeyboardInterrupt(number)
