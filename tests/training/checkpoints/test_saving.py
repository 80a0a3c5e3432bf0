"""Checkpoints are written at the right time, and a kill at any moment loses nothing; the training is simulated."""

import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlrun.errors import CheckpointError, RunError
from dlrun.runs.arrays import Array, ArraySpec, array_spec
from dlrun.runs.folder import RunFolder
from dlrun.spec.types import Training
from dlrun.system.disk import Disk
from dlrun.training.checkpoints.checkpoint import newest_valid, read_checkpoint, step_name, write_checkpoint
from dlrun.training.checkpoints.saving import Saver
from dlrun.training.state import TrainingState, judge_best

SCORES = (9.0, 5.0, 4.0, 6.0, 3.0, 7.0, 2.5, 8.0, 9.0, 2.0, 2.2, 2.1, 1.0, 3.0)
"""Of each epoch; the smaller the better. Some of the best are not written at once."""
OPERATIONS = ("open", "read", "write", "truncate", "fsync", "mkdir", "rename", "link", "unlink", "rmdir", "names")
ALONE: Any = SimpleNamespace(chiefs=lambda number: number, cluster=SimpleNamespace(is_chief=True))


class Killed(BaseException):
    """Simulates `kill -9`."""


class Values(dict[str, Array]):
    asked: Callable[[], object] = staticmethod(lambda: None)

    def specs(self) -> dict[str, ArraySpec]:
        self.asked()
        return {name: array_spec(array) for name, array in self.items()}


