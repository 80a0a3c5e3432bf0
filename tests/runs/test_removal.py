"""Runs and checkpoints are removed, except those that must never be."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dlrun.errors import RunError, UsageError
from dlrun.runs.folder import RunFolder
from dlrun.runs.removal import parse_keep, refuse_removed, remove_checkpoints, remove_run, size_of
from dlrun.system.disk import Disk

MakeRun = Callable[..., RunFolder]


RESTORING = ("\ntraining:\n", "\ntraining:\n  early_stopping: {restore_best: true}\n")


def with_checkpoints(folder: RunFolder, *, best: int | None = 2) -> RunFolder:
    """Return a run with three checkpoints of 1,000 bytes; the best is a hard link to one of them."""
    for step in (1, 2, 3):
        path = folder.checkpoints / f"step-{step:09d}"
        path.mkdir(parents=True)
        (path / "arrays.safetensors").write_bytes(bytes([step]) * 1000)
    if best is not None:
        folder.best.mkdir()
        (folder.best / "arrays.safetensors").hardlink_to(folder.checkpoints / f"step-{best:09d}" / "arrays.safetensors")
    return folder


def left(folder: RunFolder) -> list[str]:
    return sorted(entry.name.removeprefix("step-00000000") for entry in folder.checkpoints.iterdir())


def test_a_run_is_removed_with_its_files_but_not_what_its_links_point_to(make_run: MakeRun, tmp_path: Path) -> None:
    run, other = with_checkpoints(make_run("a")), make_run("b")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    (run.path / "link").symlink_to(outside)
    (run.path / "file").symlink_to(outside / "file")
    size = size_of(run.path)
    assert size > 3000
    assert remove_run(run, runs_dir=tmp_path / "runs") == (run.id, (run.id,), size)
    assert [entry.name for entry in (tmp_path / "runs").iterdir()] == [other.id]
    assert (outside / "file").read_text() == "precious"


def test_a_folder_that_is_not_a_run_is_never_removed(make_run: MakeRun, tmp_path: Path) -> None:
    runs_dir, run = tmp_path / "runs", make_run("a")
    link = runs_dir / "link"
    link.symlink_to(run.path)
    elsewhere = RunFolder.create(tmp_path / "elsewhere", name="b")
    nested = RunFolder.create(run.path / "sub", name="c")
    (runs_dir / "notes").mkdir()
    (runs_dir / "notes" / "run.json").write_text('{"name": "mine"}')
    for path, why in [
        (link, "is a symbolic link"),
        (elsewhere.path, "is not in"),
        (runs_dir / ".." / "elsewhere" / elsewhere.id, "is not in"),
        (nested.path, "is not in"),
        (runs_dir, "is not in"),
        (runs_dir / "notes", "does not look like a run"),
        (runs_dir / "missing", "does not look like a run"),
    ]:
        with pytest.raises(UsageError, match=why):
            remove_run(RunFolder(path), runs_dir=runs_dir)
        with pytest.raises(UsageError, match=why):
            remove_checkpoints(RunFolder(path), keep="none", runs_dir=runs_dir)
    assert run.read_record().name == "a"
    assert (elsewhere.path.is_dir(), nested.path.is_dir(), (runs_dir / "notes").is_dir()) == (True, True, True)


def test_a_run_in_use_is_not_removed(make_run: MakeRun, tmp_path: Path) -> None:
    run = with_checkpoints(make_run())
    with run.lock():
        with pytest.raises(RunError, match=f"held by process {os.getpid()}"):
            remove_run(run, runs_dir=tmp_path / "runs")
        with pytest.raises(RunError, match=f"held by process {os.getpid()}"):
            remove_checkpoints(run, keep="none", runs_dir=tmp_path / "runs")
    assert left(run) == ["1", "2", "3", "best"]


@pytest.mark.parametrize(
    ("keep", "of", "kept", "freed", "marks"),
    [
        ("best", ("completed", 2), ["3", "best"], 1000, False),  # eval takes the last
        ("best", ("completed", None), ["3"], 2000, False),
        ("best", ("interrupted", 2), ["3", "best"], 1000, False),
        ("best", ("restoring", 2), ["best"], 2000, True),  # eval takes the best
        ("best", ("restoring", None), ["3"], 2000, False),  # it ended before the first epoch did
        ("last", ("completed", 2), ["3"], 2000, True),
        ("last", ("completed", 3), ["3"], 2000, True),
        ("last", ("restoring", 2), ["3", "best"], 1000, False),
        ("last", ("interrupted", None), ["3"], 2000, False),
        ("none", ("completed", 2), [], 3000, True),
        ("none", ("failed", None), [], 3000, True),
    ],
)
def test_the_right_checkpoints_are_kept_and_the_freed_space_is_counted(
    make_run: MakeRun, keep: str, of: tuple[str, int | None], kept: list[str], freed: int, *, marks: bool
) -> None:
    status, best = of
    spec = ("~", "~")
    if status == "restoring":
        status, spec = "completed", RESTORING
    run = with_checkpoints(make_run(status=status, spec=spec, result={"test": {"accuracy": 1.0}}), best=best)
    runs_dir = run.path.parent
    before = size_of(run.checkpoints)
    trial = remove_checkpoints(run, keep=parse_keep(keep), runs_dir=runs_dir, is_trial=True)
    assert (len(left(run)), run.read_record().checkpoints_removed) == (3 + (best is not None), None)
    done = remove_checkpoints(run, keep=parse_keep(keep), runs_dir=runs_dir)
    assert done == trial
    assert (left(run), done.bytes, before - size_of(run.checkpoints)) == (kept, freed, freed)
    record = run.read_record()
    assert (record.checkpoints_removed is not None) == marks
    assert (record.status, record.result) == (status, {"test": {"accuracy": 1.0}})
    assert remove_checkpoints(run, keep=parse_keep(keep), runs_dir=runs_dir).removed == ()


def test_a_run_without_checkpoints_has_nothing_to_remove(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    assert remove_checkpoints(run, keep="none", runs_dir=tmp_path / "runs") == (run.id, (), 0)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "step-000000001").mkdir()
    run.checkpoints.symlink_to(outside)
    assert remove_checkpoints(run, keep="none", runs_dir=tmp_path / "runs").removed == ()
    assert (outside / "step-000000001").is_dir()
    refuse_removed(run)


def test_a_run_says_that_its_checkpoints_were_removed(make_run: MakeRun, tmp_path: Path) -> None:
    run = with_checkpoints(make_run(spec=RESTORING))
    refuse_removed(run, "best")
    remove_checkpoints(run, keep="best", runs_dir=tmp_path / "runs")
    refuse_removed(run, "best")
    with pytest.raises(UsageError, match=r"the last checkpoint of .* was removed by dlrun runs gc at 20") as raised:
        refuse_removed(run)
    assert f"dlrun eval {run.id} --checkpoint best" in raised.value.hint
    remove_checkpoints(run, keep="none", runs_dir=tmp_path / "runs")
    with pytest.raises(UsageError, match="the best checkpoint of") as raised:
        refuse_removed(run, "best")
    assert "this one has none" in raised.value.expected
    assert "--checkpoint" not in raised.value.hint


def test_an_unknown_value_of_keep_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot keep 'all'"):
        parse_keep("all")


def failing_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the removal of the N-th file and of all later ones fail."""
    left, unlink = [number], Disk.unlink

    def refuse(disk: Disk, path: Path) -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(errno.EIO, "Input/output error")
        unlink(disk, path)

    monkeypatch.setattr(Disk, "unlink", refuse)


