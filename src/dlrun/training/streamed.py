"""A trained model and labelled examples, block by block, in; the loss and metrics of its spec out."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.metrics.results import Collected
from dlrun.signature import Target
from dlrun.training.evaluate import read_scores, with_exact
from dlrun.training.failures import step_failures
from dlrun.training.step.feed import encode

Array = npt.NDArray[Any]


class StreamedScores:
    """Scores a model on examples that come one block after another, of which none is kept.

    Args:
        model: Compiled; its metric variables are used, and reset.
        preprocess: From stored examples to features.
        target: What the model predicts, settled.
        batch_size: Examples in one step.
    """

    def __init__(self, model: keras.Model, *, preprocess: keras.Model, target: Target, batch_size: int) -> None:
        self._model, self._batch_size = model, batch_size
        self._has_target = target.kind != "input"

        def step(stored: Any, truth: Any) -> None:
            features = preprocess(stored)
            model.test_step((features, encode(truth, target) if self._has_target else features))

        self._step = tf.function(step, autograph=False, reduce_retracing=True)
        model.reset_metrics()
        self._collected = Collected(model.metrics)

    def add(self, stored: Array, truth: Array | None) -> None:
        """Score some more examples.

        Shape:
            stored: `(n, *raw_shape)`. truth: as `Split.target` holds it; None for an autoencoder.

        Raises:
            RunError: A step failed: memory ran out, for example.
        """
        with step_failures("training.evaluation_batch_size", self._batch_size):
            for start in range(0, len(stored), self._batch_size):
                rows = slice(start, start + self._batch_size)
                # An autoencoder's target is made of its features: what is given in its place is not looked at.
                given = tf.constant(0) if truth is None else tf.constant(truth[rows])
                self._step(tf.constant(np.asarray(stored[rows])), given)

    def scores(self) -> dict[str, float]:
        """Loss and metrics of all examples so far."""
        scores = with_exact(read_scores(self._model), self._collected.scores())
        self._model.reset_metrics()
        return scores
