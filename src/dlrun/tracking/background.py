"""Execute jobs in order in a background thread, until one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]


class Background:
    """A background thread that executes jobs, so that training never waits for them.

    It is a daemon thread: it ends with the program even while it waits for a server.

    Args:
        name: Name of the thread, for debuggers.
    """

    def __init__(self, name: str) -> None:
        self.failure: Exception | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done = 0
        self._is_given_up = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Queue a job."""
        self._jobs.put(job)

    def finish(self, seconds: float) -> bool:
        """Wait until all jobs are done.

        Args:
            seconds: Maximum duration of a job in seconds. When it is exceeded, the remaining jobs are dropped.

        Returns:
            Whether the thread has ended, because all jobs are done or one failed.
        """
        self._jobs.put(None)
        seen = -1
        try:
            # Wait as long as jobs finish; give up only if none finished for `seconds`.
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
            except Exception as error:  # noqa: BLE001  the library of a tracker may raise anything; it is reported and ends tracking
                self.failure = error
                return
            self._done += 1