class Clock:
    """A clock: a second per epoch, a tenth per write, and a hundredth per look at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now

    def write(self, seconds: float = 0.1) -> None:
        self.now += seconds


def train(folder: RunFolder) -> None:
    """Start, or resume from the newest checkpoint, and train to the end."""
    values = Values({"model/w": np.zeros(3), "optimizer/m": np.ones((), np.float32)})
    state, clock = TrainingState(), Clock()
    values.asked = clock.write
    saver = Saver(lambda: values, folder, replicas=ALONE, training=Training(), clock=clock)
    found = newest_valid(folder.checkpoints)
    if found is None:
        folder.history.cut(0)
    else:
        values.update(found.checkpoint.arrays)
        state = TrainingState.from_json(found.checkpoint.state["training"])
        folder.history.cut(found.checkpoint.state["metrics_bytes"], digest=found.checkpoint.state["metrics_sha256"])
        saver.resumed(state, needs_best=True)
    for epoch in range(state.epoch + 1, len(SCORES) + 1):
        values["model/w"] = values["model/w"] * 1.25 + epoch
        values["optimizer/m"] = values["optimizer/m"] * np.float32(0.5)
        clock.now += 1.0
        ended = replace(state, epoch=epoch, step=2 * epoch)
        state, before = judge_best(ended, "loss", SCORES[epoch - 1], larger_is_better=False), state
        folder.append_metrics({"epoch": epoch, "loss": SCORES[epoch - 1]}, sync=False)
        saver.end_epoch(state, is_best=state.best != before.best)
    saver.save(state)


def outcome(folder: RunFolder) -> Any:
    found = newest_valid(folder.checkpoints)
    assert found is not None
    assert found.skipped == ()
    read = {"last": found.checkpoint, "best": read_checkpoint(folder.best)}
    rows = folder.metrics_jsonl.read_text(), folder.metrics_csv.read_text()
    return rows, {
        name: (each.state, {key: array.tobytes() for key, array in each.arrays.items()}) for name, each in read.items()
    }


def assert_rule(folder: RunFolder) -> None:
    """Check that the best that the newest checkpoint knows of is that checkpoint, or is on the disk as `best`."""
    found = newest_valid(folder.checkpoints)
    if found is not None:
        state = TrainingState.from_json(found.checkpoint.state["training"])
        assert state.best is not None
        if state.best.step != state.step:
            assert read_checkpoint(folder.best).state["training"]["step"] == state.best.step


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], RunFolder]:
    def make() -> RunFolder:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        (tmp_path / "run").mkdir()
        return RunFolder(tmp_path / "run")

    return make


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[int]]]:
    """Make the N-th disk operation the last one, half done; do not wait for the disk."""
    left = [0]

    def faulty(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(disk: Disk, *arguments: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and name == "write":
                real(disk, arguments[0], arguments[1][: len(arguments[1]) // 2])
            if -10_000 < left[0] <= 0:
                raise Killed
            return None if name == "fsync" else real(disk, *arguments)

        return operation

    for name in OPERATIONS:
        monkeypatch.setattr(Disk, name, faulty(name, getattr(Disk, name)))

    def arm(number: int) -> list[int]:
        left[0] = number
        return left

    arm(10**6)
    yield arm
    arm(10**6)


def test_a_training_killed_at_any_moment_ends_with_the_same_result(
    fresh: Callable[[], RunFolder], kill_at: Callable[[int], list[int]]
) -> None:
    whole = fresh()
    left = kill_at(10**6)
    train(whole)
    expected, operations = outcome(whole), 10**6 - left[0]
    assert operations > 200
    moments = random.Random(0)
    unwritten = 0
    for at in itertools.chain(range(1, operations, 13), (0,) * 8):
        folder = fresh()
        for kill in (at, moments.randint(1, operations // 2)) if at else moments.choices(range(1, operations), k=3):
            kill_at(kill)
            try:
                train(RunFolder(folder.path))
            except Killed:
                kill_at(10**6)
                assert_rule(folder)
                unwritten += folder.checkpoints.is_dir() and len(RunFolder(folder.path).history.read()) > 3
        kill_at(10**6)
        train(RunFolder(folder.path))
        assert outcome(RunFolder(folder.path)) == expected
    assert unwritten > 10


def test_very_short_epochs_are_not_all_written_and_the_best_stays_in_memory(
    fresh: Callable[[], RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def counted(parent: Path, name: str, **content: Any) -> Path:
        written.append(name)
        return write_checkpoint(parent, name, **content)

    monkeypatch.setattr("dlrun.training.checkpoints.saving.write_checkpoint", counted)
    folder = fresh()
    train(folder)
    assert len(written) < len(SCORES)
    assert written[-2:] == [step_name(26), step_name(28)]  # the best, which waited in memory, before what knows of it
    assert (folder.best / "state.json").stat().st_nlink == 2
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == ["best", step_name(26), step_name(28)]


def test_checkpoints_and_copies_take_little_time_even_if_every_epoch_is_the_best(
    fresh: Callable[[], RunFolder],
) -> None:
    class Slow(Values):
        def __getitem__(self, name: str) -> Array:
            clock.now += 0.25
            return super().__getitem__(name)

    clock, state, spent = Clock(), TrainingState(), 0.0
    values, folder = Slow({"model/w": np.zeros(3)}), fresh()
    values.asked = partial(clock.write, 1.0)
    saver = Saver(lambda: values, folder, replicas=ALONE, training=Training(), clock=clock)
    for epoch in range(1, 301):
        clock.now += 10.0
        state, _ = judge_best(replace(state, epoch=epoch, step=epoch), "loss", -epoch, larger_is_better=False), state
        began = clock.now
        saver.end_epoch(state, is_best=True)
        spent += clock.now - began
    assert 0.02 < spent / clock.now < 0.045
    found = newest_valid(folder.checkpoints)
    assert found is not None  # copies do not put a write off for ever
    assert found.checkpoint.state["training"]["step"] > 100


def test_a_damaged_best_that_is_needed_is_an_error_before_training_continues(fresh: Callable[[], RunFolder]) -> None:
    folder = fresh()
    train(folder)
    state = TrainingState.from_json(read_checkpoint(folder.checkpoints / step_name(28)).state["training"])
    saver = Saver(Values, folder, replicas=ALONE, training=Training())
    shutil.rmtree(folder.best)
    saver.resumed(state, needs_best=True)  # its step checkpoint is still there
    assert read_checkpoint(folder.best).state["training"]["step"] == 26
    for path in (folder.best, folder.checkpoints / step_name(26)):
        shutil.rmtree(path)
    saver.resumed(state, needs_best=False)
    with pytest.raises(CheckpointError, match="the best checkpoint, which the run ends with, cannot be used"):
        saver.resumed(state, needs_best=True)


def test_a_variable_that_is_not_finite_is_never_written(fresh: Callable[[], RunFolder]) -> None:
    folder, values = fresh(), Values({"model/w": np.array([1.0, np.nan]), "metrics/auc": np.array([np.nan])})
    saver = Saver(lambda: values, folder, replicas=ALONE, training=Training())
    with pytest.raises(RunError, match="the variable model/w is NaN or infinite after step 2"):
        saver.save(TrainingState(epoch=1, step=2))
    assert list(folder.checkpoints.iterdir()) == []
    values["model/w"] = np.zeros(2)
    saver.save(TrainingState(epoch=1, step=2))


def test_writing_a_checkpoint_holds_one_array_at_a_time(fresh: Callable[[], RunFolder]) -> None:
    import tracemalloc

    class Made(Values):
        def __getitem__(self, name: str) -> Array:
            return np.zeros(250_000, np.float32)

        def specs(self) -> dict[str, ArraySpec]:
            return {f"model/{number}": ArraySpec((250_000,), "float32") for number in range(20)}

    saver = Saver(Made, fresh(), replicas=ALONE, training=Training())
    tracemalloc.start()
    saver.save(TrainingState(epoch=1, step=2))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000  # of 20 MB
