"""A compiled model and a feed in, the split's scores out; every example counts once, the last smaller batch too."""

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
    """Scores one split; its graph is traced once and used after every epoch.

    Args:
        model: Compiled; its metric variables are used, and reset, by each evaluation.
        feed: The split.
        batch_size: Examples in one step.
        team: The devices that each step runs on.
    """

    def __init__(self, model: keras.Model, feed: Feed, *, batch_size: int, team: Replicas) -> None:
        self._model = model
        self._team = team
        self._steps = StepRunner(model, model.test_step, feed, batch_size=batch_size, jit=False, team=team)
        self._order = epoch_order(feed.examples, seed=0, epoch=0, shuffle=False)

    def scores(self) -> dict[str, float]:
        """Loss and metrics of the split, for the model's present variables.

        Raises:
            RunError: A step failed: memory ran out, for example.
        """
        batch_size, feed = self._steps.batch_size, self._steps.feed
        self._model.reset_metrics()
        collected = Collected(self._model.metrics)
        with closing(collected), step_failures("training.evaluation_batch_size", batch_size):
            for stretch in feed.stretches(
                self._order, batch_size=batch_size, last_step=-(-feed.examples // batch_size)
            ):
                step = stretch.first_step
                while step < stretch.last_step:
                    step += self._steps(stretch, step, stretch.last_step - step)
            scores = with_exact(read_scores(self._model), collected.scores(self._team.gather_rows))
        self._model.reset_metrics()
        return scores


def read_scores(model: keras.Model) -> dict[str, float]:
    """Read the metric variables: one host read, so only at log points."""
    return {name: float(value) for name, value in model.get_metrics_result().items()}


def with_exact(scores: Mapping[str, float], exact: Mapping[str, float]) -> dict[str, float]:
    """Return scores, those that batches do not add up to replaced by those of all predictions."""
    return {name: exact.get(name, value) for name, value in scores.items()}
