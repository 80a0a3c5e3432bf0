"""Renew the leases of this process from a thread, whatever its other threads do.

The thread sleeps nearly always. Native code may hold Python's global lock for a while and keep the thread waiting, so
a lease lasts for many renewals. After a fork the child renews nothing: the leases are those of its parent.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Protocol

from dlrun.errors import DlrunError

RENEWALS_PER_LEASE = 12
"""So many renewals in a row may be missed before another machine may take over."""


class Renewable(Protocol):
    """A lease, as seen from the thread that renews it."""

    @property
    def seconds(self) -> float:
        """The time of the lease."""

    def confirm(self, *, within: float = 0.0) -> None:
        """Renew it, unless it was renewed within the last seconds."""


class Renewal:
    """The leases of this process, and the thread that renews them, which starts with the first one."""

    def __init__(self) -> None:
        self._leases: list[Renewable] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, lease: Renewable) -> None:
        """Renew a lease from now on."""
        with self._changed:
            self._leases.append(lease)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="dlrun-leases", daemon=True)
                self._thread.start()
            self._changed.notify()

    def remove(self, lease: Renewable) -> None:
        """Renew a lease no longer."""
        with self._changed, suppress(ValueError):
            self._leases.remove(lease)

    def _work(self) -> None:
        while True:
            with self._changed:
                periods = [lease.seconds / RENEWALS_PER_LEASE for lease in self._leases]
                self._changed.wait(min(periods) if periods else None)
                leases = tuple(self._leases)
            for lease in leases:
                # A lease that is lost is reported where something is written; a disk that fails may work again.
                with suppress(DlrunError, OSError):
                    lease.confirm(within=lease.seconds / RENEWALS_PER_LEASE / 2)


renewal = Renewal()
"""The renewal of this process."""


def _forget() -> None:
    # Neither the thread nor a usable condition, which another thread may have held, exist in a forked process.
    renewal.__init__()  # type: ignore[misc]


os.register_at_fork(after_in_child=_forget)
