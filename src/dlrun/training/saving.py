"""Checkpoints of a training that goes on: when one is due, what it holds, and which stay."""

from __future__ import annotations

import time

import keras
import numpy as np

from dlrun.runs.folder import RunFolder
from dlrun.spec.types import Training
from dlrun.training.checkpoint import JSON, prune, set_best, step_name, write_checkpoint
from dlrun.training.failures import not_finite
from dlrun.training.state import TrainingState
from dlrun.training.team import Team
from dlrun.training.variables import read_arrays


class Saver:
    """Writes the checkpoints of a run; of several processes the chief does, and the others only take part.

    Args:
        model: Compiled.
        folder: The run.
        team: The processes.
        training: How often, and how many stay.
    """

    def __init__(self, model: keras.Model, folder: RunFolder, *, team: Team, training: Training) -> None:
        self._model = model
        self._folder = folder
        self._team = team
        self._training = training
        self._saved_at = time.monotonic()

    def begin(self) -> None:
        """Count the time to the next checkpoint from now."""
        self._saved_at = time.monotonic()

    def is_due(self) -> bool:
        """Whether the last one is old enough for another; the same in every process."""
        minutes = (time.monotonic() - self._saved_at) / 60
        return bool(self._team.chiefs(int(minutes >= self._training.checkpoint_minutes)))

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint of the present variables.

        Raises:
            RunError: A variable is no number any more, or the checkpoint cannot be written.
        """
        arrays = read_arrays(self._model)
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all() and not name.startswith("metrics/"):
                raise not_finite(f"the variable {name} is no number any more after step {state.step}")
        if state.epoch_step:
            arrays |= self._team.read_metric_parts(self._model)
        if self._team.cluster.is_chief:
            parent, name = self._folder.checkpoints, step_name(state.step)
            length, digest = self._folder.history.mark()
            content: dict[str, JSON] = {
                "training": state.to_json(),
                "metrics_bytes": length,
                "metrics_sha256": digest,
            }
            write_checkpoint(parent, name, arrays=arrays, state=content)
            prune(parent, keep=self._training.keep_checkpoints, newest=name)
        self.begin()

    def mark_best(self, state: TrainingState) -> None:
        """Make the checkpoint of this state the best."""
        if self._team.cluster.is_chief:
            set_best(self._folder.checkpoints, step_name(state.step))
