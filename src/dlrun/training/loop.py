"""Run the training loop: steps, validation, decisions at the end of an epoch, logs and checkpoints.

Keras computes a step (`model.train_step`); the loop does everything around it. One call of the graph runs many steps.
Scores are read between calls, and a checkpoint can be written between any two calls, so that a resumed run continues
with exactly the next step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import keras
import tensorflow as tf

from dlrun.errors import CheckpointError, DlrunError
from dlrun.runs.folder import RunFolder
from dlrun.schedules import PlateauState
from dlrun.spec.types import Spec
from dlrun.training.checkpoints.checkpoint import Checkpoint
from dlrun.training.checkpoints.saving import Saver
from dlrun.training.compilation import Compiled, TrainingLength
from dlrun.training.evaluate import Evaluator, read_scores
from dlrun.training.failures import not_finite, step_failures
from dlrun.training.progress.events import WARNING, EpochDone, Listener, Note, StepsDone
from dlrun.training.progress.pace import Pace
from dlrun.training.progress.tensorboard import EventWriter
from dlrun.training.progress.timeline import Timeline
from dlrun.training.state import (
    TrainingState,
    find_undefined,
    initial_state,
    judge_epoch,
    reconsider_stop,
    undefined_text,
)
from dlrun.training.step.feed import Feed, StepRange, epoch_order
from dlrun.training.step.replicas import Replicas
from dlrun.training.step.steps import StepRunner
from dlrun.training.stop import Stop
from dlrun.training.transfer.phases import PhaseParts, Phases
from dlrun.training.variables import HostValues, assign_arrays, averaged_variables

Row = dict[str, float | int]
End = Literal["completed", "out of time", "interrupted", "paused"]


@dataclass(frozen=True)
class TrainingTask:
    """Everything that the training loop works on."""

    spec: Spec
    compiled: Compiled
    train: Feed
    steps: StepRunner
    replicas: Replicas
    validation: Evaluator | None
    length: TrainingLength
    folder: RunFolder
    timeline: Timeline
    phases: Phases | None = None


class Trainer:
    """Trains one model from its current state to the full length of the training."""

    def __init__(self, job: TrainingTask, *, stop: Stop, listener: Listener) -> None:
        self.job = job
        self.model: keras.Model = job.compiled.model
        self.stop = stop
        self.listener = listener
        self.state = initial_state(job.spec)
        self.pace = Pace()
        self._undefined: set[str] = set()
        self._phase, self._parts = -1, PhaseParts(job.steps, job.validation)
        self._saver = Saver(
            lambda: HostValues(self.model),
            job.folder,
            replicas=job.replicas,
            training=job.spec.training,
            read_parts=lambda: job.replicas.read_metric_parts(self.model),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Return to the point where a checkpoint was written: variables, decisions, and the rows of the log.

        Args:
            checkpoint: A checkpoint of this run.

        Raises:
            CheckpointError: The checkpoint belongs to another model, spec or dataset.
        """
        state = TrainingState.from_json(checkpoint.state.get("training", {}))
        metrics_bytes = checkpoint.state.get("metrics_bytes")
        # A checkpoint of this very run always fits its spec; anything else was copied here from another run.
        fits = (state.plateau is None) == (self.state.plateau is None)
        if not fits or state.epoch_step > self.job.length.steps_per_epoch or not isinstance(metrics_bytes, int):
            raise CheckpointError("the training state in the checkpoint does not belong to this spec and data")
        assign_arrays(self.model, checkpoint.arrays, parts=("model", "optimizer", "metrics"))
        self.job.replicas.assign_metric_parts(self.model, checkpoint.arrays)
        self.state = reconsider_stop(state, self.job.spec.training.early_stopping)
        if not self.job.replicas.cluster.is_chief:
            return  # only the chief writes to the run folder
        digest = checkpoint.state.get("metrics_sha256")
        self.job.folder.history.cut(metrics_bytes, digest=digest if isinstance(digest, str) else None)
        stopping = self.job.spec.training.early_stopping
        self._saver.resumed(self.state, needs_best=stopping is not None and stopping.restore_best)

    def train(self) -> End:
        """Train to the end, or until a signal, the time limit or a pause stops it.

        Returns:
            How the training ended. A checkpoint of its last step is on the disk.

        Raises:
            RunError: The loss or a variable became NaN or infinite, a step failed, or a checkpoint cannot be written.
        """
        training = self.job.spec.training
        minutes = training.max_minutes
        writes_events = training.tensorboard and self.job.replicas.cluster.is_chief
        events = EventWriter(self.job.folder.tensorboard, self.listener) if writes_events else None
        self._saver.begin()
        try:
            deferred = self.stop.deferred(max_seconds=None if minutes is None else 60 * minutes)
            with deferred, step_failures("training.batch_size", training.batch_size):
                # All steps may be done and the last epoch still open: a stop can come before its validation.
                end: End | None = None
                while not end and (self.state.step < self.job.length.steps or self.state.epoch_step):
                    end = self._end_before_epoch() or self._epoch(events)
                with self.job.timeline.spent("save"):
                    self._saver.save(self.state)
        except Exception:
            with suppress(DlrunError):  # the user needs the reason why training ended, not a second error
                self._saver.keep_best()
            raise
        finally:
            if events is not None:
                events.close()
        return end or "completed"

    def _end_before_epoch(self) -> End | None:
        # A training that early stopping has ended is complete, whether or not it should have paused there. A resumed
        # one may be past its pause, even inside an epoch: it pauses where it is.
        if self.state.stopped:
            return "completed"
        return "paused" if self.stop.pauses(self.state.epoch) else None

    def _epoch(self, events: EventWriter | None) -> End | None:
        self._begin_phase()
        # The order matters. 1. Train, and read the scores. 2. Validate, which resets the metrics. 3. Decide, from the
        # scores of both. 4. Write the row, then the checkpoint: what is on the disk is never ahead of the decisions.
        started, first_step = time.perf_counter(), self.state.epoch_step
        with self.job.timeline.spent("train"):
            scores, wait_seconds = self._train_epoch()
        if end := self._reason_to_end():
            return end
        trained_seconds = time.perf_counter() - started
        self.pace.wait_seconds += wait_seconds
        self.pace.train_seconds += trained_seconds
        learning_rate = float(tf.convert_to_tensor(self.model.optimizer.learning_rate))
        if self._parts.validation is not None:
            # Best epoch, early stopping and plateau look at the weights that a user of this checkpoint would get.
            with self.job.timeline.spent("evaluate"), averaged_variables(self.model):
                scores |= {f"val_{name}": value for name, value in self._parts.validation.scores().items()}
        before = self.state
        examples = (before.epoch_step - first_step) * self.job.spec.training.batch_size
        seconds = before.seconds + time.perf_counter() - started - trained_seconds
        ended = replace(before, epoch=before.epoch + 1, epoch_step=0, seconds=seconds)
        self.state = judge_epoch(ended, self.job.spec, scores)
        self._warn_of_undefined(scores)
        if self.state.plateau is not None:
            self.model.optimizer.learning_rate = self.state.plateau.learning_rate
        row: Row = {
            "epoch": self.state.epoch,
            "step": self.state.step,
            "seconds": round(self.state.seconds, 3),
            "examples_per_second": round(min(examples, self.job.train.examples) / trained_seconds, 1),
            "data_wait": round(wait_seconds / trained_seconds, 4),
            "learning_rate": learning_rate,
            **scores,
        }
        self._record(row, events, is_best=self.state.best != before.best)
        return self._reason_to_end() if self.state.step < self.job.length.steps else None

    def _begin_phase(self) -> None:
        """Enter the phase of the current epoch, if there are phases and it is not the present one."""
        phases, state = self.job.phases, self.state
        if phases is None or phases.make is None or (index := phases.index_at(state.epoch)) == self._phase:
            return
        # A checkpoint inside a phase has the state of its optimizer; at its first step, that is made anew.
        is_new = state.epoch_step == 0 and state.epoch == phases[index].first_epoch
        phases.enter(index, is_new=is_new)
        self._phase, self._parts = index, phases.make(index)
        if is_new and (rate := phases.plateau_rate(index)) is not None:
            self.state = replace(state, plateau=PlateauState(learning_rate=rate))
        self.listener(Note("phase", phases.text(index)))

    def _train_epoch(self) -> tuple[dict[str, float], float]:
        """Train the current epoch from its current step until the epoch or the run ends.

        Returns:
            The scores of the epoch so far, and the seconds that the device waited for data.
        """
        training, steps = self.job.spec.training, self._steps_of_epoch()
        # A resumed epoch continues the metrics of its checkpoint, so that its scores cover all of its steps.
        if self.state.epoch_step == 0:
            self.model.reset_metrics()
        began_at, began_step, wait_seconds = time.perf_counter(), self.state.epoch_step, 0.0
        scores = read_scores(self.model)
        order = epoch_order(
            self.job.train.examples, seed=self.job.spec.seed, epoch=self.state.epoch, shuffle=training.shuffle
        )
        step_ranges = self._parts.steps.feed.step_ranges(
            order, batch_size=training.batch_size, first_step=began_step, last_step=steps, epoch=self.state.epoch
        )
        while self.state.epoch_step < steps and not self._reason_to_end():
            waited = time.perf_counter()
            step_range = next(step_ranges)
            wait_seconds += time.perf_counter() - waited
            while self.state.epoch_step < step_range.last_step and not self._reason_to_end():
                scores = self._call(step_range)
                rate = (self.state.epoch_step - began_step) / (time.perf_counter() - began_at)
                self._report_steps(steps, scores, rate=rate)
                # At the end of an epoch the checkpoint comes after validation.
                if self.state.epoch_step < steps and self._saver.is_due():
                    with self.job.timeline.spent("save"):
                        self._saver.save(self.state)
        self.state = replace(self.state, seconds=self.state.seconds + wait_seconds)
        return scores, wait_seconds

    def _call(self, step_range: StepRange) -> dict[str, float]:
        """Train some steps in one call, and read the scores of the epoch so far."""
        called = time.perf_counter()
        wanted = self.job.replicas.chiefs(self.pace.steps)
        # Every process has to run the same number of steps, so the chief's clock decides for all.
        with self.job.timeline.spent("train" if self.pace.traced else "compile"):
            count = self._parts.steps(step_range, self.state.epoch_step, wanted)
        scores = read_scores(self.model)
        seconds = time.perf_counter() - called
        self.state = replace(
            self.state,
            step=self.state.step + count,
            epoch_step=self.state.epoch_step + count,
            seconds=self.state.seconds + seconds,
        )
        self._check_finite(scores, steps=count)
        self.pace.record_call(count, seconds)
        return scores

    def _steps_of_epoch(self) -> int:
        # The length of the training is in steps, so its last epoch may be shorter than the others.
        left = self.job.length.steps - self.state.step + self.state.epoch_step
        return min(self.job.length.steps_per_epoch, left)

    def _reason_to_end(self) -> End | None:
        stopped, is_late = self.job.replicas.agree(anyone=self.stop.signal is not None, chief=int(self.stop.is_late))
        # Asked in every process at the same place: a worker that stopped alone would leave the others waiting for it.
        return "interrupted" if stopped else "out of time" if is_late else None

    def _record(self, row: Row, events: EventWriter | None, *, is_best: bool) -> None:
        spent = self.job.timeline.spent
        with spent("log"):
            self._check_finite(row, steps=0)
            self.job.folder.append_metrics(row, sync=False)
        with spent("save"):
            self._saver.end_epoch(self.state, is_best=is_best)
        with spent("log"):
            self.listener(EpochDone(self.state.epoch, self.job.length.epochs, row, is_best))
            if events is not None:
                events.write(row)
                events.flush()

    def _warn_of_undefined(self, scores: Mapping[str, float]) -> None:
        """Warn once about each score that decides something and is undefined."""
        for name, what in find_undefined(self.job.spec, scores).items():
            if name not in self._undefined:
                self._undefined.add(name)
                self.listener(Note(WARNING, undefined_text(name, what, epoch=self.state.epoch, spec=self.job.spec)))

    def _report_steps(self, steps: int, scores: dict[str, float], *, rate: float) -> None:
        seconds_left = (self.job.length.steps - self.state.step) / rate
        examples_per_second = rate * self.job.spec.training.batch_size
        epoch = self.state.epoch + 1
        self.listener(StepsDone(epoch, self.state.epoch_step, steps, scores, examples_per_second, seconds_left))

    def _check_finite(self, scores: Mapping[str, float], *, steps: int) -> None:
        # A running mean that has become NaN stays NaN, so one look after each call misses none of its steps.
        for name in ("loss", "val_loss"):
            value = scores.get(name, 0.0)
            if not math.isfinite(value):
                last = self.state.step
                where = f"after step {last}" if steps == 0 else f"in step {last}"
                where = f"in steps {last - steps + 1} to {last}" if steps > 1 else where
                raise not_finite(f"the {name} became {value} {where} (epoch {self.state.epoch + (steps > 0)})")
