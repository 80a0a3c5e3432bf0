"""Leases are renewed while nobody thinks of them, and only by the process that has them."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dlrun.system.lease.lease import Lease, take_lease
from dlrun.system.lease.renewal import renewal


def taken(place: Path) -> Lease:
    found = take_lease(place, what="it")
    assert isinstance(found, Lease)
    return found


def name_in(folder: Path) -> str:
    (name,) = os.listdir(folder)  # noqa: PTH208
    return name


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_lease_is_renewed_until_it_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_still() -> bool:
        before = name_in(place)
        time.sleep(0.1)
        return name_in(place) == before

    monkeypatch.setenv("DLRUN_LEASE_SECONDS", "0.3")
    place = tmp_path / "lock"
    lease = taken(place)
    before = name_in(place)
    wait_until(lambda: name_in(place) != before)
    renewal.remove(lease)
    wait_until(is_still)
    lease.release()
    assert name_in(place) == "00000001.free"
    renewal.remove(lease)  # again, which does nothing


def test_a_forked_child_neither_renews_nor_releases(tmp_path: Path) -> None:
    lease = taken(tmp_path / "lock")
    before = name_in(tmp_path / "lock")
    child = os.fork()
    if not child:
        lease.confirm()  # the parent holds it, so the child may write
        lease.release()
        os._exit(7 if renewal._thread is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert name_in(tmp_path / "lock") == before
    lease.confirm()
    assert name_in(tmp_path / "lock") != before
    lease.release()
