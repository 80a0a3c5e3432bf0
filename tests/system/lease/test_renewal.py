"""Leases are renewed while nobody thinks of them, and only by the process that has them."""

import os
import time
from pathlib import Path

import pytest

from dlrun.system.lease.lease import Lease, take_lease
from dlrun.system.lease.renewal import renewal


@pytest.fixture
def lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lease:
    monkeypatch.setenv("DLRUN_LEASE_SECONDS", "0.3")
    found = take_lease(tmp_path / "lock", what="it")
    assert isinstance(found, Lease)
    return found


def name_in(folder: Path) -> str:
    (name,) = os.listdir(folder)  # noqa: PTH208
    return name


def test_a_lease_is_renewed_until_it_is_given_back(lease: Lease, tmp_path: Path) -> None:
    before = name_in(tmp_path / "lock")
    deadline = time.monotonic() + 30
    while name_in(tmp_path / "lock") == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert name_in(tmp_path / "lock") != before
    renewal.remove(lease)
    time.sleep(0.1)
    paused = name_in(tmp_path / "lock")
    time.sleep(0.1)
    assert name_in(tmp_path / "lock") == paused
    lease.release()
    assert name_in(tmp_path / "lock") == "00000001.free"
    renewal.remove(lease)  # again, which does nothing


def test_a_forked_child_neither_renews_nor_releases(lease: Lease, tmp_path: Path) -> None:
    renewal.remove(lease)
    time.sleep(0.1)
    before = name_in(tmp_path / "lock")
    child = os.fork()
    if not child:
        lease.confirm()  # the parent holds it, so the child may write
        lease.release()
        time.sleep(0.1)
        os._exit(7 if renewal._thread is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert name_in(tmp_path / "lock") == before
    lease.confirm()
    assert name_in(tmp_path / "lock") != before
    lease.release()
