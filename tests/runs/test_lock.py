"""A run has one writer."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dlrun.errors import RunError, UsageError
from dlrun.runs.folder import RunFolder

HOLD = """
import sys, time, pathlib
from dlrun.runs.folder import RunFolder
with RunFolder(pathlib.Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_has_one_writer_and_a_second_gets_its_process_id(tmp_path: Path) -> None:
    folder, same = RunFolder.create(tmp_path, name="x"), RunFolder.open
    assert folder.held_by() is None
    with folder.lock():
        assert same(folder.path).held_by() == os.getpid()
        with pytest.raises(RunError, match=f"held by process {os.getpid()}"), same(folder.path).lock():
            pytest.fail("two writers")
    assert folder.held_by() is None
    with folder.lock():
        pass


def test_an_error_while_holding_the_lock_is_not_reported_as_one_of_the_lock(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    with pytest.raises(FileNotFoundError), folder.lock():
        raise FileNotFoundError
    assert folder.held_by() is None


def test_a_reader_does_not_block_a_writer(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    with (folder.path / ".lock").open("w") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        reader = threading.Timer(0.05, fcntl.flock, (look, fcntl.LOCK_UN))
        reader.start()
        with folder.lock():
            assert folder.held_by() == os.getpid()
        reader.join()


def test_the_number_of_an_earlier_holder_is_forgotten(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    (folder.path / ".lock").write_text("123456789012\n")
    with folder.lock():
        assert folder.held_by() == os.getpid()


def test_a_running_run_whose_process_was_killed_is_stale(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    folder.update_record(status="running")
    with subprocess.Popen([sys.executable, "-c", HOLD, folder.path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert (folder.held_by(), folder.status) == (process.pid, "running")
        process.send_signal(signal.SIGKILL)
    assert (folder.held_by(), folder.status) == (None, "stale")


def test_a_file_system_without_locks_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    with folder.lock():
        pass

    def refused(_handle: int, _mode: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(RunError, match="the file system does not support locks") as raised, folder.lock():
        pass
    assert "another file system" in raised.value.hint
    assert folder.held_by() is None


def test_a_new_run_is_held_before_it_is_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlrun.experiment.record import new_folder
    from dlrun.runs.removal import remove_run
    from dlrun.spec.parse import read_spec

    spec = "dataset: {type: builtin, name: wine}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"
    (tmp_path / "x.yaml").write_text(spec)
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    seen: list[str] = []
    write = RunFolder.write_text

    def watched(folder: RunFolder, path: Path, text: str) -> None:
        with pytest.raises((RunError, UsageError)) as raised:
            remove_run(RunFolder(folder.path), runs_dir=tmp_path / "runs")
        seen.append(raised.value.what)
        write(folder, path, text)

    monkeypatch.setattr(RunFolder, "write_text", watched)
    with new_folder(read_spec(tmp_path / "x.yaml"), tmp_path / "runs") as folder:
        pass
    assert "does not look like a run" in seen[0]
    assert all(f"{folder.id} is held by process" in said for said in seen[1:])
    assert len(seen) > 4
