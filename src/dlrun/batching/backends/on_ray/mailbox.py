"""The mailbox between the driver and the runs: an actor beside the driver. Runs put messages in, and find signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MOST_MESSAGES = 10_000
"""So many messages wait for a driver that does not take them; the oldest go first, since they are only progress."""


class Mailbox:
    """What lies between the driver and its runs. It may be lost and made anew: the end of a run does not pass here."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._signals: tuple[int, ...] = ()

    def exchange(self, messages: Sequence[dict[str, Any]]) -> tuple[int, ...]:
        """Put messages of a run in, and return all signals so far; called by the runs.

        Args:
            messages: The messages.
        """
        self._messages = [*self._messages, *messages][-MOST_MESSAGES:]
        return self._signals

    def take(self, signals: tuple[int, ...]) -> list[dict[str, Any]]:
        """Leave the signals for all runs, and return the messages since the last time; called by the driver.

        Args:
            signals: All signals so far.
        """
        self._signals = signals
        taken, self._messages = self._messages, []
        return taken
