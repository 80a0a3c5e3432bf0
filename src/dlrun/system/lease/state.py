"""The state of a lease, written as the name of the one file in its folder.

    00000003.free                                           nobody has it; three had it before
    00000004.17.held.120.<nonce>.<boot>.<namespace>.<process>.<started>.<host>

A rename changes such a state only if it still is what it was: a name that is gone cannot be renamed. The file is empty,
so there is no content that could be old or incomplete.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dlrun.errors import UsageError
from dlrun.system.lease.process import ProcessIdentity, this_process

LEASE_VARIABLE = "DLRUN_LEASE_SECONDS"
LEASE_SECONDS = 120.0
_SHORTEST, _LONGEST = 0.1, 86_400.0

_FREE = re.compile(r"([0-9]{8,10})\.free")
_HELD = re.compile(
    r"(?P<token>[0-9]{8,10})\.(?P<beat>[0-9]{1,12})\.held\.(?P<seconds>[0-9]{1,8})ms\.(?P<nonce>[0-9a-f]{16})"
    r"\.(?P<boot>[0-9a-f]{16})\.(?P<namespace>[0-9]{1,20})\.(?P<number>[1-9][0-9]{0,9})\.(?P<started>[0-9]{1,20})"
    r"\.(?P<host>[A-Za-z0-9.-]{1,64})"
)


@dataclass(frozen=True)
class LeaseState:
    """A state.

    Args:
        token: Which holding this is, counted from 1: each holder has a larger one than all before it.
        owner: The process that has the lease; None if it is free.
        nonce: Tells this holding from every other one, also of the same process.
        beat: How often it was renewed.
        milliseconds: How long it must be seen without a renewal before another machine may take it over.
    """

    token: int
    owner: ProcessIdentity | None = None
    nonce: str = ""
    beat: int = 0
    milliseconds: int = 0

    @property
    def name(self) -> str:
        """The name of the file for this state."""
        if self.owner is None:
            return f"{self.token:08d}.free"
        head = f"{self.token:08d}.{self.beat}.held.{self.milliseconds}ms.{self.nonce}"
        owner = self.owner
        return f"{head}.{owner.boot}.{owner.namespace}.{owner.number}.{owner.started}.{owner.host}"

    @property
    def seconds(self) -> float:
        """The time of the lease in seconds."""
        return self.milliseconds / 1000

    def renewed(self) -> LeaseState:
        """Return the state after one more renewal."""
        return replace(self, beat=self.beat + 1)

    def freed(self) -> LeaseState:
        """Return the state after the holder has given the lease back."""
        return LeaseState(self.token)


def first_state(before: LeaseState | None, *, owner: ProcessIdentity | None = None) -> LeaseState:
    """Return the state in which a process takes a lease.

    Args:
        before: The state before; None if nobody has had the lease.
        owner: The process; None for this one.

    Raises:
        UsageError: `DLRUN_LEASE_SECONDS` is not a number of seconds.
    """
    token = 1 if before is None else before.token + 1
    return LeaseState(token, owner or this_process(), secrets.token_hex(8), 0, round(lease_seconds() * 1000))


def lease_seconds() -> float:
    """Return how long a lease must be seen without a renewal: `DLRUN_LEASE_SECONDS`, or two minutes.

    Raises:
        UsageError: The variable is not a number of seconds.
    """
    text = os.environ.get(LEASE_VARIABLE, "").strip()
    if not text:
        return LEASE_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _SHORTEST <= seconds <= _LONGEST:
        raise UsageError(
            f"the environment variable {LEASE_VARIABLE} is {text!r}",
            expected=f"a number of seconds from {_SHORTEST:g} to {_LONGEST:,.0f}; usually {LEASE_SECONDS:g}",
        )
    return seconds


def newest_state(names: Iterable[str]) -> LeaseState | None:
    """Return the state that the names in a folder stand for; None if there is none.

    A folder that is read during a rename may show the old and the new name: the later one counts.
    """
    states = [state for name in names if (state := _parse(name)) is not None]
    return max(states, key=lambda state: (state.token, state.owner is None, state.beat), default=None)


def _parse(name: str) -> LeaseState | None:
    if free := _FREE.fullmatch(name):
        return LeaseState(int(free[1]))
    if (held := _HELD.fullmatch(name)) is None:
        return None
    owner = ProcessIdentity(held["host"], held["boot"], held["namespace"], int(held["number"]), int(held["started"]))
    return LeaseState(int(held["token"]), owner, held["nonce"], int(held["beat"]), int(held["seconds"]))
