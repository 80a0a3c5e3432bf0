"""For how long has a lease of another machine been seen without a renewal?

Clocks of two machines are never compared. What counts is how long this process, by its own clock, has seen the state of
the lease unchanged: a living holder changes it many times in that time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dlrun.system.lease.state import LeaseState

_MOST = 4096


class Watch:
    """Remembers since when each lease has been in the state that it is in.

    Args:
        clock: Returns seconds of a clock that is never set.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[str, float]] = {}

    def has_expired(self, place: str, state: LeaseState) -> bool:
        """Note the state of a lease, and return whether it has been the same for the whole time of the lease.

        Args:
            place: Identifies the lease.
            state: Its state, as just read.
        """
        now, name = self._clock(), state.name
        known = self._seen.get(place)
        if known is None or known[0] != name:
            if len(self._seen) >= _MOST:  # a process that looks at thousands of runs, none of them for long
                self._seen.clear()
            self._seen[place] = (name, now)
            return False
        return now - known[1] >= state.seconds

    def forget(self, place: str) -> None:
        """Forget a lease that this process has taken."""
        self._seen.pop(place, None)


watch = Watch()
"""What this process has seen."""
