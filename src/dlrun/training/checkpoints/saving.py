"""Checkpoints of a training that goes on: when one is written, what it holds, and which stay.

A checkpoint costs files, hashes and waiting for the disk, and may not cost more than a small part of the training. So
the end of an epoch is written only when the last write is `_TIMES` as long ago as it took, or `checkpoint_minutes`.
A resumed run repeats what came after its newest checkpoint, to the bit. What it cannot repeat is an epoch before that:
the best one. The rule that everything here follows is therefore

    the best that the newest checkpoint knows of is that checkpoint itself, or is on the disk as `best`

and these are the steps, each of which keeps it whenever the process is killed:

1. The end of an epoch that is the best so far and is not written stays in memory, as one copy of the state. A better
   one takes its place. What copies cost puts the next write off, as writes do.
2. When a state is written and there is an older best in memory, that one is written first, as the step checkpoint that
   it would have been: it knows of no better one than itself.
3. `best` is made a second name of its files, in the same wait for the disk.
4. The state is written. If it is the best itself, `best` becomes a second name of its files, and 2 and 3 are left out.
5. Of the step checkpoints the newest stay.

A process that was killed after 2 or after the first half of 4 has a newest checkpoint that is the best itself, and a
resume begins with making it `best` (`resumed`). The last state of a training, and that at which it was interrupted, is
always written. Before a checkpoint, the rows of `metrics.jsonl` that it counts are waited for.
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
"""How many times as long as a write took, and the copies before it, the next one waits: about 3 % of the training."""
_FIRST_SECONDS = 0.05
"""What the first write is taken to cost."""


class Values(Protocol):
    """Named values, each read when it is asked for; see `HostValues`."""

    def __getitem__(self, name: str, /) -> Array:
        """The present value."""

    def __iter__(self) -> Iterator[str]:
        """The names."""

    def specs(self) -> dict[str, ArraySpec]:
        """What each is."""


@dataclass(frozen=True)
class _Kept:
    """The end of an epoch, in memory."""

    state: TrainingState
    arrays: Mapping[str, Array]
    mark: tuple[int, str]


class Saver:
    """Writes the checkpoints of a run; of several processes the chief does, and the others only take part.

    Args:
        values: Gives what a checkpoint holds of the model, the optimizer and the metrics.
        folder: The run.
        team: The processes.
        training: How often, and how many stay.
        read_parts: Gives what a checkpoint inside an epoch holds besides.
        clock: Seconds.
    """

    def __init__(
        self,
        values: Callable[[], Values],
        folder: RunFolder,
        *,
        team: Replicas,
        training: Training,
        read_parts: Callable[[], Mapping[str, Array]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._values = values
        self._folder = folder
        self._team = team
        self._training = training
        self._read_parts = read_parts
        self._clock = clock
        self._ended_at, self._cost = clock(), _FIRST_SECONDS
        self._keeping_seconds = 0.0  # since the last write
        self._written: tuple[int, int] | None = None
        self._best: _Kept | None = None

    def begin(self) -> None:
        """Count the time to the next checkpoint from now."""
        self._ended_at = self._clock()

    def resumed(self, state: TrainingState, *, needs_best: bool) -> None:
        """Take over a state that was read from its checkpoint, and make sure of the best that it knows of.

        Args:
            state: Of the newest checkpoint that can be used.
            needs_best: Whether the run ends with the best.

        Raises:
            CheckpointError: The best is needed, and cannot be used.
            RunError: The best cannot be written.
        """
        self._written = _position(state)
        parent, best = self._folder.checkpoints, state.best
        keep = self._training.keep_checkpoints
        if best is not None:
            self._settle_best(best.step, at=state.step, needs_best=needs_best)
        prune(parent, keep=keep, newest=step_name(state.step), is_verified=True)  # a kill may have come before that

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
                    hint = f"dlrun train {self._folder.spec_yaml} trains the run again"
                    said = f"the best of the run, which it ends with, cannot be used: {error.what}"
                    raise CheckpointError(said, expected=error.expected, hint=hint) from error

    def is_due(self) -> bool:
        """Whether the last checkpoint is old enough for one inside an epoch; the same in every process."""
        seconds = self._clock() - self._ended_at
        return bool(self._team.chiefs(int(seconds >= 60 * self._training.checkpoint_minutes)))

    def end_epoch(self, state: TrainingState, *, is_best: bool) -> None:
        """Keep the end of an epoch: on the disk if it is time for that, else in memory if it is the best.

        Raises:
            RunError: A variable is no number any more, or the checkpoint cannot be written.
        """
        seconds = self._clock() - self._ended_at
        longest = min(_TIMES * (self._cost + self._keeping_seconds), 60 * self._training.checkpoint_minutes)
        if self._team.chiefs(int(seconds >= longest)):
            self.save(state)
        elif is_best:
            began, values = self._clock(), self._values()
            arrays = {name: np.array(values[name]) for name in values}
            mark = self._folder.history.mark()
            self._best = _Kept(state, arrays, mark) if self._team.cluster.is_chief else None
            self._keeping_seconds += self._clock() - began

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint of the present variables, unless it is on the disk already.

        Raises:
            RunError: A variable is no number any more, or the checkpoint cannot be written.
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
        if self._team.cluster.is_chief:
            self._write(state, read, self._folder.history.mark(), is_best=is_best)
            newest, keep = step_name(state.step), self._training.keep_checkpoints
            prune(self._folder.checkpoints, keep=keep, newest=newest, is_verified=True)
        else:
            for name in read:  # where reading one takes all processes, the chief waits for this
                read[name]
        self._best = None
        self._written = _position(state)
        self._ended_at = self._clock()
        self._cost, self._keeping_seconds = self._ended_at - began, 0.0

    def keep_best(self) -> None:
        """Write the best that is only in memory, if there is one.

        Raises:
            RunError: A variable of it is no number, or it cannot be written.
        """
        if self._best is None:
            return
        kept, self._best = self._best, None
        specs = {name: array_spec(array) for name, array in kept.arrays.items()}
        arrays = _Finite(kept.arrays.__getitem__, specs, step=kept.state.step)
        self._write(kept.state, arrays, kept.mark, is_best=True)

    def _write(self, state: TrainingState, arrays: _Finite, mark: tuple[int, str], *, is_best: bool) -> None:
        self._folder.history.sync()
        parent, name, (length, digest) = self._folder.checkpoints, step_name(state.step), mark
        content: dict[str, JSON] = {"training": state.to_json(), "metrics_bytes": length, "metrics_sha256": digest}
        write_checkpoint(parent, name, arrays=arrays, state=content, specs=arrays.specs, is_best=is_best)


class _Finite(Mapping[str, Array]):
    """Arrays that are read one after another, and refused where one is no number any more.

    Args:
        read: Gives an array by its name.
        specs: What each is.
        step: For the error.
    """

    def __init__(self, read: Callable[[str], Array], specs: Mapping[str, ArraySpec], *, step: int) -> None:
        self._read, self.specs, self._step = read, specs, step

    def __getitem__(self, name: str) -> Array:
        array = self._read(name)
        # A score may be undefined; what training goes on with may not.
        if array.dtype.kind == "f" and not name.startswith("metrics/") and not np.isfinite(array).all():
            from dlrun.training.failures import not_finite

            raise not_finite(f"the variable {name} is no longer a finite number after step {self._step}")
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)


def _check_best(parent: Path, step: int) -> None:
    """Make sure that `best` is sound and no older than it has to be.

    One of a later step is from before newer checkpoints were damaged: training reaches it again.

    Raises:
        CheckpointError: It is not.
    """
    found = TrainingState.from_json(read_checkpoint(parent / BEST).state.get("training", {}))
    if found.step < step:
        raise CheckpointError(f"{parent / BEST} is of step {found.step}", expected=f"step {step}")


def _position(state: TrainingState) -> tuple[int, int]:
    return state.step, state.epoch_step
