"""For how long has a lease of another machine been seen without a renewal?

Clocks of two machines are never compared. What counts is how long this process, by its own clock, has seen the state of
the lease unchanged: a living holder changes it many times in that time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dlrun.system.lease.state import LeaseState

_MOST = 4096


@dataclass(frozen=True)
class _Seen:
    """A state, since when it is seen, and whether its holder renewed it before the eyes of this process."""

    state: LeaseState
    since: float
    is_renewed: bool


class Watch:
    """Remembers since when each lease has been in the state that it is in.

    Args:
        clock: Returns seconds of a clock that is never set.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def has_expired(self, place: str, state: LeaseState) -> bool:
        """Note the state of a lease, and return whether it has been the same for the whole time of the lease.

        Args:
            place: Identifies the lease.
            state: Its state, as just read.
        """
        now, known = self._clock(), self._seen.get(place)
        if known is None or known.state != state:
            if len(self._seen) >= _MOST:  # a process that looks at thousands of runs, none of them for long
                self._seen.clear()
            is_renewed = known is not None and known.state.nonce == state.nonce
            self._seen[place] = _Seen(state, now, is_renewed=is_renewed)
            return False
        return now - known.since >= state.seconds

    def was_renewed(self, place: str) -> bool:
        """Return whether the state of a lease that was noted last was a renewal of the one before: its holder lived."""
        known = self._seen.get(place)
        return known is not None and known.is_renewed

    def forget(self, place: str) -> None:
        """Forget a lease that this process has taken."""
        self._seen.pop(place, None)


watch = Watch()
"""What this process has seen."""
