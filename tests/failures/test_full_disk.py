"""A disk that fills up, cannot be written to, or loses files while a run is going on."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import DlrunError, RunError
from dlrun.evaluation.evaluate import evaluate
from dlrun.experiment.resume import resume
from dlrun.runs.folder import RunFolder
from dlrun.training.progress.events import EpochDone, RunCreated, TrainingStarted

pytestmark = pytest.mark.tensorflow


@contextlib.contextmanager
def mounted(place: Path, *options: str) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, place], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine mounts nothing: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    if shutil.which("mount") is None:
        pytest.skip("there is no mount here")
    with mounted(tmp_path / "tmpfs", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as place:
        yield place


def fill(place: Path, *, leave: int) -> None:
    """Take all the space but a little."""
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    (place / "ballast").write_bytes(b"x" * (free - leave))


def test_a_full_disk_ends_the_run_with_one_line_and_space_lets_it_go_on(small: Any, tmpfs: Path) -> None:
    whole = small.train().record
    small.on(EpochDone, lambda _: fill(tmpfs, leave=0), epoch=2)
    with pytest.raises(RunError, match=r"cannot (write|read) .*: the disk is full") as raised:
        small.train(runs_dir=tmpfs)
    assert "\n" not in raised.value.what
    assert set(small.steps()) >= {"step-000000016"}
    assert "loss" in evaluate(small.found.path)["test"].scores
    with pytest.raises(RunError, match="the disk is full"):
        resume(small.found.path)
    assert set(small.steps()) >= {"step-000000016"}
    (tmpfs / "ballast").unlink()
    again = resume(small.found.path).record
    assert (again["status"], again["weights_sha256"]) == ("completed", whole["weights_sha256"])


@pytest.mark.slow
@pytest.mark.parametrize("leave", [4096, 8192, 16384, 32768])
def test_a_disk_that_fills_up_at_any_file_leaves_a_run_that_goes_on(small: Any, tmpfs: Path, leave: int) -> None:
    small.on(EpochDone, lambda _: fill(tmpfs, leave=leave), epoch=1)
    try:
        small.train(runs_dir=tmpfs)
    except RunError as error:
        assert "the disk is full" in error.what  # noqa: PT017  with more space left it may just fit
    assert small.steps()
    (tmpfs / "ballast").unlink()
    assert resume(small.found.path).record["status"] == "completed"


def test_a_disk_that_is_full_before_the_run_is_one_line_as_a_command(small: Any, tmpfs: Path, forked: Any) -> None:
    fill(tmpfs, leave=0)
    done = forked.run("train", "small.yaml", "--runs-dir", tmpfs / "runs", folder=small.folder)
    assert done.code == 1
    assert done.err.splitlines()[-2].startswith("error: cannot ")
    assert "the disk is full" in done.err
    assert "Traceback" not in done.err


def test_a_disk_that_fills_up_during_a_command_leaves_no_traceback_though_the_log_is_on_it(
    small: Any, tmpfs: Path, forked: Any
) -> None:
    fill(tmpfs, leave=40_000)
    settings = ("--runs-dir", tmpfs, "--set", "training.epochs=400")
    done = forked.run("train", "small.yaml", *settings, folder=small.folder)
    assert done.code == 1, done.err
    assert "the disk is full" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("leave", [0, 8_192, 40_000])
@pytest.mark.parametrize("to", ["savedmodel", "tflite", "keras"])
def test_an_export_to_a_full_disk_is_one_line_that_names_the_file(
    complete: RunFolder, tmpfs: Path, to: str, leave: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlrun.exporting.export import export
    from dlrun.exporting.formats import FORMATS

    place = tmpfs / f"model{FORMATS[to].suffix}"
    # TensorFlow has an error of its own for it, and tells which of its files did not fit.
    fill(tmpfs, leave=leave)
    monkeypatch.setattr("dlrun.exporting.checking.run_child", lambda *_, **__: pytest.fail("it was written"))
    with pytest.raises(RunError, match=f"^cannot write {place}: the disk is full") as raised:
        export(complete.path, to, output=place)
    assert "\n" not in raised.value.what
    assert [path.name for path in tmpfs.iterdir()] == ["ballast"]


def test_a_runs_folder_that_cannot_be_written_to_is_one_line(small: Any, tmp_path: Path) -> None:
    with mounted(tmp_path / "read_only", "-t", "tmpfs", "-o", "ro", "tmpfs") as place:
        with pytest.raises(RunError, match=r"cannot create a run folder in .*: the file system is read-only") as raised:
            small.train(runs_dir=place)
        assert raised.value.hint
        with pytest.raises(RunError, match="the file system is read-only"):
            small.train(runs_dir=place / "runs")


def test_a_run_on_a_read_only_disk_can_still_be_evaluated_and_resume_says_why_not(small: Any, tmp_path: Path) -> None:
    run = small.train().folder.path
    with mounted(tmp_path / "read_only", "-o", "bind,ro", str(run.parent)) as place:
        assert evaluate(run.name, runs_dir=place)["test"]
        with pytest.raises(RunError, match="the file system is read-only"):
            resume(run.name, runs_dir=place, overrides=("training.epochs=5",))


@pytest.mark.parametrize("part", ["checkpoints", "tensorboard", "metrics.csv", "log.txt"])
def test_a_part_that_vanishes_and_can_be_made_again_ends_nothing(small: Any, part: str) -> None:
    small.on(EpochDone, lambda _: remove(small.found.path / part), epoch=2)
    assert small.train().record["status"] == "completed"
    assert len(small.found.read_metrics()) == 4
    assert len(small.found.metrics_csv.read_text().splitlines()) == 5
    assert "step-000000032" in small.steps()


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@pytest.mark.parametrize("part", ["metrics.jsonl", "run.json", "."])
def test_a_part_that_is_lost_ends_the_run_with_one_line_that_names_it(small: Any, part: str) -> None:
    small.on(EpochDone, lambda _: remove(small.found.path / part), epoch=2)
    with pytest.raises(RunError, match="its lock was removed" if part == "." else "it does not exist") as raised:
        small.train()
    assert (small.found.id if part == "." else part) in raised.value.what
    assert "\n" not in raised.value.what
    if part == "metrics.jsonl":
        assert not small.found.metrics_jsonl.exists()  # and no file full of zeros in its place
        assert max(small.steps()) == "step-000000016"


def test_metrics_that_another_program_has_cut_are_not_padded_with_zeros(small: Any) -> None:
    small.on(EpochDone, lambda _: os.truncate(small.found.metrics_jsonl, 3), epoch=2)
    with pytest.raises(RunError, match=r"metrics\.jsonl: it has 3 bytes instead of \d+"):
        small.train()
    assert small.found.metrics_jsonl.stat().st_size == 3


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/dev/full"), os.mkfifo])
def test_events_that_cannot_be_written_are_told_once_and_end_nothing(
    small: Any, make: Callable[[Path], object]
) -> None:
    small.on(RunCreated, lambda _: make(small.found.tensorboard))
    assert small.train().record["status"] == "completed"
    told = [note.text for note in small.notes if "TensorBoard" in note.text]
    assert len(told) == 1
    assert "\n" not in told[0]


def test_events_whose_folder_is_swapped_during_the_run_end_nothing(small: Any) -> None:
    def swap(_: object) -> None:
        shutil.rmtree(small.found.tensorboard)
        small.found.tensorboard.touch()

    small.on(EpochDone, swap, epoch=1)
    assert small.train().record["status"] == "completed"


def test_an_error_of_the_run_is_told_even_if_run_json_cannot_be_written(small: Any, monkeypatch: Any) -> None:
    from dlrun.system.disk import Disk

    def full(_disk: Disk, path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    def fail(_: object) -> None:
        monkeypatch.setattr(Disk, "write_atomically", full)
        raise RunError("the first thing that went wrong")

    small.on(TrainingStarted, fail)
    with pytest.raises(DlrunError, match="the first thing that went wrong"):
        small.train()
