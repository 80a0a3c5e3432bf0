"""Compute loss and metrics of a trained model on labelled examples that arrive in blocks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.metrics.results import Collected
from dlrun.signature import Target
from dlrun.system.keras_internals import loss_tracker
from dlrun.training.evaluate import read_scores, with_exact
from dlrun.training.failures import step_failures
from dlrun.training.step.feed import broadcast_weights, encode
from dlrun.training.step.parts import PartMean
from dlrun.training.step.weights import weighing

Array = npt.NDArray[Any]


class StreamedScores:
    """Scores a model on examples that arrive in blocks, and keeps none of them.

    Args:
        model: A compiled model; its metric variables are used and reset.
        preprocess: The model that turns stored examples into features.
        target: What the model predicts, with the encoding that the loss needs.
        batch_size: The number of examples in one step.
    """

    def __init__(self, model: keras.Model, *, preprocess: keras.Model, target: Target, batch_size: int) -> None:
        self._model, self._batch_size = model, batch_size
        self._has_target = target.kind != "input"

        def step(stored: Any, truth: Any) -> None:
            features = preprocess(stored)
            model.test_step((features, encode(truth, target) if self._has_target else features))

        def weighed_step(stored: Any, truth: Any, weight: Any) -> None:
            features = preprocess(stored)
            _test_weighed(model, features, encode(truth, target) if self._has_target else features, weight, target)

        loss_tracker(model).__class__ = PartMean
        self._step = tf.function(step, autograph=False, reduce_retracing=True)
        self._weighed_step = tf.function(weighed_step, autograph=False, reduce_retracing=True)
        model.reset_metrics()
        self._collected = Collected(model.metrics)

    def add(self, stored: Array, truth: Array | None, weight: Array | None = None) -> None:
        """Score some more examples.

        Args:
            stored: The examples, as a split stores them.
            truth: The true targets, as `Split.target` stores them; None for an autoencoder.
            weight: What each example counts in loss and metrics; None if all count once.

        Shape:
            stored: `(n, *raw_shape)`. truth: as `Split.target`. weight: `(n,)`.

        Raises:
            RunError: A step failed, for example because memory ran out.
        """
        with step_failures("training.evaluation_batch_size", self._batch_size):
            for start in range(0, len(stored), self._batch_size):
                rows = slice(start, start + self._batch_size)
                # An autoencoder's target is its own features, so the value passed as its target is ignored.
                given = tf.constant(0) if truth is None else tf.constant(truth[rows])
                features = tf.constant(np.asarray(stored[rows]))
                if weight is None:
                    self._step(features, given)
                else:
                    self._weighed_step(features, given, tf.constant(weight[rows], tf.float32))

    def scores(self) -> dict[str, float]:
        """Return the loss and metrics of all examples so far, and start over."""
        scores = with_exact(read_scores(self._model), self._collected.scores())
        self._model.reset_metrics()
        return scores


def _test_weighed(model: keras.Model, features: Any, y_true: Any, weight: Any, target: Target) -> None:
    """Run a test step that counts each example by its weight in loss and metrics.

    The weights of later blocks are not known yet. So each batch gives its own weighted mean, to which Keras adds the
    penalties, and the running mean of the loss counts the batch by the sum of its weights.
    """
    total, tracker = tf.reduce_sum(weight), loss_tracker(model)
    scaled = tf.math.divide_no_nan(weight * tf.cast(tf.size(weight), weight.dtype), total)
    tracker.examples = total
    with weighing(weight):
        model.test_step((features, y_true, broadcast_weights(scaled, y_true, target)))
    tracker.examples = None
