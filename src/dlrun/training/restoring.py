"""Restore a checkpoint of a run into its model: the newest valid one, or one chosen by name."""

from __future__ import annotations

import keras

from dlrun.runs.folder import RunFolder
from dlrun.spec.types import Spec
from dlrun.training.checkpoints.checkpoint import Checkpoint, newest_valid
from dlrun.training.checkpoints.choosing import Restored, check_step, read_wanted
from dlrun.training.progress.events import WARNING, Listener, Note
from dlrun.training.setup import TrainingSetup
from dlrun.training.state import TrainingState
from dlrun.training.variables import array_specs, assign_arrays, average_variables, keeps_averages

MODEL, EVERYTHING = ("model",), ("model", "optimizer", "metrics")


def read_newest(setup: TrainingSetup, folder: RunFolder, listener: Listener) -> Restored | None:
    """Return the newest valid checkpoint, to resume from; None if the run has not written one yet.

    Args:
        setup: The training setup of the run.
        folder: The run.
        listener: Receives a warning for each newer checkpoint that is damaged.

    Raises:
        CheckpointError: No checkpoint is valid, or the folder of the newest one is named after another step.
        RunError: The newest valid checkpoint belongs to another model.
    """
    found = newest_valid(folder.checkpoints, expected=array_specs(setup.compiled.model, parts=EVERYTHING))
    if found is None:
        return None
    for path, reason in found.skipped:
        listener(
            Note(WARNING, f"{path.name} cannot be used, so the steps since the one before it are repeated: {reason}")
        )
    check_step(found.path, TrainingState.from_json(found.checkpoint.state.get("training", {})))
    return Restored(found.path.name, found.checkpoint)


def assign_model(model: keras.Model, checkpoint: Checkpoint) -> None:
    """Give a model the variables of a checkpoint, and leave its optimizer and metrics as they are.

    Raises:
        CheckpointError: The checkpoint belongs to another model.
    """
    assign_arrays(model, checkpoint.arrays, parts=MODEL)


def restore_model(spec: Spec, model: keras.Model, folder: RunFolder, name: str, listener: Listener) -> str:
    """Load the variables of a checkpoint into a model.

    Args:
        spec: The spec of the run.
        model: The model, compiled from that spec.
        folder: The run.
        name: `final` (the best if early stopping restores it, else the last), `last`, `best`, or a checkpoint's name.
        listener: Receives a note with the path of the checkpoint.

    Returns:
        The checkpoint's name.

    Raises:
        UsageError: There is no such checkpoint.
        CheckpointError: The checkpoint is missing, damaged, or not the one that training wrote.
        RunError: The checkpoint belongs to another model.
    """
    # A model that only predicts needs no optimizer variables, except moving averages of the weights.
    parts = ("model", "optimizer") if keeps_averages(model) else MODEL
    stopping, expected = spec.training.early_stopping, array_specs(model, parts=parts)
    ends_with_best = stopping is not None and stopping.restore_best
    found = read_wanted(folder, name, ends_with_best=ends_with_best, expected=expected)
    # In float16 the optimizer is wrapped for loss scaling; the wrapper's variables are not needed to predict.
    wanted = {name: array for name, array in found.checkpoint.arrays.items() if name in expected}
    assign_arrays(model, wanted, parts=parts)
    if keeps_averages(model):
        average_variables(model)
    listener(Note("checkpoint", str(folder.checkpoints / found.name)))
    decision = folder.read_record().decision
    if decision is not None and decision.examples and decision.checkpoint != found.name:
        what = f"calibration and threshold were chosen for {decision.checkpoint}, and {found.name} may need others"
        listener(Note(WARNING, what))
    return found.name
