import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dlrun.errors import CheckpointError, RunError
from dlrun.runs.arrays import ArraySpec, encode_arrays
from dlrun.system.disk import Disk
from dlrun.system.staging import staged_place
from dlrun.training.checkpoints.checkpoint import (
    BEST,
    JSON,
    Checkpoint,
    newest_valid,
    prune,
    read_checkpoint,
    set_best,
    step_name,
    write_checkpoint,
)

MEMBERS = ("arrays.safetensors", "state.json", "manifest.json")


def written(parent: Path, step: int) -> Path:
    arrays = {"dense/kernel": np.full((3, 4), step, np.float32), "iterations": np.array(step)}
    return write_checkpoint(parent, step_name(step), arrays=arrays, state={"step": step})


def step_of(checkpoint: Checkpoint) -> int:
    assert checkpoint.arrays["dense/kernel"][0, 0] == checkpoint.state["step"]
    return int(checkpoint.state["step"])


def forge(folder: Path, **contents: bytes) -> None:
    """Replace the content of a checkpoint, with a manifest that matches it."""
    for member in ("arrays.safetensors", "state.json"):
        data = contents.get(member.partition(".")[0])
        if data is not None:
            (folder / member).write_bytes(data)
    members = {member: (folder / member).read_bytes() for member in MEMBERS[:2]}
    files = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()}
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "files": files}, sort_keys=True))


def test_importing_the_store_imports_no_tensorflow() -> None:
    program = (
        "import sys, dlrun.training.checkpoints.checkpoint\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_state_is_restored_exactly_including_nan_and_infinities(tmp_path: Path) -> None:
    state: dict[str, JSON] = {
        "epoch": 3,
        "best": float("inf"),
        "loss": 0.1 + 0.2,
        "patience": {"wait": 2},
        "history": [1, None, "é"],
    }
    found = read_checkpoint(write_checkpoint(tmp_path, "step-1", arrays={}, state={**state, "nan": float("nan")}))
    assert repr(found.state.pop("nan") if isinstance(found.state, dict) else "") == "nan"
    assert found.state == state
    assert found.arrays == {}


def test_a_checkpoint_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    written(tmp_path, 1).rename(tmp_path / step_name(2))
    assert step_of(read_checkpoint(written(tmp_path, 2))) == 2
    assert [path.name for path in tmp_path.iterdir()] == [step_name(2)]


def test_the_newest_is_the_one_with_the_highest_step_whatever_its_digits(tmp_path: Path) -> None:
    for step in (999_999_999, 1_000_000_000, 5):
        written(tmp_path, step)
    found = newest_valid(tmp_path)
    assert found is not None
    assert (step_of(found.checkpoint), found.path.name, found.skipped) == (10**9, "step-1000000000", ())


def test_damaged_checkpoints_are_skipped_with_a_reason(tmp_path: Path) -> None:
    assert newest_valid(tmp_path / "nothing") is None
    assert newest_valid(tmp_path) is None
    paths = [written(tmp_path, step) for step in (1, 2, 3)]
    (paths[2] / "state.json").unlink()
    (paths[1] / "arrays.safetensors").write_bytes(b"x")
    found = newest_valid(tmp_path)
    assert found is not None
    assert (found.path, step_of(found.checkpoint)) == (paths[0], 1)
    assert [path for path, _ in found.skipped] == [paths[2], paths[1]]
    assert "state.json: it does not exist" in found.skipped[0][1]
    assert "arrays.safetensors has 1 bytes" in found.skipped[1][1]
    (paths[0] / "manifest.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used"):
        newest_valid(tmp_path)


def test_arrays_that_do_not_fit_the_model_are_an_error_and_no_older_one_is_tried(tmp_path: Path) -> None:
    written(tmp_path, 1)
    write_checkpoint(tmp_path, step_name(2), arrays={"dense/kernel": np.zeros((3, 5), np.float32)}, state={})
    expected = {"dense/kernel": ArraySpec((3, 4), "float32"), "iterations": ArraySpec((), "int64")}
    assert step_of(read_checkpoint(tmp_path / step_name(1), expected=expected)) == 1
    with pytest.raises(RunError, match="does not fit the model: 1 of 2 arrays are missing") as raised:
        newest_valid(tmp_path, expected=expected)
    assert not isinstance(raised.value, CheckpointError)


def test_arrays_that_do_not_fit_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_checkpoint(tmp_path, "step-1", arrays={"big": np.zeros(1_000_000, np.float32)}, state={})
    read, lengths = Disk.read, []

    def counted(self: Disk, handle: int, count: int) -> bytes:
        lengths.append(len(data := read(self, handle, count)))
        return data

    monkeypatch.setattr(Disk, "read", counted)
    with pytest.raises(RunError, match="float32"):
        read_checkpoint(path, expected={"big": ArraySpec((3,), "float32")})
    assert sum(lengths) < 1000


def test_best_is_a_checkpoint_and_outlives_the_one_it_links_to(tmp_path: Path) -> None:
    written(tmp_path, 1)
    best = set_best(tmp_path, step_name(1))
    assert best == tmp_path / "best"
    assert (best / MEMBERS[0]).stat().st_nlink == 2
    for step in (2, 3):
        written(tmp_path, step)
    assert [path.name for path in prune(tmp_path, keep=2)] == [step_name(1)]
    assert step_of(read_checkpoint(best)) == 1
    set_best(tmp_path, step_name(3))
    assert step_of(read_checkpoint(best)) == 3


def test_best_is_copied_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_self: Disk, _source: Path, _target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Disk, "link", refused)
    written(tmp_path, 1)
    best = set_best(tmp_path, step_name(1))
    assert step_of(read_checkpoint(best)) == 1
    assert (best / MEMBERS[0]).stat().st_nlink == 1


