"""Choose and verify the checkpoint that a name refers to.

1. Resolve the name to one folder. `final` is the best if early stopping restores it, else the last. `last` is the
   newest checkpoint that training ended with, or the newest of all while the run is still training.
2. Verify its files against its manifest (`training/checkpoints/checkpoint.py`).
3. Compare its manifest with the checksum that training stored in `run.json`. A run of an earlier version has none; for
   its last checkpoint, compare the weights with `weights_sha256` instead.

If any of this fails, the error names another checkpoint that is valid, and the option to use it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from dlrun.errors import CheckpointError, RunError, UsageError
from dlrun.runs.arrays import ArraySpec
from dlrun.runs.folder import RunFolder
from dlrun.runs.record import RunRecord
from dlrun.runs.removal import refuse_removed
from dlrun.runs.sums import manifest_sum
from dlrun.system.staging import settled_names
from dlrun.training.checkpoints.checkpoint import BEST, Checkpoint, read_checkpoint, step_name
from dlrun.training.state import TrainingState

FINAL, LAST = "final", "last"

Specs = Mapping[str, ArraySpec]


@dataclass(frozen=True)
class Restored:
    """The name of a checkpoint, and its content."""

    name: str
    checkpoint: Checkpoint


def read_wanted(folder: RunFolder, name: str, *, ends_with_best: bool, expected: Specs) -> Restored:
    """Read and verify the checkpoint that a name refers to.

    Args:
        folder: The run.
        name: `final`, `last`, `best`, or a checkpoint's name.
        ends_with_best: Whether the run ends with its best checkpoint.
        expected: The arrays of the model that will take it; the model's own are in the model's order.

    Returns:
        The checkpoint and its name.

    Raises:
        UsageError: There is no such checkpoint, or `dlrun runs gc` has removed it.
        CheckpointError: The checkpoint is missing, damaged, or not the one that training wrote.
        RunError: The checkpoint belongs to another model.
    """
    record, there = folder.read_record(), _names(folder)
    taken = checkpoint_named(folder, name, ends_with_best=ends_with_best)
    with _others_named(folder, there - {taken}, expected):
        checkpoint = read_checkpoint(folder.checkpoints / taken, expected=expected)
        state = TrainingState.from_json(checkpoint.state.get("training", {}))
        if name == FINAL and ends_with_best and taken != BEST and state.best is not None:
            raise CheckpointError(f"{folder.best} is missing", expected=f"the checkpoint of step {state.best.step}")
        _check_place(folder.checkpoints / taken, state)
        _check_left(folder, record, Restored(taken, checkpoint), expected, is_last=name in (FINAL, LAST))
    return Restored(taken, checkpoint)


def checkpoint_named(folder: RunFolder, name: str, *, ends_with_best: bool) -> str:
    """Return the name of the folder that a checkpoint's name refers to.

    Args:
        folder: The run.
        name: `final`, `last`, `best`, or a checkpoint's name.
        ends_with_best: Whether the run ends with its best checkpoint.

    Raises:
        UsageError: There is no such checkpoint, or `dlrun runs gc` has removed it.
    """
    record, there = folder.read_record(), _names(folder)
    known = {*there, *record.checkpoints_sha256}
    wants_best = name == BEST or (name == FINAL and ends_with_best and (BEST in known or record.best is not None))
    if name == FINAL and wants_best:
        refuse_removed(folder, BEST)
    if wants_best:
        return BEST
    if name in (FINAL, LAST):
        return _newest(folder, record, there)
    if name in known:
        return name
    raise UsageError(f"the run has no checkpoint {name!r}", expected="one of " + ", ".join((LAST, *sorted(there))))


def check_step(path: Path, state: TrainingState) -> None:
    """Check that a step checkpoint is in the folder named after its step.

    Args:
        path: The folder of the checkpoint.
        state: The training state in it.

    Raises:
        CheckpointError: The folder is named after another step.
    """
    if step_name(state.step) != path.name:
        raise CheckpointError(f"{path} is of step {state.step}", expected="the folder's original name")


def _check_place(path: Path, state: TrainingState) -> None:
    if path.name != BEST:
        check_step(path, state)
    elif state.best is None or state.best.step != state.step:
        best = "none yet" if state.best is None else f"that of step {state.best.step}"
        raise CheckpointError(
            f"{path} is the checkpoint of step {state.step}, but the best at that step was {best}",
            expected="the folder that training wrote",
        )


def _check_left(folder: RunFolder, record: RunRecord, found: Restored, expected: Specs, *, is_last: bool) -> None:
    """Compare a checkpoint with the checksums that training stored in `run.json`.

    Raises:
        CheckpointError: It is not the checkpoint that training wrote.
    """
    path, kept = folder.checkpoints / found.name, record.checkpoints_sha256.get(found.name)
    if kept is not None:
        if manifest_sum(path) != kept:
            raise CheckpointError(
                f"{path} is not the checkpoint that training wrote: its manifest has another sha256",
                expected=f"{kept}, as in {folder.run_json.name}",
            )
        return
    if not is_last or found.name == BEST or record.status != "completed" or record.weights_sha256 is None:
        return
    digest = sha256()
    for name in expected:
        if name.startswith("model/"):
            digest.update(found.checkpoint.arrays[name].tobytes())
    if digest.hexdigest() != record.weights_sha256:
        raise CheckpointError(
            f"{path} does not hold the weights that training ended with: their sha256 is {digest.hexdigest()}",
            expected=f"{record.weights_sha256}, as in {folder.run_json.name}",
        )


def _newest(folder: RunFolder, record: RunRecord, there: Iterable[str]) -> str:
    """Return the name of the newest step checkpoint, or after the end of training the newest that it ended with.

    Raises:
        UsageError: There is none.
    """
    steps = _steps(record.checkpoints_sha256) or _steps(there)
    if not steps or not _steps(there):
        refuse_removed(folder)
    if not steps:
        raise UsageError(f"the run {folder.id} has no checkpoint", hint="it ended before its first one: dlrun resume")
    return steps[0]


def _steps(names: Iterable[str]) -> list[str]:
    """Return the names of step checkpoints, newest first."""
    steps = [name for name in names if re.fullmatch("step-[0-9]+", name)]
    return sorted(steps, key=lambda name: (int(name.removeprefix("step-")), name), reverse=True)


def _names(folder: RunFolder) -> set[str]:
    try:
        return {name for name in settled_names(folder.checkpoints) if not name.startswith(".")}
    except OSError:
        return set()


@contextmanager
def _others_named(folder: RunFolder, others: Iterable[str], expected: Specs) -> Iterator[None]:
    """Add to a checkpoint error which other checkpoint is valid, or that none is.

    Raises:
        CheckpointError: The same error, with a hint.
    """
    try:
        yield
    except CheckpointError as error:
        names = [*_steps(others), *({BEST} & {*others})]
        sound = next((name for name in names if _is_sound(folder.checkpoints / name, expected)), None)
        # `best` may be a hard link to the files of a step checkpoint: then damage to one is damage to both.
        again = f"no other checkpoint is valid; dlrun train {folder.spec_yaml} trains the model again"
        hint = f"{sound} is valid: --checkpoint {sound}" if sound is not None else again
        raise CheckpointError(error.what, expected=error.expected, hint=hint) from error


def _is_sound(path: Path, expected: Specs) -> bool:
    try:
        read_checkpoint(path, expected=expected)
    except RunError:
        return False
    return True
