"""A run's checkpoint into an assembled model: the newest sound one, or the one that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras

from dlrun.errors import CheckpointError, RunError, UsageError
from dlrun.files.staging import identity
from dlrun.runs.arrays import ArraySpec
from dlrun.runs.folder import RunFolder
from dlrun.runs.removal import refuse_removed
from dlrun.spec.types import Spec
from dlrun.training.assembly import Assembly
from dlrun.training.checkpoint import BEST, Checkpoint, newest_valid, read_checkpoint, step_name
from dlrun.training.progress import Listener, Note
from dlrun.training.state import TrainingState
from dlrun.training.variables import array_specs, assign_arrays, average_variables, keeps_averages

MODEL, EVERYTHING = ("model",), ("model", "optimizer", "metrics")


@dataclass(frozen=True)
class Restored:
    """The name of a checkpoint, and what it holds."""

    name: str
    checkpoint: Checkpoint


def read_newest(assembly: Assembly, folder: RunFolder, listener: Listener) -> Restored | None:
    """The newest checkpoint that verifies, for training to go on from; None if none was ever written.

    Raises:
        CheckpointError: There are some, and none verifies; or the newest is not of the step that it is named after.
        RunError: The newest sound one is not of this model.
    """
    found = newest_valid(folder.checkpoints, expected=array_specs(assembly.compiled.model, parts=EVERYTHING))
    if found is None:
        return None
    for path, reason in found.skipped:
        listener(Note("skipped", f"{path.name}: {reason}"))
    state = TrainingState.from_json(found.checkpoint.state.get("training", {}))
    if step_name(state.step) != found.path.name:
        raise CheckpointError(f"{found.path} is of step {state.step}", expected="a folder that nobody has renamed")
    return Restored(found.path.name, found.checkpoint)


def restore_model(spec: Spec, model: keras.Model, folder: RunFolder, name: str, listener: Listener) -> None:
    """Give a model the variables that a run ended with, or those of one checkpoint.

    Args:
        spec: Of the run.
        model: Compiled for it.
        folder: The run.
        name: `final` (the best if early stopping restores it, else the last), `last`, `best`, or a checkpoint's name.
        listener: Told which checkpoint it was, and which were skipped.

    Raises:
        UsageError: There is no such checkpoint.
        CheckpointError: It is damaged.
        RunError: It is not of this model.
    """
    if name == "final":
        if _ends_with_best(spec):
            refuse_removed(folder, BEST)
        # Time may have run out before the first epoch's end, and with it the first best.
        name = BEST if _ends_with_best(spec) and identity(folder.best) is not None else "last"
    # The optimizer's variables are of no use to a model that only predicts, except for averages of the weights.
    parts = ("model", "optimizer") if keeps_averages(model) else MODEL
    expected = array_specs(model, parts=parts)
    there = sorted(entry.name for entry in folder.checkpoints.glob("[!.]*")) if folder.checkpoints.is_dir() else []
    if name == "last":
        with _others_named(folder, {BEST} & {*there}, expected):
            found = newest_valid(folder.checkpoints, expected=expected)
        if found is None:
            refuse_removed(folder)
            raise UsageError(f"the run {folder.id} has no checkpoint", hint="it ended before the first: dlrun resume")
        for path, reason in found.skipped:
            listener(Note("skipped", f"{path.name}: {reason}"))
        name, checkpoint = found.path.name, found.checkpoint
    elif name in there or name == BEST:
        with _others_named(folder, {*there} - {name}, expected):
            checkpoint = read_checkpoint(folder.checkpoints / name, expected=expected)
    else:
        raise UsageError(f"the run has no checkpoint {name!r}", expected="one of " + ", ".join(("last", *there)))
    # A run in float16 has an optimizer that scales losses around its own, of which a model that predicts has no need.
    wanted = {name: array for name, array in checkpoint.arrays.items() if name in expected}
    assign_arrays(model, wanted, parts=parts)
    if keeps_averages(model):
        average_variables(model)
    listener(Note("checkpoint", str(folder.checkpoints / name)))


@contextmanager
def _others_named(folder: RunFolder, others: Iterable[str], expected: Mapping[str, ArraySpec]) -> Iterator[None]:
    """Let an error about a damaged checkpoint say which other one is sound.

    Raises:
        CheckpointError: As it was, with the hint.
    """
    try:
        yield
    except CheckpointError as error:
        names = sorted(others, reverse=True)  # the newest step first
        sound = next((name for name in names if _is_sound(folder.checkpoints / name, expected)), None)
        if sound is None:
            raise
        hint = f"{sound} is sound: --checkpoint {sound}"
        raise CheckpointError(error.what, expected=error.expected, hint=hint) from error


def _is_sound(path: Path, expected: Mapping[str, ArraySpec]) -> bool:
    try:
        read_checkpoint(path, expected=expected)
    except RunError:
        return False
    return True


def _ends_with_best(spec: Spec) -> bool:
    return spec.training.early_stopping is not None and spec.training.early_stopping.restore_best
