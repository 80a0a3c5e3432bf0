"""How many steps one call takes, and what the calls and the waiting between them took."""

from __future__ import annotations

SECONDS_PER_CALL = 0.5
"""How long one call of K steps is to take: the display moves twice a second, and a stop is heard as soon."""

_SECOND_CALL = 8


class Pace:
    """Chooses the number of steps in a call, from what the calls before it took."""

    def __init__(self) -> None:
        self.steps = 1
        self.traced = False
        self.train_seconds = self.wait_seconds = 0.0

    @property
    def data_wait(self) -> float:
        """Part of the training time that was spent waiting for data, from 0 to 1."""
        return self.wait_seconds / self.train_seconds if self.train_seconds else 0.0

    def called(self, steps: int, seconds: float) -> None:
        """Learn what a call took; the very first, which traces, tells nothing.

        A call cut short by the end of its stretch, or of one smaller batch, tells little: it never lowers the number.
        """
        if not self.traced:
            self.steps, self.traced = _SECOND_CALL, True
            return
        fitting = max(1, min(int(SECONDS_PER_CALL * steps / seconds), 4 * steps))
        if steps >= self.steps or fitting > self.steps:
            self.steps = fitting
