"""Claim runs, so that only one of several batches in the same folder trains a run, on whatever machines they work."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from dlrun.batching.record import FOLDER
from dlrun.runs.record import IdentityRecord
from dlrun.system.disk import disk, explained
from dlrun.system.lease.lease import Lease, take_lease

_CLAIMS, _LOADING = "claims", "loading"
_LOOK_SECONDS = 0.2


@contextmanager
def claimed(identity: IdentityRecord, *, runs_dir: Path) -> Iterator[Lease | None]:
    """Claim a run for the duration of the block.

    Whatever is held inside the block depends on the claim: if another machine takes the claim over while this process
    is paused, this process can no longer write to the run either, and does not renew its lock.

    A claim ends with its process. One of another machine ends when this process has seen, in calls of this function,
    that it is not renewed for the whole time of its lease.

    Args:
        identity: The identity of the run.
        runs_dir: The folder for runs.

    Yields:
        The lease, if this process has the claim; None if another process has it.

    Raises:
        RunError: The claim cannot be written.
    """
    name = sha256(f"{identity.spec} {identity.code} {identity.data}".encode()).hexdigest()[:32]
    lease = _take(runs_dir / FOLDER / _CLAIMS / name, what="the claim of this run")
    if lease is None:
        yield None
        return
    try:
        with lease.around():
            yield lease
    finally:
        lease.release(removes=True)


@contextmanager
def turn_to_load(places: Sequence[Path], *, runs_dir: Path) -> Iterator[bool]:
    """Wait, if data is missing, until no other run is downloading any.

    Args:
        places: The paths of the data.
        runs_dir: The folder for runs.

    Yields:
        Whether the data is still missing, and this process should download it.

    Raises:
        RunError: The turn cannot be written.
    """
    if all(place.exists() for place in places):
        yield False
        return
    while (lease := _take(runs_dir / FOLDER / _LOADING, what="the turn to load data")) is None:
        time.sleep(_LOOK_SECONDS)
    try:
        yield not all(place.exists() for place in places)
    finally:
        lease.release(removes=True)


def _take(place: Path, *, what: str) -> Lease | None:
    with explained(f"lock {place}"):
        disk.make_folders(place.parent)
        found = take_lease(place, what=what)
    return found if isinstance(found, Lease) else None
