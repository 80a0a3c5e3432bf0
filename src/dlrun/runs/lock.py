"""Allow one writer per run, among all processes on all machines that see its folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import RunError
from dlrun.system.disk import explained
from dlrun.system.lease.earlier import earlier_holder, remove_earlier_lock
from dlrun.system.lease.fence import fenced
from dlrun.system.lease.lease import Lease, read_lease, take_lease
from dlrun.system.lease.process import this_process
from dlrun.system.lease.state import LeaseState
from dlrun.system.lease.watch import watch

_LOOKS_PER_LEASE, _LONGEST_PAUSE_SECONDS = 60, 1.0


@dataclass(frozen=True)
class Holder:
    """The process that holds a run.

    Args:
        process: Its process id; 0 if it is unknown.
        host: The machine that it runs on, if this process cannot see it; empty for a process of this machine.
    """

    process: int
    host: str = ""

    def __str__(self) -> str:
        """Return `process 123`, with the machine if it is another one."""
        return f"process {self.process}" + (f" on {self.host}" if self.host else "")

    @property
    def hint(self) -> str:
        """What to do about it."""
        if self.host:
            return f"wait until that process ends, or stop it on {self.host}; if the machine is gone, try again later"
        return "wait until that process ends, or stop it"


_listener: ContextVar[Callable[[str], None] | None] = ContextVar("waiting", default=None)


@contextlib.contextmanager
def reporting_waits(listener: Callable[[str], None]) -> Iterator[None]:
    """Call a function with a sentence when something inside the block waits for another machine.

    Args:
        listener: The function.
    """
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


@contextlib.contextmanager
def locked(path: Path, *, what: str = "") -> Iterator[Lease]:
    """Hold the folder around the lock `path` inside the block; create the lock if it is missing.

    Of a process on another machine nobody can tell at once whether it still lives. Its lease is then watched: it is
    renewed within seconds, or taken over after its time.

    A child process that was forked inside the block may write while this process holds the lock, but it neither renews
    nor releases it.

    Args:
        path: The lock, a folder; see `system/lease/lease.py`.
        what: What it is about, for errors; `the run x` for a lock in the folder x if it is empty.

    Yields:
        The lease.

    Raises:
        RunError: Another process holds the lock; the error names it.
        TakenOverError: Another machine took the lock over while this process was paused.
    """
    what = what or f"the run {path.parent.name}"
    with explained(f"lock {path.parent}"):
        found = _take(path, what=what)
    if isinstance(found, Holder):
        raise RunError(f"{what} is held by {found}", expected="one writer at a time", hint=found.hint)
    try:
        with fenced(path.parent, found):
            yield found
    except (RunError, OSError):
        # A takeover may have caused it: the next holder clears the half-written files of this process.
        with contextlib.suppress(OSError):
            found.confirm()
        raise
    finally:
        found.release()


def holder(path: Path) -> Holder | None:
    """Return the process that holds the lock, as far as is known without waiting; None if none does."""
    state = read_lease(path)
    if state is not None:
        return _holder_of(state)
    number = None if path.is_dir() else earlier_holder(path)
    return None if number is None else Holder(number)


def living_holder(path: Path) -> Holder | None:
    """Return the process that holds the lock, after watching one on another machine until it shows if it lives.

    A second look at one that this process has seen before takes no time if the lease was renewed in between.
    """
    with explained(f"look at the lock of {path.parent}"):
        first = read_lease(path)
        state = first
        while state is not None and state == first and _is_elsewhere(state) and not watch.was_renewed(str(path)):
            _wait(state, path, is_first=state is first)
            state = read_lease(path)
    return holder(path) if state is None else _holder_of(state)


def _take(path: Path, *, what: str) -> Lease | Holder:
    first = None
    while True:
        try:
            found = take_lease(path, what=what)
        except NotADirectoryError:
            number = remove_earlier_lock(path)
            if number is not None:
                return Holder(number)
            continue
        if isinstance(found, Lease):
            return found
        if not _is_elsewhere(found) or (first is not None and found != first):
            return _holder_of(found)
        _wait(found, path, is_first=first is None)
        first = found


def _wait(state: LeaseState, path: Path, *, is_first: bool) -> None:
    listener = _listener.get()
    if is_first and listener is not None:
        listener(
            f"the run {path.parent.name} is held by {_holder_of(state)}: waiting for a sign of life, "
            f"for {state.seconds:g} s at most"
        )
    time.sleep(min(state.seconds / _LOOKS_PER_LEASE, _LONGEST_PAUSE_SECONDS))


def _is_elsewhere(state: LeaseState) -> bool:
    return state.owner is not None and not this_process().sees(state.owner)


def _holder_of(state: LeaseState) -> Holder:
    if state.owner is None:
        return Holder(0)
    return Holder(state.owner.number, state.owner.host if _is_elsewhere(state) else "")