def test_a_damaged_checkpoint_never_becomes_the_best(tmp_path: Path) -> None:
    written(tmp_path, 1)
    set_best(tmp_path, step_name(1))
    (written(tmp_path, 2) / "state.json").write_text('{"step": 3}')
    with pytest.raises(CheckpointError):
        set_best(tmp_path, step_name(2))
    assert step_of(read_checkpoint(tmp_path / "best")) == 1


def test_nothing_is_pruned_if_the_newest_checkpoint_is_damaged(tmp_path: Path) -> None:
    paths = [written(tmp_path, step) for step in (1, 2, 3, 4)]
    (paths[3] / "arrays.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="has 0 bytes"):
        prune(tmp_path)
    assert all(path.is_dir() for path in paths)
    with pytest.raises(ValueError, match="at least one"):
        prune(tmp_path, keep=0)


def test_links_pipes_and_folders_instead_of_files_are_refused(tmp_path: Path) -> None:
    for member in MEMBERS:
        path = written(tmp_path, 1)
        elsewhere = tmp_path / "elsewhere"
        (path / member).rename(elsewhere)
        (path / member).symlink_to(elsewhere)
        with pytest.raises(CheckpointError, match=member):
            read_checkpoint(path)
        (path / member).unlink()
        os.mkfifo(path / member)
        with pytest.raises(CheckpointError, match=member):
            read_checkpoint(path)
        (path / member).unlink()
        (path / member).mkdir()
        with pytest.raises(CheckpointError, match=member):
            read_checkpoint(path)
    (tmp_path / "link").symlink_to(written(tmp_path, 2))
    with pytest.raises(CheckpointError, match="not a symbolic link"):
        read_checkpoint(tmp_path / "link")


@pytest.mark.parametrize("state", [b"[1]", b"{", b"\xff", b"[" * 200_000, b'{"n": ' + b"9" * 5000 + b"}"])
def test_a_forged_state_with_a_fitting_manifest_is_a_checkpoint_error(tmp_path: Path, state: bytes) -> None:
    path = written(tmp_path, 1)
    forge(path, state=state)
    with pytest.raises(CheckpointError, match=r"state\.json"):
        read_checkpoint(path)


def test_forged_arrays_with_a_fitting_manifest_are_a_checkpoint_error(tmp_path: Path) -> None:
    path = written(tmp_path, 1)
    data = encode_arrays({"a": np.zeros(4, np.float32)})
    for forged in (data.replace(b"[0,16]", b"[0,96]"), data.replace(b'"F32"', b'"F4" '), data[:-1], b"", b"\xff" * 64):
        forge(path, arrays=forged)
        with pytest.raises(CheckpointError, match="safetensors"):
            read_checkpoint(path)


def test_a_reader_sees_the_old_or_the_new_best_during_a_replacement(tmp_path: Path) -> None:
    for step in (1, 2):
        written(tmp_path, step)
    set_best(tmp_path, step_name(1))
    done = threading.Event()

    def replace() -> None:
        try:
            for turn in range(100):
                set_best(tmp_path, step_name(1 + turn % 2))
                time.sleep(0.001)
        finally:
            done.set()  # or the reader would wait for ever

    writer = threading.Thread(target=replace)
    writer.start()
    seen = []
    while not done.is_set():
        seen.append(step_of(read_checkpoint(tmp_path / "best")))
    writer.join()
    assert set(seen) == {1, 2}


def test_a_best_checkpoint_syncs_the_folder_names_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[Path] = []
    linked: list[Path] = []
    sync_folder, link, fsync = Disk.sync_folder, Disk.link, Disk.fsync

    def counted_sync(disk: Disk, folder: Path) -> None:
        waits.append(folder)
        sync_folder(disk, folder)

    def counted_link(disk: Disk, source: Path, target: Path) -> None:
        linked.append(target)
        link(disk, source, target)

    def checked_fsync(disk: Disk, handle: int) -> None:
        assert len(linked) == 3  # all names are there before the first wait, which takes them along
        fsync(disk, handle)

    write_checkpoint(tmp_path, step_name(1), arrays={}, state={}, is_best=True)
    monkeypatch.setattr(Disk, "sync_folder", counted_sync)
    monkeypatch.setattr(Disk, "link", counted_link)
    monkeypatch.setattr(Disk, "fsync", checked_fsync)
    path = write_checkpoint(tmp_path, step_name(2), arrays={"x": np.ones(3)}, state={"a": 1}, is_best=True)
    assert waits == [staged_place(tmp_path / step_name(2)), staged_place(tmp_path / BEST), tmp_path]
    assert read_checkpoint(tmp_path / BEST).state == read_checkpoint(path).state == {"a": 1}
    assert (path / "arrays.safetensors").samefile(tmp_path / BEST / "arrays.safetensors")
    assert sorted(each.name for each in tmp_path.iterdir()) == [BEST, step_name(1), step_name(2)]
