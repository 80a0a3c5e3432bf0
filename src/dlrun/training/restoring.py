"""A run's checkpoint into an assembled model: the newest sound one, or the one that is asked for."""

from __future__ import annotations

import keras

from dlrun.runs.folder import RunFolder
from dlrun.spec.types import Spec
from dlrun.training.checkpoints.checkpoint import newest_valid
from dlrun.training.checkpoints.choosing import Restored, check_step, read_wanted
from dlrun.training.progress.events import WARNING, Listener, Note
from dlrun.training.setup import TrainingSetup
from dlrun.training.state import TrainingState
from dlrun.training.variables import array_specs, assign_arrays, average_variables, keeps_averages

MODEL, EVERYTHING = ("model",), ("model", "optimizer", "metrics")


def read_newest(assembly: TrainingSetup, folder: RunFolder, listener: Listener) -> Restored | None:
    """The newest checkpoint that verifies, for training to go on from; None if none was ever written.

    Raises:
        CheckpointError: There are some, and none verifies; or the newest is not of the step that it is named after.
        RunError: The newest sound one is not of this model.
    """
    found = newest_valid(folder.checkpoints, expected=array_specs(assembly.compiled.model, parts=EVERYTHING))
    if found is None:
        return None
    for path, reason in found.skipped:
        listener(
            Note(
                WARNING, f"{path.name} cannot be used, and what was trained since the one before is repeated: {reason}"
            )
        )
    check_step(found.path, TrainingState.from_json(found.checkpoint.state.get("training", {})))
    return Restored(found.path.name, found.checkpoint)


def restore_model(spec: Spec, model: keras.Model, folder: RunFolder, name: str, listener: Listener) -> str:
    """Give a model the variables that a run ended with, or those of one checkpoint.

    Args:
        spec: Of the run.
        model: Compiled for it.
        folder: The run.
        name: `final` (the best if early stopping restores it, else the last), `last`, `best`, or a checkpoint's name.
        listener: Told which checkpoint it was.

    Returns:
        The checkpoint's name.

    Raises:
        UsageError: There is no such checkpoint.
        CheckpointError: It is missing, damaged, or not the one that training left.
        RunError: It is not of this model.
    """
    # The optimizer's variables are of no use to a model that only predicts, except for averages of the weights.
    parts = ("model", "optimizer") if keeps_averages(model) else MODEL
    stopping, expected = spec.training.early_stopping, array_specs(model, parts=parts)
    ends_with_best = stopping is not None and stopping.restore_best
    found = read_wanted(folder, name, ends_with_best=ends_with_best, expected=expected)
    # A run in float16 has an optimizer that scales losses around its own, of which a model that predicts has no need.
    wanted = {name: array for name, array in found.checkpoint.arrays.items() if name in expected}
    assign_arrays(model, wanted, parts=parts)
    if keeps_averages(model):
        average_variables(model)
    listener(Note("checkpoint", str(folder.checkpoints / found.name)))
    return found.name
