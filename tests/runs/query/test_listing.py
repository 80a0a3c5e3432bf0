"""Listings use an index, but the folders always take precedence."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from dlrun.runs.folder import RunFolder
from dlrun.runs.query.listing import list_specs, scan_runs
from dlrun.runs.query.summary import RunSummary

pytestmark = pytest.mark.usefixtures("settled")


def index_of(runs_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((runs_dir / ".index.json").read_text().partition("\n")[2])
    return content


def test_a_second_listing_reads_no_run_and_gives_the_same(three_hundred: Path, read: list[str]) -> None:
    first = scan_runs(three_hundred)
    assert (len(first), len(read)) == (300, 300)
    read.clear()
    assert scan_runs(three_hundred) == first
    assert read == []
    assert {run.tags for run in first} == {("a",)}


def test_only_runs_that_changed_are_read_again(three_hundred: Path, read: list[str]) -> None:
    changed, gone, *_ = (run.folder for run in scan_runs(three_hundred))
    read.clear()
    changed.update_record(status="failed", reason="out of memory")
    (gone.run_json).unlink()
    new = RunFolder.create(three_hundred, name="new")
    found = {run.id: run.status for run in scan_runs(three_hundred)}
    assert sorted(read) == sorted([changed.id, gone.id, new.id])
    assert (found[changed.id], found[gone.id], found[new.id]) == ("failed", "damaged", "created")


def test_a_change_that_keeps_size_and_time_is_noticed(three_hundred: Path) -> None:
    folder = scan_runs(three_hundred)[0].folder
    before = folder.run_json.stat()
    folder.run_json.write_text(folder.run_json.read_text().replace("completed", "interrupt"[:9]))
    folder.run_json.write_text(folder.run_json.read_text().replace('"interrupt"', '"failed"   '))
    os.utime(folder.run_json, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert folder.run_json.stat().st_size == before.st_size
    assert {run.id: run.status for run in scan_runs(three_hundred)}[folder.id] == "failed"


def test_a_file_that_was_just_written_is_not_cached(three_hundred: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlrun.runs.query.index._SETTLED_NS", 2 * 10**9)
    now = 10**18
    monkeypatch.setattr("time.time_ns", lambda: now)
    scan_runs(three_hundred)
    assert not (three_hundred / ".index.json").exists()


def test_a_running_run_is_read_each_time(three_hundred: Path, read: list[str]) -> None:
    folder = scan_runs(three_hundred)[0].folder
    folder.update_record(status="running")
    with folder.lock():
        assert {run.id: run.status for run in scan_runs(three_hundred)}[folder.id] == "running"
    read.clear()
    assert {run.id: run.status for run in scan_runs(three_hundred)}[folder.id] == "stale"
    assert read == [folder.id]
    assert folder.id not in index_of(three_hundred)["runs"]


def test_a_read_only_folder_can_be_listed(three_hundred: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "permission denied")

    monkeypatch.setattr("dlrun.system.disk.Disk.write_atomically", refuse)  # root may write everywhere
    assert len(scan_runs(three_hundred)) == 300


def test_simultaneous_listings_agree_and_leave_one_valid_index(three_hundred: Path) -> None:
    expected, found = scan_runs(three_hundred), list[list[RunSummary]]()
    (three_hundred / ".index.json").unlink()
    threads = [threading.Thread(target=lambda: found.append(scan_runs(three_hundred))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
    assert len(index_of(three_hundred)["runs"]) == 300


def test_specs_come_from_an_index_of_their_own(three_hundred: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = scan_runs(three_hundred)
    first = list_specs(runs)
    assert {entry.values[entry.keys.index("training.batch_size")] for entry in first.values()} == {32, 64}
    runs[0].folder.spec_yaml.write_text("training: {batch_size: 7}\n")
    runs[1].folder.spec_yaml.write_text("training: {batch_size: [}\n")
    monkeypatch.setattr("dlrun.runs.query.listing.scan_runs", None)
    again = list_specs(runs)
    assert (again[runs[0].id].values, again[runs[1].id].values) == ([7], [])
    assert again[runs[2].id] == first[runs[2].id]
    monkeypatch.setattr("dlrun.runs.flat_spec.read_flat_spec", None)
    assert list_specs(runs) == again