def test_a_failed_removal_leaves_the_run_unchanged_or_reports_what_is_left(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = with_checkpoints(make_run())
    before = size_of(run.path)
    with monkeypatch.context() as patched:
        failing_at(1, patched)
        with pytest.raises(RunError, match="it is unchanged"):
            remove_run(run, runs_dir=tmp_path / "runs")
    assert size_of(run.path) >= before
    assert run.read_record().status == "completed"
    with monkeypatch.context() as patched:
        patched.setattr("os.access", lambda path, _mode: Path(path).name != "best")
        with pytest.raises(RunError, match="best is not writable"):
            remove_run(run, runs_dir=tmp_path / "runs")
    with monkeypatch.context() as patched:
        failing_at(3, patched)
        with pytest.raises(RunError, match="is removed, but some of its files are left") as raised:
            remove_run(run, runs_dir=tmp_path / "runs")
    assert "tries again" in raised.value.hint
    (dropped,) = (tmp_path / "runs").iterdir()
    assert dropped.name == f".drop-{run.id}"
    other = make_run("b")
    remove_run(other, runs_dir=tmp_path / "runs")  # the next command that holds a lock there
    assert list((tmp_path / "runs").iterdir()) == []


def test_files_of_a_running_removal_are_left_to_it(make_run: MakeRun, tmp_path: Path) -> None:
    run, other = make_run(), make_run("b")
    dropped = RunFolder(run.path.rename(run.path.with_name(f".drop-{run.id}")))
    with dropped.lock():
        remove_checkpoints(other, keep="best", runs_dir=tmp_path / "runs")
        assert dropped.run_json.is_file()
    remove_checkpoints(other, keep="best", runs_dir=tmp_path / "runs")
    assert not dropped.path.exists()
