"""Run many training or evaluation steps in one call of a graph, which takes its batches by index."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import tensorflow as tf

from dlrun.models.parts.block_lstm import use_block_kernels
from dlrun.training.step.cudnn import without_cudnn
from dlrun.training.step.dropout import use_hashed_dropout
from dlrun.training.step.feed import Feed, StepRange
from dlrun.training.step.frozen import use_features
from dlrun.training.step.parts import part_step
from dlrun.training.step.replicas import Replicas
from dlrun.training.step.shares import shares_of, whole_batches


class StepRunner:
    """Runs steps of one kind: training or evaluation.

    Args:
        model: The model.
        step: `model.train_step` or `model.test_step`.
        feed: The source of the batches.
        batch_size: The number of examples in one step; the last step of an epoch may have fewer.
        jit: Whether XLA compiles the loop over the steps as a whole.
        replicas: The replicas, each of which computes its part of a batch.
    """

    def __init__(
        self,
        model: keras.Model,
        step: Callable[[tuple[Any, ...]], Any],
        feed: Feed,
        *,
        batch_size: int,
        jit: bool,
        replicas: Replicas,
    ) -> None:
        self.feed = feed
        self.batch_size = batch_size
        self.model = model
        self._jit = jit
        self._replicas = replicas
        self._plain = self._function(step, jit=False)
        # For a batch with too few examples to divide; traced only if there is one.
        self._plain_whole = self._function(step, jit=False, small=True)
        self._jitted = self._function(step, jit=True)

    def again(self, feed: Feed) -> StepRunner:
        """Return training steps that are traced anew, for what the model has learn now, and compiled in the same way.

        Args:
            feed: The source of the batches.
        """
        steps = StepRunner(
            self.model, self.model.train_step, feed, batch_size=self.batch_size, jit=False, replicas=self._replicas
        )
        return steps.with_jit() if self._jit else steps

    def with_jit(self) -> StepRunner:
        """Return the same steps, compiled by XLA."""
        steps = copy.copy(self)
        steps._jit = True  # noqa: SLF001  an instance of this class
        return steps

    def __call__(self, step_range: StepRange, first: int, count: int) -> int:
        """Run `count` steps or fewer, starting at `first`, and wait until the last one is done.

        Args:
            step_range: The range of steps whose examples are on the device.
            first: The first step to run.
            count: The largest number of steps to run.

        Returns:
            The number of steps that ran: at most those before a smaller last batch, or that batch alone.
        """
        whole_steps = self.feed.examples // self.batch_size
        size = self.batch_size
        count = min(count, step_range.last_step - first)
        if first < whole_steps:
            count = min(count, whole_steps - first)
        else:
            count, size = 1, self.feed.examples - first * self.batch_size
        small = size < max(shares_of(self.model), self._replicas.count)
        begin = first - step_range.first_step + step_range.offset
        with self._traced(whole=small or self._jit):
            run = self._jitted if self._jit else self._plain_whole if small else self._plain
            numbers = (tf.constant(number) for number in (begin, count, size, step_range.epoch))
            run(step_range.rows, step_range.order, *numbers).numpy()
        if self.feed.is_on_gpu:
            # The result is a number on the host, which is there before the GPU has done what was queued for it.
            tf.test.experimental.sync_devices()
        return count

    def graph_nodes(self) -> int:
        """Return the number of operations in the traced graph, including the functions that it calls."""
        graph = self._plain.get_concrete_function().graph.as_graph_def()
        return len(graph.node) + sum(len(function.node_def) for function in graph.library.function)

    @contextmanager
    def _traced(self, *, whole: bool) -> Iterator[None]:
        """Set what a graph that is traced inside the block uses: parts of a batch, and which kernels."""
        use_features(self.model, on=self.feed.holds_features)
        use_block_kernels(self.model, on=not self._jit and not self.feed.is_on_gpu)
        use_hashed_dropout(self.model, on=self._jit and not self.feed.is_on_gpu)
        with whole_batches(self.model) if whole else nullcontext(), without_cudnn(self.model, on=self._jit):
            yield

    def _function(self, step: Callable[[tuple[Any, ...]], Any], *, jit: bool, small: bool = False) -> Any:
        feed, batch_size, replicas = self.feed, self.batch_size, self._replicas
        step_of_part = part_step(step, self.model, feed, replicas, may_be_empty=small)

        def run(rows: Any, order: Any, first: Any, count: Any, size: Any, epoch: Any) -> Any:
            # The size of a batch is an argument, so that one trace also serves the smaller last batch, which comes in a
            # call of its own. XLA needs to know sizes, and compiles once for each of the two.
            def body(index: Any) -> list[Any]:
                indices = tf.slice(order, [index * batch_size], [size])
                replicas.strategy.run(step_of_part, args=(rows, indices, size, epoch))
                return [index + 1]

            end = first + count
            return tf.while_loop(lambda index: index < end, body, [first], parallel_iterations=1)[0]

        scalar = tf.TensorSpec((), tf.int32)
        signature = [feed.specs, tf.TensorSpec((None,), tf.int32), scalar, scalar, scalar, scalar]
        return tf.function(run, autograph=False, jit_compile=jit or None, input_signature=signature)
