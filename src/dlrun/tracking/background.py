"""Jobs in, done one after the other in a thread of their own; the first that fails ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]


class Background:
    """Does jobs behind the back of a training, which never waits for them.

    The thread ends with the program, whatever it is waiting for.

    Args:
        name: Of the thread, for whoever looks at a process.
    """

    def __init__(self, name: str) -> None:
        self.failure: Exception | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done = 0
        self._is_given_up = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Have a job done after those before it."""
        self._jobs.put(job)

    def finish(self, seconds: float) -> bool:
        """Wait until all is done.

        Args:
            seconds: How long one job may take; the rest is not begun any more.

        Returns:
            Whether nothing is left; it may have failed.
        """
        self._jobs.put(None)
        seen = -1
        try:
            while self._thread.is_alive() and seen != self._done:
                seen = self._done
                self._thread.join(seconds)
        finally:
            self._is_given_up = True
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._is_given_up:
            try:
                job()
            except Exception as error:  # noqa: BLE001  whatever another program's library raises is told, and ends this
                self.failure = error
                return
            self._done += 1
