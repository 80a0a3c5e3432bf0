"""The training loop: K steps in one call, scores read between calls, a checkpoint at every epoch's end.

Keras owns the step (`model.train_step`), the loop owns everything around it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.spec.types import Spec
from dlrun.training.checkpoint import prune, set_best, write_checkpoint
from dlrun.training.compilation import Compiled, Length
from dlrun.training.evaluate import Evaluator, read_scores
from dlrun.training.feed import Feed, epoch_order
from dlrun.training.progress import EpochDone, Listener, StepsDone
from dlrun.training.state import TrainingState, initial_state, judged
from dlrun.training.tensorboard import EventWriter
from dlrun.training.variables import read_arrays

SECONDS_PER_CALL = 0.5
"""How long one call of K steps is to take: the display moves twice a second, and a stop is heard as soon."""

Row = dict[str, float | int]


@dataclass(frozen=True)
class Job:
    """What the loop works on."""

    spec: Spec
    compiled: Compiled
    train: Feed
    validation: Evaluator | None
    length: Length
    folder: RunFolder
    strategy: tf.distribute.Strategy


class Trainer:
    """Trains one model from its present state to the end of its length."""

    def __init__(self, job: Job, listener: Listener) -> None:
        self.job = job
        self.model: keras.Model = job.compiled.model
        self.listener = listener
        self.state = initial_state(job.spec)
        self._run_steps = _steps_function(job)
        self._steps_per_call = 1

    def train(self) -> TrainingState:
        """Run to the end.

        Returns:
            The final state; `stopped` tells why it ended early, if it did.

        Raises:
            RunError: The loss is no number any more.
        """
        events = EventWriter(self.job.folder.tensorboard) if self.job.spec.training.tensorboard else None
        try:
            while self.state.step < self.job.length.steps and not self.state.stopped:
                row = self._epoch()
                if events is not None:
                    events.write(row)
                    events.flush()
        finally:
            if events is not None:
                events.close()
        return self.state

    def _epoch(self) -> Row:
        # 1. Train and read the scores. 2. Validate, which resets the metrics. 3. Decide, from both. 4. Record and
        # checkpoint, so that what is on disk never runs ahead of what was decided.
        start = time.perf_counter()
        learning_rate = _learning_rate(self.model)
        scores, wait_seconds = self._train_epoch()
        trained_seconds = time.perf_counter() - start
        examples = self._steps_of_epoch() * self.job.spec.training.batch_size
        if self.job.validation is not None:
            scores |= {f"val_{name}": value for name, value in self.job.validation.scores().items()}
        before = self.state
        step = before.step + self._steps_of_epoch()
        seconds = before.seconds + time.perf_counter() - start
        ended = replace(before, epoch=before.epoch + 1, step=step, seconds=seconds)
        self.state = judged(ended, self.job.spec, scores)
        if self.state.plateau is not None:
            self.model.optimizer.learning_rate = self.state.plateau.learning_rate
        row: Row = {
            "epoch": self.state.epoch,
            "step": step,
            "seconds": round(seconds, 3),
            "examples_per_second": round(min(examples, self.job.train.examples) / trained_seconds, 1),
            "data_wait": round(wait_seconds / trained_seconds, 4),
            "learning_rate": learning_rate,
            **scores,
        }
        self._record(row, is_best=self.state.best != before.best)
        return row

    def _train_epoch(self) -> tuple[dict[str, float], float]:
        """Train one epoch.

        Returns:
            The epoch's scores, and the seconds that the device waited for data.
        """
        training, steps = self.job.spec.training, self._steps_of_epoch()
        self.model.reset_metrics()
        start = time.perf_counter()
        order = epoch_order(
            self.job.train.examples, seed=self.job.spec.seed, epoch=self.state.epoch, shuffle=training.shuffle
        )
        order = tf.constant(order)
        wait_seconds = time.perf_counter() - start
        done = 0
        while done < steps:
            count = min(self._steps_per_call, steps - done)
            called = time.perf_counter()
            self._run_steps(order, tf.constant(done), tf.constant(count)).numpy()
            call_seconds = time.perf_counter() - called
            scores = read_scores(self.model)
            self._check_finite(scores, first=self.state.step + done + 1, last=self.state.step + done + count)
            done += count
            self._report_steps(done, steps, scores, seconds=time.perf_counter() - start)
            self._adapt(count, call_seconds)
        return scores, wait_seconds

    def _steps_of_epoch(self) -> int:
        return min(self.job.length.steps_per_epoch, self.job.length.steps - self.state.step)

    def _adapt(self, count: int, seconds: float) -> None:
        """Choose how many steps the next call takes; the very first, which traces, tells nothing."""
        fitting = int(SECONDS_PER_CALL * count / seconds)
        self._steps_per_call = max(1, min(fitting, 4 * count)) if count > 1 else 8

    def _record(self, row: Row, *, is_best: bool) -> None:
        folder = self.job.folder
        folder.append_metrics(row)
        name = f"step-{self.state.step:09d}"
        write_checkpoint(folder.checkpoints, name, arrays=read_arrays(self.model), state=self.state.to_json())
        if is_best:
            set_best(folder.checkpoints, name)
        prune(folder.checkpoints, keep=self.job.spec.training.keep_checkpoints)
        self.listener(EpochDone(self.state.epoch, self.job.length.epochs, row, is_best))

    def _report_steps(self, done: int, steps: int, scores: dict[str, float], *, seconds: float) -> None:
        rate = done / seconds
        seconds_left = (self.job.length.steps - self.state.step - done) / rate
        examples_per_second = rate * self.job.spec.training.batch_size
        epoch = self.state.epoch + 1
        self.listener(StepsDone(epoch, done, steps, scores, examples_per_second, seconds_left))

    def _check_finite(self, scores: dict[str, float], *, first: int, last: int) -> None:
        if math.isfinite(scores["loss"]):
            return
        steps = f"step {first}" if first == last else f"steps {first} to {last}"
        raise RunError(
            f"the loss became {scores['loss']} in {steps} (epoch {self.state.epoch + 1})",
            expected="a finite loss",
            hint="a smaller optimizer.learning_rate, optimizer.clipnorm=1.0, or training.precision=float32",
        )


def _steps_function(job: Job) -> Any:
    """The graph that trains `count` steps from step `first` of an epoch's `order`; traced once for all of them."""
    model, feed, batch_size = job.compiled.model, job.train, job.spec.training.batch_size

    def step(batch: tuple[Any, ...]) -> None:
        model.train_step(batch)

    if job.compiled.jit.value == "on":
        step = tf.function(step, jit_compile=True, autograph=False, reduce_retracing=False)

    def body(index: Any, order: Any) -> list[Any]:
        # The last batch of an epoch may be smaller: its size is a number in the graph, not a shape of the trace.
        last = tf.minimum((index + 1) * batch_size, feed.examples)
        batch = feed.batch(order[index * batch_size : last])
        job.strategy.run(step, args=(batch,))
        return [index + 1, order]

    def run_steps(order: Any, first: Any, count: Any) -> Any:
        end = first + count
        return tf.while_loop(lambda index, _: index < end, body, [first, order], parallel_iterations=1)[0]

    return tf.function(run_steps, autograph=False)


def _learning_rate(model: keras.Model) -> float:
    return float(model.optimizer.learning_rate)
