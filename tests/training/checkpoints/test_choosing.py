"""Names of checkpoints refer to the requested checkpoint, or cause an error."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import CheckpointError, UsageError
from dlrun.runs.arrays import ArraySpec
from dlrun.runs.folder import RunFolder
from dlrun.runs.sums import checkpoint_sums
from dlrun.training.checkpoints.checkpoint import set_best, step_name, write_checkpoint
from dlrun.training.checkpoints.choosing import read_wanted
from dlrun.training.state import Best, TrainingState

EXPECTED = {"model/b": ArraySpec((2,), "float32"), "model/a": ArraySpec((), "int64")}
MEMBERS = ("arrays.safetensors", "state.json", "manifest.json")


def write(folder: RunFolder, step: int, *, best: int | None) -> None:
    arrays = {"model/a": np.array(step), "model/b": np.full(2, step, np.float32)}
    reached = None if best is None else Best("val_loss", 1.0, best, best)
    state = TrainingState(epoch=step, step=step, best=reached)
    write_checkpoint(folder.checkpoints, step_name(step), arrays=arrays, state={"training": state.to_json()})
    if best == step:
        set_best(folder.checkpoints, step_name(step))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Return a run of three epochs of one step, as training leaves it; the second epoch is the best."""
    folder = RunFolder.create(tmp_path, name="x")
    write(folder, 2, best=2)
    write(folder, 3, best=2)
    best: dict[str, Any] = {"metric": "val_loss", "value": 1.0, "epoch": 2, "step": 2}
    digest = hashlib.sha256(np.full(2, 3, np.float32).tobytes() + np.array(3).tobytes()).hexdigest()
    sums = checkpoint_sums(folder.checkpoints)
    folder.update_record(status="completed", best=best, weights_sha256=digest, checkpoints_sha256=sums)
    return folder


def taken(folder: RunFolder, name: str = "final", *, ends_with_best: bool = False) -> tuple[str, int]:
    found = read_wanted(folder, name, ends_with_best=ends_with_best, expected=EXPECTED)
    return found.name, int(found.checkpoint.arrays["model/a"])


def older_version(folder: RunFolder) -> None:
    folder.update_record(checkpoints_sha256={})


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))


def test_each_name_refers_to_one_checkpoint(run: RunFolder) -> None:
    for _ in range(2):
        assert taken(run) == taken(run, "last") == taken(run, step_name(3)) == (step_name(3), 3)
        assert taken(run, ends_with_best=True) == taken(run, "best") == ("best", 2)
        assert taken(run, step_name(2)) == (step_name(2), 2)
        older_version(run)
    with pytest.raises(UsageError, match="no checkpoint 'step-7'"):
        taken(run, "step-7")


@pytest.mark.parametrize("kept", [True, False], ids=["with sums", "of an older version"])
@pytest.mark.parametrize("part", [*MEMBERS, ""])
@pytest.mark.parametrize("name", ["final", "last"])
def test_an_older_checkpoint_never_replaces_the_last(run: RunFolder, part: str, name: str, *, kept: bool) -> None:
    last = run.checkpoints / step_name(3)
    if part:
        flip(last / part)
    else:
        shutil.rmtree(last)
    if not kept:
        older_version(run)
    with pytest.raises(
        CheckpointError, match=step_name(3) if kept or part else "weights that training ended"
    ) as raised:
        taken(run, name)
    sound = step_name(2) if kept or part else "best"  # the older one itself is not what training ended with
    assert raised.value.hint == f"{sound} is valid: --checkpoint {sound}"
    assert taken(run, sound)[1] == 2


@pytest.mark.parametrize("kept", [True, False], ids=["with sums", "of an older version"])
@pytest.mark.parametrize("damage", ["flipped", "missing", "replaced"])
def test_another_checkpoint_never_replaces_the_best(run: RunFolder, damage: str, *, kept: bool) -> None:
    if damage == "flipped":
        flip(run.best / "arrays.safetensors")
    else:
        shutil.rmtree(run.best)
    if damage == "replaced":
        shutil.copytree(run.checkpoints / step_name(3), run.best)
    if not kept:
        older_version(run)
    for name in ("best", "final"):
        with pytest.raises(CheckpointError, match="best") as raised:
            taken(run, name, ends_with_best=True)
        assert f"--checkpoint {step_name(3)}" in raised.value.hint


def test_a_valid_checkpoint_with_other_weights_is_not_the_last(run: RunFolder) -> None:
    shutil.rmtree(run.checkpoints / step_name(3))
    state = TrainingState(epoch=3, step=3, best=Best("val_loss", 1.0, 2, 2))
    arrays = {"model/a": np.array(3), "model/b": np.full(2, 9, np.float32)}
    write_checkpoint(run.checkpoints, step_name(3), arrays=arrays, state={"training": state.to_json()})
    with pytest.raises(CheckpointError, match="not the checkpoint that training wrote"):
        taken(run)
    older_version(run)
    with pytest.raises(CheckpointError, match="does not hold the weights"):
        taken(run)
    run.update_record(status="running")  # it goes on: what it ends with is not known yet
    assert taken(run)[0] == step_name(3)


def test_a_missing_best_is_an_error_even_if_only_the_last_checkpoint_mentions_it(run: RunFolder) -> None:
    run.update_record(status="running", best=None, checkpoints_sha256={}, weights_sha256=None)
    shutil.rmtree(run.best)
    with pytest.raises(CheckpointError, match="best is missing"):
        taken(run, ends_with_best=True)
    assert taken(run)[0] == step_name(3)


def test_a_run_that_ended_before_its_first_best_ends_with_its_last(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    write(folder, 1, best=None)
    folder.update_record(status="completed", checkpoints_sha256=checkpoint_sums(folder.checkpoints))
    assert taken(folder, ends_with_best=True) == (step_name(1), 1)


def test_if_no_checkpoint_is_valid_the_error_says_how_to_train_again(run: RunFolder) -> None:
    for name in (step_name(2), step_name(3)):  # best is a second name of the first of them
        flip(run.checkpoints / name / "arrays.safetensors")
    for name in ("final", "best"):
        with pytest.raises(CheckpointError) as raised:
            taken(run, name)
        assert "no other checkpoint is valid" in raised.value.hint
        assert f"dlrun train {run.spec_yaml}" in raised.value.hint
