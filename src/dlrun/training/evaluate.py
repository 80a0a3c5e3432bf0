"""Compute loss and metrics of a compiled model on a split.

Every example counts once, including those of the smaller last batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import keras

from dlrun.metrics.results import Collected
from dlrun.training.failures import step_failures
from dlrun.training.step.feed import Feed, epoch_order
from dlrun.training.step.replicas import Replicas
from dlrun.training.step.steps import StepRunner


class Evaluator:
    """Scores a model on one split; its graph is traced once and reused after every epoch.

    Args:
        model: A compiled model; each evaluation uses and resets its metric variables.
        feed: The examples of the split.
        batch_size: The number of examples in one step.
        replicas: The replicas that compute each step.
    """

    def __init__(self, model: keras.Model, feed: Feed, *, batch_size: int, replicas: Replicas) -> None:
        self._model = model
        self._replicas = replicas
        self._steps = StepRunner(model, model.test_step, feed, batch_size=batch_size, jit=False, replicas=replicas)
        self._order = epoch_order(feed.examples, seed=0, epoch=0, shuffle=False)

    def scores(self) -> dict[str, float]:
        """Return the loss and metrics of the split for the model's current weights.

        Raises:
            RunError: A step failed, for example because memory ran out.
        """
        batch_size, feed = self._steps.batch_size, self._steps.feed
        self._model.reset_metrics()
        collected = Collected(self._model.metrics)
        with closing(collected), step_failures("training.evaluation_batch_size", batch_size):
            for step_range in feed.step_ranges(
                self._order, batch_size=batch_size, last_step=-(-feed.examples // batch_size)
            ):
                step = step_range.first_step
                while step < step_range.last_step:
                    step += self._steps(step_range, step, step_range.last_step - step)
            scores = with_exact(read_scores(self._model), collected.scores(self._replicas.gather_rows))
        self._model.reset_metrics()
        return scores


def read_scores(model: keras.Model) -> dict[str, float]:
    """Read the values of the model's loss and metrics so far.

    Reading waits for the device, so call this only when the scores are logged.
    """
    return {name: float(value) for name, value in model.get_metrics_result().items()}


def with_exact(scores: Mapping[str, float], exact: Mapping[str, float]) -> dict[str, float]:
    """Return the scores, with those that cannot be averaged over batches replaced by their exact values.

    Args:
        scores: Running averages over batches.
        exact: The values computed from all predictions at once, for metrics such as the area under a curve.
    """
    return {name: exact.get(name, value) for name, value in scores.items()}
