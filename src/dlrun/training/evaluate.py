"""A compiled model and a feed in, the split's scores out; every example counts once, the last smaller batch too."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from dlrun.training.failures import step_failures
from dlrun.training.feed import Feed


class Evaluator:
    """Scores one split; its graph is traced once and used after every epoch.

    Args:
        model: Compiled; its metric variables are used, and reset, by each evaluation.
        feed: The split.
        batch_size: Examples in one step.
        strategy: Where the step runs.
    """

    def __init__(self, model: keras.Model, feed: Feed, *, batch_size: int, strategy: tf.distribute.Strategy) -> None:
        self._model = model
        self._batch_size = batch_size
        steps = -(-feed.examples // batch_size)

        def step(first: Any) -> None:
            model.test_step(feed.batch(tf.range(first, tf.minimum(first + batch_size, feed.examples))))

        def body(index: Any) -> list[Any]:
            strategy.run(step, args=(index * batch_size,))
            return [index + 1]

        def run() -> None:
            tf.while_loop(lambda index: index < steps, body, [tf.constant(0)], parallel_iterations=1)

        self._run = tf.function(run, autograph=False)

    def scores(self) -> dict[str, float]:
        """Loss and metrics of the split, for the model's present variables.

        Raises:
            RunError: A step failed: memory ran out, for example.
        """
        self._model.reset_metrics()
        with step_failures("training.evaluation_batch_size", self._batch_size):
            self._run()
            scores = read_scores(self._model)
        self._model.reset_metrics()
        return scores


def read_scores(model: keras.Model) -> dict[str, float]:
    """Read the metric variables: one host read, so only at log points."""
    return {name: float(value) for name, value in model.get_metrics_result().items()}
