"""Decide when training writes a checkpoint, what it holds, and which ones are kept.

A checkpoint costs files, hashes and waiting for the disk, and should take only a small part of the training time. So
the end of an epoch is written only once `_TIMES` the duration of the last write has passed, or `checkpoint_minutes`. A
resumed run repeats what came after its newest checkpoint, to the bit. It cannot repeat an epoch before that one, such
as the best. Therefore everything here follows one rule:

    the best epoch that the newest checkpoint knows of is that checkpoint itself, or is on the disk as `best`.

These steps keep the rule, whenever the process is killed:

1. An epoch that is the best so far, and is not written, is kept in memory as one copy of the state; a better one
   replaces it. The time that copies take delays the next write, as the time of writes does.
2. Before a state is written while an older best is in memory, that best is written as the step checkpoint of its own
   step. It is valid by itself: it knows of no better one.
3. `best` becomes a second name (hard link) of its files, within the same wait for the disk.
4. The state is written. If it is the best itself, `best` becomes a second name of its files, and 2 and 3 are skipped.
5. Of the step checkpoints, the newest are kept.

If the process is killed after 2, or after the first half of 4, its newest checkpoint is the best itself, and resuming
starts by making it `best` (`resumed`). The last state of a training, and the state at an interruption, are always
written. Before a checkpoint is written, the rows of `metrics.jsonl` that it counts are synced to the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dlrun.errors import CheckpointError
from dlrun.runs.arrays import Array, ArraySpec, array_spec
from dlrun.runs.folder import RunFolder
from dlrun.spec.types import Training
from dlrun.training.checkpoints.checkpoint import (
    BEST,
    JSON,
    prune,
    read_checkpoint,
    set_best,
    step_name,
    write_checkpoint,
)
from dlrun.training.state import TrainingState

if TYPE_CHECKING:
    from dlrun.training.step.replicas import Replicas

_TIMES = 30.0
"""The time between writes, as a multiple of the last write and the copies before it: about 3 % of the training."""
_FIRST_SECONDS = 0.05
"""The assumed duration of the first write."""


class Values(Protocol):
    """Named arrays, each read on access; see `HostValues`."""

    def __getitem__(self, name: str, /) -> Array:
        """Return the current value."""

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""

    def specs(self) -> dict[str, ArraySpec]:
        """Return the shape and dtype of each array."""


@dataclass(frozen=True)
class _Kept:
    """The state at the end of an epoch, kept in memory."""

    state: TrainingState
    arrays: Mapping[str, Array]
    mark: tuple[int, str]


class Saver:
    """Writes the checkpoints of a run. Of several processes only the chief writes; the others take part in reading.

    Args:
        values: Returns the current variables of the model, the optimizer and the metrics.
        folder: The run.
        replicas: The replicas.
        training: How often to write, and how many checkpoints to keep.
        read_parts: Returns the additional arrays of a checkpoint inside an epoch.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        values: Callable[[], Values],
        folder: RunFolder,
        *,
        replicas: Replicas,
        training: Training,
        read_parts: Callable[[], Mapping[str, Array]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._values = values
        self._folder = folder
        self._replicas = replicas
        self._training = training
        self._read_parts = read_parts
        self._clock = clock
        self._ended_at, self._cost = clock(), _FIRST_SECONDS
        self._keeping_seconds = 0.0  # since the last write
        self._written: tuple[int, int] | None = None
        self._best: _Kept | None = None

    def begin(self) -> None:
        """Start counting the time until the next checkpoint."""
        self._ended_at = self._clock()

    def resumed(self, state: TrainingState, *, needs_best: bool) -> None:
        """Continue from a checkpoint, and make sure that its best is on the disk.

        Args:
            state: The state in the newest valid checkpoint.
            needs_best: Whether the run ends with the best.

        Raises:
            CheckpointError: The best is needed, but cannot be used.
            RunError: The best cannot be written.
        """
        self._written = _position(state)
        parent, best = self._folder.checkpoints, state.best
        keep = self._training.keep_checkpoints
        if best is not None:
            self._settle_best(best.step, at=state.step, needs_best=needs_best)
        prune(parent, keep=keep, newest=step_name(state.step), is_verified=True)  # the killed process may not have

    def _settle_best(self, step: int, *, at: int, needs_best: bool) -> None:
        parent = self._folder.checkpoints
        if step == at:
            set_best(parent, step_name(step), is_verified=True)
            return
        try:
            _check_best(parent, step)
        except CheckpointError as error:
            try:
                set_best(parent, step_name(step))
            except CheckpointError:
                if needs_best:
                    hint = f"dlrun train {self._folder.spec_yaml} trains the model again"
                    message = f"the best checkpoint, which the run ends with, cannot be used: {error.what}"
                    raise CheckpointError(message, expected=error.expected, hint=hint) from error

    def is_due(self) -> bool:
        """Return whether it is time for a checkpoint inside an epoch; all processes agree."""
        seconds = self._clock() - self._ended_at
        return bool(self._replicas.chiefs(int(seconds >= 60 * self._training.checkpoint_minutes)))

    def end_epoch(self, state: TrainingState, *, is_best: bool) -> None:
        """Keep the end of an epoch: on the disk if a write is due, else in memory if it is the best.

        Args:
            state: The state after the decisions at the end of the epoch.
            is_best: Whether the epoch is the best so far.

        Raises:
            RunError: A variable is NaN or infinite, or the checkpoint cannot be written.
        """
        seconds = self._clock() - self._ended_at
        # All processes must agree whether to save, so only the chief's clock counts.
        longest = min(_TIMES * (self._cost + self._keeping_seconds), 60 * self._training.checkpoint_minutes)
        if self._replicas.chiefs(int(seconds >= longest)):
            self.save(state)
        elif is_best:
            began, values = self._clock(), self._values()
            arrays = {name: np.array(values[name]) for name in values}
            mark = self._folder.history.mark()
            self._best = _Kept(state, arrays, mark) if self._replicas.cluster.is_chief else None
            self._keeping_seconds += self._clock() - began

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint of the current variables, unless this state is already on the disk.

        Args:
            state: The state to write.

        Raises:
            RunError: A variable is NaN or infinite, or the checkpoint cannot be written.
        """
        if _position(state) == self._written:
            return
        began = self._clock()
        is_best = state.best is not None and state.best.step == state.step
        if not is_best:
            self.keep_best()
        values, parts = self._values(), self._read_parts() if state.epoch_step else {}
        specs = {**values.specs(), **{name: array_spec(part) for name, part in parts.items()}}
        read = _Finite(lambda name: parts[name] if name in parts else values[name], specs, step=state.step)
        if self._replicas.cluster.is_chief:
            self._write(state, read, self._folder.history.mark(), is_best=is_best)
            newest, keep = step_name(state.step), self._training.keep_checkpoints
            prune(self._folder.checkpoints, keep=keep, newest=newest, is_verified=True)
        else:
            for name in read:  # reading some variables is a collective operation, which the chief waits for
                read[name]
        self._best = None
        self._written = _position(state)
        self._ended_at = self._clock()
        self._cost, self._keeping_seconds = self._ended_at - began, 0.0

    def keep_best(self) -> None:
        """Write the best state that is only in memory, if there is one.

        Raises:
            RunError: One of its variables is NaN or infinite, or it cannot be written.
        """
        if self._best is None:
            return
        kept, self._best = self._best, None
        specs = {name: array_spec(array) for name, array in kept.arrays.items()}
        arrays = _Finite(kept.arrays.__getitem__, specs, step=kept.state.step)
        self._write(kept.state, arrays, kept.mark, is_best=True)

    def _write(self, state: TrainingState, arrays: _Finite, mark: tuple[int, str], *, is_best: bool) -> None:
        # The rows come first: a checkpoint must never count rows of metrics.jsonl that a power failure can still take.
        self._folder.history.sync()
        parent, name, (length, digest) = self._folder.checkpoints, step_name(state.step), mark
        content: dict[str, JSON] = {"training": state.to_json(), "metrics_bytes": length, "metrics_sha256": digest}
        write_checkpoint(parent, name, arrays=arrays, state=content, specs=arrays.specs, is_best=is_best)


class _Finite(Mapping[str, Array]):
    """Arrays that are read one by one, with an error if one is NaN or infinite.

    Args:
        read: Returns an array by its name.
        specs: The shape and dtype of each array.
        step: The current step, for the error.
    """

    def __init__(self, read: Callable[[str], Array], specs: Mapping[str, ArraySpec], *, step: int) -> None:
        self._read, self.specs, self._step = read, specs, step

    def __getitem__(self, name: str) -> Array:
        array = self._read(name)
        # A score may be undefined. A weight or an optimizer slot may not: training would continue with it.
        if array.dtype.kind == "f" and not name.startswith("metrics/") and not np.isfinite(array).all():
            from dlrun.training.failures import not_finite

            raise not_finite(f"the variable {name} is NaN or infinite after step {self._step}")
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)


def _check_best(parent: Path, step: int) -> None:
    """Check that `best` is valid, and not older than the best that the state knows of.

    A `best` of a later step comes from checkpoints that are damaged now: training will reach that step again.

    Raises:
        CheckpointError: It is damaged or too old.
    """
    found = TrainingState.from_json(read_checkpoint(parent / BEST).state.get("training", {}))
    if found.step < step:
        raise CheckpointError(f"{parent / BEST} is of step {found.step}", expected=f"step {step}")


def _position(state: TrainingState) -> tuple[int, int]:
    return state.step, state.epoch_step
