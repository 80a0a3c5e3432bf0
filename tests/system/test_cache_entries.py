"""Entries of the cache: listed, limited in size, removed."""

import fcntl
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dlrun.errors import UsageError
from dlrun.system.cache_entries import limit_bytes, locked, remove_entry


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DLRUN_CACHE_SIZE", raising=False)
    return tmp_path / "cache"


def test_waiting_for_an_entry_that_is_removed_locks_the_new_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, waits, real = folder / "tables" / "key", threading.Event(), fcntl.flock

    def flock(handle: int, operation: int) -> None:
        waits.set()
        real(handle, operation)

    def lock_and_remove() -> bool:
        with locked(entry, exclusive=True):
            return remove_entry(entry)  # False as long as the lock that is held is the one that others find

    with ThreadPoolExecutor(1) as thread, locked(entry, exclusive=True):
        monkeypatch.setattr(fcntl, "flock", flock)
        waiting = thread.submit(lock_and_remove)
        assert waits.wait(60)
        entry.rename(folder / "removed")
    assert waiting.result(60) is False


@pytest.mark.parametrize(
    ("given", "expected"), [("1000", 1000), ("2KiB", 2048), ("1.5 GB", 3 << 29), ("20g", 20 << 30), ("0", 0)]
)
def test_the_size_of_the_cache_is_set_by_the_environment(
    given: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLRUN_CACHE_SIZE", given)
    assert limit_bytes() == expected


def test_without_a_size_the_cache_takes_10_gib_or_a_quarter_of_a_small_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))
    for total, expected in ((1 << 40, 10 << 30), (8 << 30, 2 << 30)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, total=total: usage(total, 0, total))
        assert limit_bytes() == expected
    monkeypatch.setenv("DLRUN_CACHE_SIZE", "much")
    with pytest.raises(UsageError, match="DLRUN_CACHE_SIZE is 'much'"):
        limit_bytes()
