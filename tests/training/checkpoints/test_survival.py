"""Checkpoints survive failing disk operations and kills; these tests import only numpy."""

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import RunError
from dlrun.system.disk import Disk
from dlrun.system.staging import staged_place
from dlrun.training.checkpoints.checkpoint import (
    Checkpoint,
    newest_valid,
    prune,
    read_checkpoint,
    set_best,
    step_name,
    write_checkpoint,
)

OPERATIONS = (
    *("open", "read", "write", "truncate", "fsync", "close", "mkdir"),
    *("rename", "link", "unlink", "rmdir", "names", "size"),
)
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS)


class Killed(BaseException):
    """Simulates `kill -9`: nothing of the program runs afterwards, so every later operation raises it again."""


class Faults:
    """Replaces the disk: the N-th operation raises, and with `lasting` all later ones do too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.count, self.lasting = 0, 0, False
        self.error: Callable[[], BaseException] = Killed
        for name in OPERATIONS:
            monkeypatch.setattr(Disk, name, self._faulty(name, getattr(Disk, name)))

    def arm(self, at: int, error: Callable[[], BaseException], *, lasting: bool) -> None:
        self.at, self.count, self.error, self.lasting = at, 0, error, lasting

    def disarm(self) -> None:
        self.at = 0

    @property
    def fired(self) -> bool:
        return 0 < self.at <= self.count

    def _faulty(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(disk: Disk, *arguments: Any) -> Any:
            self.count += 1
            if self.at and (self.count == self.at or (self.lasting and self.count > self.at)):
                if name == "close":
                    real(disk, *arguments)  # or the test would run out of files
                if name == "write" and self.count == self.at:
                    handle, data = arguments
                    real(disk, handle, data[: len(data) // 2])
                raise self.error()
            # A killed process loses nothing that the system has: waiting for the disk would only slow the test.
            return None if name == "fsync" else real(disk, *arguments)

        return operation


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(monkeypatch)


def write(parent: Path, step: int, *, value: int, is_best: bool = False) -> Path:
    arrays = {"dense/kernel": np.full((3, 4), value, np.float32), "iterations": np.array(value)}
    return write_checkpoint(parent, step_name(step), arrays=arrays, state={"value": value}, is_best=is_best)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def value_of(checkpoint: Checkpoint) -> int:
    value = int(checkpoint.state["value"])
    assert np.array_equal(checkpoint.arrays["dense/kernel"], np.full((3, 4), value, np.float32))
    assert checkpoint.arrays["iterations"] == value
    assert len(checkpoint.arrays) == 2
    return value


def newest_value(parent: Path) -> int:
    found = newest_valid(parent)
    assert found is not None
    assert found.skipped == ()
    return value_of(found.checkpoint)


def save_next_step(parent: Path) -> None:
    write(parent, 2, value=20)
    set_best(parent, step_name(2))
    prune(parent, keep=1)


def save_same_step(parent: Path) -> None:
    write(parent, 1, value=20)


def save_next_step_as_best(parent: Path) -> None:
    write(parent, 2, value=20, is_best=True)
    prune(parent, keep=1)


SAVES = pytest.mark.parametrize("save", [save_next_step, save_next_step_as_best, save_same_step])


@pytest.fixture
def fresh(tmp_path: Path, faults: Faults) -> Iterator[Callable[[], Path]]:
    """Creates a folder with one checkpoint with the value 10, which is also the best."""
    faults.disarm()
    template = tmp_path / "template"
    write(template, 1, value=10)
    set_best(template, step_name(1))

    def make() -> Path:
        shutil.rmtree(tmp_path / "work", ignore_errors=True)
        return shutil.copytree(template, tmp_path / "work")

    yield make
    faults.disarm()


def assert_sound(parent: Path, *, reached: int | None = None) -> None:
    """Check that exactly the old or the new checkpoint exists, and that the next save leaves no other files."""
    value = newest_value(parent)
    assert value in {10, 20}
    assert reached is None or value >= reached
    assert value_of(read_checkpoint(parent / "best")) in {10, 20}
    for path in parent.glob("step-*"):
        assert value_of(read_checkpoint(path)) in {10, 20}
    write(parent, 3, value=30)
    assert newest_value(parent) == 30
    assert list(parent.glob(".*")) == []


@SAVES
@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_every_failing_operation_leaves_the_old_or_the_new_checkpoint(
    fresh: Callable[[], Path], faults: Faults, save: Callable[[Path], None], code: int, *, lasting: bool
) -> None:
    for at in range(1, 1000):
        parent = fresh()
        faults.arm(at, lambda: OSError(code, os.strerror(code)), lasting=lasting)
        try:
            save(parent)
        except RunError as error:
            assert "\n" not in error.what  # noqa: PT017  (what else is raised fails the test)
            assert "cannot " in error.what  # noqa: PT017
        passed = not faults.fired
        faults.disarm()
        assert_sound(parent, reached=20 if passed else None)
        if passed:
            assert at > 20
            return
    pytest.fail("the save never passed")


@SAVES
def test_a_kill_at_any_operation_leaves_the_old_or_the_new_checkpoint(
    fresh: Callable[[], Path], faults: Faults, save: Callable[[Path], None]
) -> None:
    for at in range(1, 1000):
        parent = fresh()
        faults.arm(at, Killed, lasting=True)
        try:
            save(parent)
        except Killed:
            faults.disarm()
            assert_sound(parent)
        else:
            faults.disarm()
            assert_sound(parent, reached=20)
            assert at > 20
            return
    pytest.fail("the save never passed")


@SAVES
def test_a_second_kill_during_recovery_leaves_a_valid_checkpoint(
    fresh: Callable[[], Path], faults: Faults, save: Callable[[Path], None]
) -> None:
    moments = random.Random(0)
    for _ in range(150):
        parent = fresh()
        for at in (moments.randint(1, 60), moments.randint(1, 60)):
            faults.arm(at, Killed, lasting=True)
            try:
                save(parent)
            except Killed:
                pass
            finally:
                faults.disarm()
            assert newest_value(parent) in {10, 20}
        assert_sound(parent)


@pytest.mark.parametrize("at", range(1, 20))
def test_pruning_recovers_from_a_killed_write(fresh: Callable[[], Path], faults: Faults, at: int) -> None:
    parent = fresh()
    write(parent, 2, value=20)
    faults.arm(at, Killed, lasting=True)
    with pytest.raises(Killed):
        write(parent, 1, value=20)
    faults.disarm()
    assert [path.name for path in prune(parent, keep=1)] == [step_name(1)]
    assert names_in(parent) == ["best", step_name(2)]


def test_the_space_of_a_half_written_checkpoint_is_freed_on_a_full_disk(
    fresh: Callable[[], Path], faults: Faults
) -> None:
    parent = fresh()
    faults.arm(12, lambda: OSError(errno.ENOSPC, "No space left on device"), lasting=False)
    with pytest.raises(RunError, match="the disk is full") as raised:
        save_next_step(parent)
    assert "free some space" in raised.value.hint
    assert names_in(parent) == ["best", step_name(1)]


def test_everything_is_on_the_disk_before_the_commit_and_the_commit_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: dict[int, Path] = {}
    trace: list[tuple[str, str]] = []
    real_open, real_rename = Disk.open, Disk.rename

    def opened(disk: Disk, path: Path, flags: int) -> int:
        handle = real_open(disk, path, flags)
        paths[handle] = path
        return handle

    def renamed(disk: Disk, source: Path, target: Path) -> None:
        trace.append(("rename", source.name))
        real_rename(disk, source, target)

    def synced(_disk: Disk, handle: int) -> None:
        trace.append(("sync", paths[handle].name))

    monkeypatch.setattr(Disk, "open", opened)
    monkeypatch.setattr(Disk, "rename", renamed)
    monkeypatch.setattr(Disk, "fsync", synced)
    parent = tmp_path / "checkpoints"
    parent.mkdir()
    write(parent, 1, value=10)
    staged = staged_place(parent / step_name(1)).name
    commit = trace.index(("rename", staged))
    assert [name for _, name in trace[:commit]] == ["arrays.safetensors", "state.json", "manifest.json", staged]
    assert trace[commit + 1 :] == [("sync", "checkpoints")]
