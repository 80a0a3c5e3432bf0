"""A run has one writer."""

import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dlrun.errors import RunError, TakenOverError, UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.lock import Holder, reporting_waits
from dlrun.system.lease.watch import watch

HOLD = """
import sys, time, pathlib
from dlrun.runs.folder import RunFolder
with RunFolder(pathlib.Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""
WRITE = """
import sys, time, pathlib
from dlrun.errors import TakenOverError
from dlrun.runs.folder import RunFolder
folder, what = RunFolder(pathlib.Path(sys.argv[1])), sys.argv[2]
writes = {
    "checkpoint": lambda: folder.make_folder(folder.checkpoints / str(number)),
    "record": lambda: folder.update_record(seconds=float(number)),
    "history": lambda: folder.append_metrics({"epoch": number}),
}
try:
    with folder.lock():
        for number in range(1, 2000):
            writes[what]()
            print("wrote", flush=True)
            time.sleep(0.01)
except TakenOverError as error:
    print(error, flush=True)
"""


def test_a_run_has_one_writer_and_a_second_gets_its_process_id(tmp_path: Path) -> None:
    folder, same = RunFolder.create(tmp_path, name="x"), RunFolder.open
    assert folder.held_by() is None
    with folder.lock():
        assert same(folder.path).held_by() == Holder(os.getpid())
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
            assert folder.held_by() == Holder(os.getpid())
        reader.join()


def test_an_error_that_a_takeover_has_caused_is_reported_as_that(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    with pytest.raises(TakenOverError, match="was taken over"), folder.lock():  # noqa: PT012  the end of the block fails
        (state,) = folder.lock_folder.iterdir()
        state.rename(state.with_name("00000002.free"))
        raise RunError("cannot write the checkpoint: it does not exist")


def test_the_lock_file_of_an_earlier_version_blocks_nobody_unless_that_version_runs(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    lock = folder.path / ".lock"
    lock.write_text("123456789012\n")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert folder.held_by() == Holder(123456789012)
        with pytest.raises(RunError, match="held by process 123456789012"), folder.lock():
            pytest.fail("two writers")
    assert folder.held_by() is None
    with folder.lock():
        assert folder.held_by() == Holder(os.getpid())
        # An earlier version opens the lock as a file to write its id: it must not start now.
        with pytest.raises(IsADirectoryError):
            os.open(lock, os.O_RDWR | os.O_CREAT)


def test_a_running_run_whose_process_was_killed_is_stale(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    folder.update_record(status="running")
    with subprocess.Popen([sys.executable, "-c", HOLD, folder.path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert (folder.held_by(), folder.status) == (Holder(process.pid), "running")
        process.send_signal(signal.SIGKILL)
    assert (folder.held_by(), folder.status) == (None, "stale")


def test_a_file_system_without_locks_is_as_good_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_handle: int, _mode: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.setattr(fcntl, "lockf", refused)
    folder = RunFolder.create(tmp_path, name="x")
    (folder.path / ".lock").touch()
    with folder.lock(), pytest.raises(RunError, match="held by process"), RunFolder(folder.path).lock():
        pytest.fail("two writers")


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a script that holds or writes a run on what looks like another machine."""
    running = []

    def start(script: str, *arguments: object, seconds: str = "0.6") -> subprocess.Popen[str]:
        environment = {**os.environ, "DLRUN_HOST": "node7", "DLRUN_LEASE_SECONDS": seconds}
        command = [sys.executable, "-c", script, *map(str, arguments)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_run_of_another_machine_is_taken_over_only_after_its_holder_was_silent_for_a_lease(
    tmp_path: Path, elsewhere: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, said = RunFolder.create(tmp_path, name="x"), list[str]()
    folder.update_record(status="running")
    process = elsewhere(HOLD, folder.path, seconds="6")
    assert first_line(process) == "held\n"
    held = Holder(process.pid, "node7")
    message = f"is held by process {process.pid} on node7"
    with pytest.raises(RunError, match=message) as raised, reporting_waits(said.append), folder.lock():
        pytest.fail("two writers")
    assert "stop it on node7" in raised.value.hint
    assert said == [f"the run {folder.id} is held by {held}: waiting for a sign of life, for 6 s at most"]
    assert (folder.held_by(), folder.living_holder(), folder.status) == (held, held, "running")
    process.kill()
    process.wait()
    assert folder.held_by() == held  # nobody can know at once
    monkeypatch.setattr(watch, "_clock", lambda: time.monotonic() + 7)
    assert folder.living_holder() is None
    assert folder.status == "stale"
    with folder.lock() as lease:
        assert lease.token == 2


@pytest.mark.parametrize("what", ["checkpoint", "record", "history"])
def test_a_paused_writer_notices_that_it_was_taken_over_before_it_writes(
    what: str, tmp_path: Path, elsewhere: Callable[..., subprocess.Popen[str]]
) -> None:
    def content() -> dict[str, bytes]:
        files = [path for path in sorted(folder.path.rglob("*")) if ".lock" not in path.parts]
        return {str(path): path.read_bytes() if path.is_file() else b"" for path in files}

    folder = RunFolder.create(tmp_path, name="x")
    process = elsewhere(WRITE, folder.path, what)
    assert first_line(process) == "wrote\n"
    process.send_signal(signal.SIGSTOP)
    with folder.lock():
        before = content()
        process.send_signal(signal.SIGCONT)
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.wait() == 0
        assert f"the run {folder.id} was taken over by process {os.getpid()} on" in said
        after = content()
        assert after.keys() == before.keys()
        assert [name for name, data in after.items() if data != before[name]] == []
        folder.update_record(status="running")


@pytest.mark.soak
def test_writers_that_are_paused_at_any_moment_never_mix_their_rows(
    tmp_path: Path, elsewhere: Callable[..., subprocess.Popen[str]]
) -> None:
    moments = random.Random(0)
    for _ in range(40):
        folder = RunFolder.create(tmp_path, name="x")
        process = elsewhere(WRITE, folder.path, "history")
        assert first_line(process) == "wrote\n"
        time.sleep(moments.uniform(0, 0.1))
        process.send_signal(signal.SIGSTOP)
        with folder.lock():
            count = len(folder.read_metrics())
            process.send_signal(signal.SIGCONT)
            for number in range(1000, 1050):
                folder.append_metrics({"epoch": number})
            assert process.wait() == 0
        rows = [row["epoch"] for row in folder.read_metrics()]
        assert rows == [*range(1, count + 1), *range(1000, 1050)]


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
        for _ in range(2):  # before and after the write
            with pytest.raises((RunError, UsageError)) as raised:
                remove_run(RunFolder(folder.path), runs_dir=tmp_path / "runs")
            seen.append(raised.value.what)
            if len(seen) % 2:
                write(folder, path, text)

    monkeypatch.setattr(RunFolder, "write_text", watched)
    with new_folder(read_spec(tmp_path / "x.yaml"), tmp_path / "runs") as folder:
        pass
    assert all("does not look like a run" in said for said in seen[:-1])
    assert f"{folder.id} is held by process" in seen[-1]
    assert len(seen) > 8
