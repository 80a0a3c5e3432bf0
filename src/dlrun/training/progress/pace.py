"""Choose how many steps one call of the graph runs, and add up the times of calls and of waiting between them."""

from __future__ import annotations

SECONDS_PER_CALL = 0.5
"""The intended duration of one call: the display is updated, and a stop noticed, twice a second."""

_SECOND_CALL = 8


class Pace:
    """Chooses the number of steps in a call from the duration of earlier calls."""

    def __init__(self) -> None:
        self.steps = 1
        self.traced = False
        self.train_seconds = self.wait_seconds = 0.0

    @property
    def data_wait(self) -> float:
        """The fraction of the training time spent waiting for data, from 0 to 1."""
        return self.wait_seconds / self.train_seconds if self.train_seconds else 0.0

    def record_call(self, steps: int, seconds: float) -> None:
        """Take the duration of a call into account.

        Args:
            steps: The number of steps in the call.
            seconds: Its duration.
        """
        if not self.traced:
            # The first call also traces the graph, so its duration says nothing about a step.
            self.steps, self.traced = _SECOND_CALL, True
            return
        # A call that the end of its range or a smaller last batch cut short is a poor measurement: it may raise the
        # number, but never lower it.
        fitting = max(1, min(int(SECONDS_PER_CALL * steps / seconds), 4 * steps))
        if steps >= self.steps or fitting > self.steps:
            self.steps = fitting
