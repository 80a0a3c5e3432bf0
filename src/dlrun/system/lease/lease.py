"""An exclusive right to a folder, which holds between processes and between machines that share a file system.

The state of a lease is the name of the one file in its folder (`state.py`), and only a rename changes it. A rename
names the state that it replaces, so it is a compare-and-swap: the server does it for exactly one of several processes,
and the others get an error. It depends neither on locks of the system, nor on the times of files, nor on what a client
has cached: an old listing can only make a rename fail.

- **Taking**: a free state becomes held, with a token that is larger by one. A lease that nobody has had is a folder
  that does not exist; a folder that already contains a state is renamed into place, which fails if another process
  was faster.
- **Renewing**: the holder renames its own state to the next one, from a thread (`renewal.py`) and before it writes.
- **Taking over**: a state whose process has ended on this machine is as good as free. One of another machine has to be
  seen without a change for the whole time of the lease (`watch.py`). If its holder renews it in the last moment, its
  name has changed and the rename fails.
- **Losing**: the holder finds out at its next renewal, which is asked for before each write (`fence.py`).
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from dlrun.errors import TakenOverError
from dlrun.system.lease.process import ProcessIdentity, paused_clock, this_process
from dlrun.system.lease.renewal import renewal
from dlrun.system.lease.state import LeaseState, first_state, newest_state
from dlrun.system.lease.watch import Watch, watch

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_ATTEMPTS = 50
_LOOKS, _PAUSE_SECONDS = 5, 0.01
_FRESH_SECONDS = 0.1
_GONE = (errno.ENOENT, errno.ESTALE)
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


class Lease:
    """A lease that this process has, until `release`.

    Args:
        place: The folder of the lease.
        handle: The open folder: it stays the right one if the folder is renamed with everything around it.
        state: The state in which this process took it.
        what: What it is about, for the error when it is lost: `the run x`.
    """

    def __init__(self, place: Path, handle: int, state: LeaseState, *, what: str) -> None:
        self.what = what
        self._place, self._handle, self._state = place, handle, state
        self._process = os.getpid()
        self._is_released = False
        self._loss: TakenOverError | None = None
        self._confirmed_at = paused_clock()
        self._around = _around.get()
        # Reentrant: a signal handler may write the last record while the main thread is in here.
        self._guard = threading.RLock()

    @property
    def token(self) -> int:
        """The number of this holding: larger than those of all earlier holders."""
        return self._state.token

    @property
    def seconds(self) -> float:
        """How long another machine must see the lease without a renewal before it may take it over."""
        return self._state.seconds

    def confirm(self, *, within: float = 0.0) -> None:
        """Make sure that this process still has the lease, by renewing it.

        Args:
            within: The age in seconds up to which the last confirmation counts. Pauses of the process or the machine
                count as time.

        Raises:
            TakenOverError: Another process has the lease, or its folder is gone.
            OSError: The folder cannot be read.
        """
        if os.getpid() != self._process:
            # Forked from the holder: it may write while the holder may, but must not renew behind its back.
            self._find_mine()
            return
        with self._guard:
            if self._loss is not None:
                raise self._loss
            if self._around is not None:
                # Not renewed without it: its next holder must see that this lease is given up, too.
                self._around.confirm(within=max(within, _FRESH_SECONDS))
            if self._is_released or (within and paused_clock() - self._confirmed_at <= within):
                return
            began, after = paused_clock(), self._state.renewed()
            try:
                _rename(self._handle, self._state, after)
                self._state = after
            except OSError as error:
                if error.errno in (errno.EIO, errno.ETIMEDOUT):
                    raise
                self._state = self._find_mine()
            self._confirmed_at = began

    @contextmanager
    def around(self) -> Iterator[None]:
        """Make every lease that is taken inside the block depend on this one: if this one is lost, so are they."""
        before = _around.set(self)
        try:
            yield
        finally:
            _around.reset(before)

    def release(self, *, removes: bool = False) -> None:
        """Give the lease back; do nothing if it is lost, or was given back before.

        Args:
            removes: Whether to remove the folder of the lease as well.
        """
        if os.getpid() != self._process:
            return
        renewal.remove(self)
        with self._guard:
            if self._is_released:
                return
            self._is_released = True
            with suppress(TakenOverError, OSError):
                self._state = self._find_mine()
                if removes:
                    os.unlink(self._state.name, dir_fd=self._handle)
                else:
                    _rename(self._handle, self._state, self._state.freed())
            if removes:
                with suppress(OSError):  # another process has put its own folder in place of the empty one
                    self._place.rmdir()
            os.close(self._handle)

    def _find_mine(self) -> LeaseState:
        """Return the present state, if it is one of this holding.

        A renewal may have reached the server although it failed here: the answer was lost, or a signal came in between.
        """
        for look in range(_LOOKS):
            time.sleep(_PAUSE_SECONDS if look else 0)
            found = newest_state(_names(self._handle))
            if found is not None and found.nonce == self._state.nonce:
                return found
            if found is not None and found.token >= self._state.token:
                break
        if found is not None and found.token < self._state.token:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))  # a client that shows an old listing
        self._loss = self._lost_to(found)
        raise self._loss

    def _lost_to(self, found: LeaseState | None) -> TakenOverError:
        if found is None:
            message = f"{self.what} is no longer held by this process: its lock was removed by another program"
            return TakenOverError(message, hint="nothing more is written to it")
        silent = paused_clock() - self._confirmed_at
        who = "another process" if found.owner is None else f"process {found.owner.number} on {found.owner.host}"
        return TakenOverError(
            f"{self.what} was taken over by {who}, because this process had not been heard of for {silent:.0f} s",
            expected=f"a renewal at least every {self.seconds:g} s; the process or its network was paused",
            hint="this process stops without writing anything more; the other one goes on",
        )


_around: ContextVar[Lease | None] = ContextVar("around", default=None)


def take_lease(
    place: Path, *, what: str, owner: ProcessIdentity | None = None, seen: Watch = watch
) -> Lease | LeaseState:
    """Take a lease, if it is free or may be taken over; never wait for it.

    Args:
        place: The folder of the lease. The folder around it must exist.
        what: What it is about, for errors.
        owner: The process that takes it; None for this one.
        seen: What this process has seen of leases of other machines.

    Returns:
        The lease; or the state of its living holder.

    Raises:
        NotADirectoryError: Something else is at that place.
        OSError: The folder cannot be read or written.
        UsageError: `DLRUN_LEASE_SECONDS` is not valid.
    """
    owner = owner or this_process()
    for attempt in range(_ATTEMPTS):
        time.sleep(_PAUSE_SECONDS if attempt else 0)
        try:
            handle = os.open(place, _FOLDER)
        except FileNotFoundError:
            found: Lease | LeaseState | None = _create(place, owner, what=what)
        else:
            found = _take(place, handle, owner, what=what, seen=seen)
        if isinstance(found, Lease):
            seen.forget(str(place))
            renewal.add(found)
        if found is not None:
            return found
    raise OSError(errno.EBUSY, f"{place} is changed again and again by another program")


def read_lease(place: Path, *, owner: ProcessIdentity | None = None, seen: Watch = watch) -> LeaseState | None:
    """Return the state of a lease if its holder lives, as far as this process knows; None if it may be taken.

    Args:
        place: The folder of the lease.
        owner: The process that asks; None for this one.
        seen: What this process has seen of leases of other machines.
    """
    try:
        handle = os.open(place, _FOLDER)
    except OSError:
        return None
    try:
        state = _read(handle)
    except OSError:
        return None
    finally:
        os.close(handle)
    return None if state is None or _may_take(place, state, owner or this_process(), seen) else state


def _may_take(place: Path, state: LeaseState, owner: ProcessIdentity, seen: Watch) -> bool:
    if state.owner is None or owner.has_ended(state.owner, place=place):
        return True
    return not owner.sees(state.owner) and seen.has_expired(str(place), state)


def _take(place: Path, handle: int, owner: ProcessIdentity, *, what: str, seen: Watch) -> Lease | LeaseState | None:
    """Take the lease in an open folder; None if the folder has changed, and the next attempt has to look again."""
    lease = None
    try:
        state = _read(handle)
        if state is None:
            if _names(handle):
                raise OSError(errno.ENOTEMPTY, f"{place} holds other files than those of a lock")
            return _create(place, owner, what=what)
        if not _may_take(place, state, owner, seen):
            return state
        mine = first_state(state, owner=owner)
        try:
            _rename(handle, state, mine)
        except OSError as error:
            # The answer to a rename that succeeded may be lost, and the repeated one then fails.
            if (found := _read(handle)) is None or found.nonce != mine.nonce:
                if error.errno in _GONE:
                    return None
                raise
        lease = Lease(place, handle, mine, what=what)
        return lease
    finally:
        if lease is None:
            os.close(handle)


def _create(place: Path, owner: ProcessIdentity, *, what: str) -> Lease | None:
    """Put a folder in place that this process holds; None if another process was faster.

    A folder can be renamed over an empty one, but not over one with a state in it.
    """
    mine, staged = first_state(None, owner=owner), place.with_name(f"{place.name}-{secrets.token_hex(8)}")
    staged.mkdir()
    handle, is_in_place = os.open(staged, _FOLDER), False
    try:
        os.close(os.open(staged / mine.name, _NEW_FILE, 0o666))
        staged.rename(place)
        is_in_place = True
    except OSError as error:
        # The answer to a rename that succeeded may be lost, and the repeated one then fails.
        is_in_place = _is_at(place, handle)
        # The holder of a run clears the folders that killed processes have left, and may have met this one.
        if not is_in_place and error.errno not in (*_TAKEN, errno.ENOENT):
            raise
    finally:
        if not is_in_place:
            _clear(staged, handle, mine)
    return Lease(place, handle, mine, what=what) if is_in_place else None


def _clear(staged: Path, handle: int, mine: LeaseState) -> None:
    with suppress(OSError):
        os.unlink(mine.name, dir_fd=handle)
    with suppress(OSError):
        staged.rmdir()
    os.close(handle)


def _is_at(place: Path, handle: int) -> bool:
    try:
        return os.path.samestat(place.lstat(), os.fstat(handle))
    except OSError:
        return False


def _rename(handle: int, before: LeaseState, after: LeaseState) -> None:
    os.rename(before.name, after.name, src_dir_fd=handle, dst_dir_fd=handle)


def _read(handle: int) -> LeaseState | None:
    """Return the state in an open folder; None if there is none.

    A folder that is read during a rename may show neither the old nor the new name, so an empty one is read again.
    """
    state = newest_state(_names(handle))
    for _ in range(_LOOKS):
        if state is not None:
            return state
        time.sleep(_PAUSE_SECONDS)
        state = newest_state(_names(handle))
    return state


def _names(handle: int) -> list[str]:
    try:
        # Opened again, which makes a network file system ask the server whether its listing is still the right one.
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
    except OSError as error:
        if error.errno in _GONE:
            return []
        raise
    try:
        return os.listdir(folder)  # noqa: PTH208  a descriptor has no path
    finally:
        os.close(folder)
