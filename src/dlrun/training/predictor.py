"""Predict with a trained model, batch by batch, in the form that users read: probabilities, values, reconstructions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.data.mapped import drop_pages
from dlrun.models.parts.finish import finish_output, output_logits
from dlrun.signature import Target
from dlrun.training.failures import step_failures
from dlrun.value_transform import restore_values

Array = npt.NDArray[Any]


class Predictor:
    """Computes the predictions for stored examples.

    Args:
        core: The trained model.
        preprocess: The model that turns stored examples into features.
        target: What the model predicts, with the activation of the output layer.
        batch_size: The number of examples in one step.
    """

    def __init__(self, core: keras.Model, *, preprocess: keras.Model, target: Target, batch_size: int) -> None:
        self.target = target
        self.batch_size = batch_size
        stored = keras.Input(preprocess.input_shape[1:], dtype=preprocess.inputs[0].dtype, name="stored")
        features = preprocess(stored, training=False)
        learnt = core(features, training=False)
        outputs = finish_output(learnt, target)
        self.model = keras.Model(stored, [outputs, features], name="predictor")
        as_learnt = self._as_learnt = keras.Model(stored, learnt, name="learnt")
        self._step = tf.function(lambda rows: self.model(rows, training=False), autograph=False, reduce_retracing=True)
        self._learnt = tf.function(lambda rows: as_learnt(rows, training=False), autograph=False, reduce_retracing=True)

    def __call__(self, rows: Array) -> Array:
        """Return the predictions for some examples.

        Args:
            rows: The examples, as a split stores them.

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n, size)` float32: probabilities of classes or labels, or values in
            their original unit; for an autoencoder the reconstructions, `(n, *features.shape)`; for masks the
            probabilities of each pixel, `(n, height, width, size)`.

        Raises:
            RunError: Memory ran out.
        """
        return np.concatenate([outputs.numpy() for outputs, _ in self._batches(rows)])

    def precise(self, rows: Array) -> Array:
        """Return the predictions, with values in float64.

        Where the mean of the values is large compared to their spread, float32 has few digits left for the differences.

        Args:
            rows: The examples, as a split stores them.

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n, size)`.

        Raises:
            RunError: Memory ran out.
        """
        if self.target.kind != "values" or not self.target.scale:
            return self(rows)
        return self.in_own_unit(self.learned(rows)[:, self.target.main_level])

    def learned(self, rows: Array) -> Array:
        """Return the values as the network learns them: transformed and standardized.

        Args:
            rows: The examples, as a split stores them.

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n, levels, size)`, float64, with one level if the model predicts no
            quantiles.

        Raises:
            RunError: Memory ran out.
        """
        with step_failures("training.evaluation_batch_size", self.batch_size):
            batches = [
                self._learnt(tf.constant(np.asarray(rows[start : start + self.batch_size]))).numpy()
                for start in range(0, max(1, len(rows)), self.batch_size)
            ]
        shape = (-1, max(1, len(self.target.levels)), self.target.size)
        return np.concatenate(batches).astype(np.float64).reshape(shape)

    def in_own_unit(self, learned: Array) -> Array:
        """Return values that the network has learned in the unit of the data.

        Shape:
            learned and result: `(..., size)`, float64.
        """
        if not self.target.scale:
            return learned
        scale, mean = (np.array(each, np.float64) for each in (self.target.scale, self.target.mean))
        return restore_values(learned * scale + mean, self.target)

    def logits(self, rows: Array) -> Array:
        """Return the logits of classes or labels, which calibration works on.

        Args:
            rows: The examples, as a split stores them.

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n, target.units)` float32; for one unit, the log odds of the second
            class.

        Raises:
            RunError: Memory ran out.
        """
        stored, learnt = self._as_learnt.inputs[0], self._as_learnt.outputs[0]
        model = keras.Model(stored, output_logits(learnt, self.target), name="logits")
        step = tf.function(lambda rows: model(rows, training=False), autograph=False, reduce_retracing=True)
        with step_failures("training.evaluation_batch_size", self.batch_size):
            return np.concatenate(
                [
                    step(tf.constant(np.asarray(rows[start : start + self.batch_size]))).numpy()
                    for start in range(0, max(1, len(rows)), self.batch_size)
                ]
            )

    def reconstruction_errors(self, rows: Array) -> Array:
        """Return the mean squared error of an autoencoder's reconstruction of each example.

        Args:
            rows: The examples, as a split stores them.

        Formula:
            the mean over an example's features of (reconstruction - feature)^2

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n,)` float32.
        """
        return np.concatenate([_errors(outputs, features) for outputs, features in self._batches(rows)])

    def features(self, rows: Array) -> Array:
        """Return the features that the model computes on, for stored examples.

        Args:
            rows: The examples, as a split stores them.

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n, *features.shape)`.
        """
        return np.concatenate([features.numpy() for _, features in self._batches(rows)])

    def reconstruct(self, rows: Array) -> tuple[Array, Array]:
        """Return an autoencoder's reconstructions and their mean squared errors, in one pass.

        Args:
            rows: The examples, as a split stores them.

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n, *features.shape)` and `(n,)`, float32.
        """
        found = [(outputs.numpy(), _errors(outputs, features)) for outputs, features in self._batches(rows)]
        return np.concatenate([outputs for outputs, _ in found]), np.concatenate([errors for _, errors in found])

    def masks(self, rows: Array) -> Array:
        """Return the most probable class of each pixel.

        Args:
            rows: The examples, as a split stores them.

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n, height, width)` uint8.
        """
        return np.concatenate([outputs.numpy().argmax(axis=-1).astype(np.uint8) for outputs, _ in self._batches(rows)])

    def _batches(self, rows: Array) -> Iterator[tuple[Any, Any]]:
        with step_failures("training.evaluation_batch_size", self.batch_size):
            # Without rows there is still one batch: its empty output has the right shape and dtype.
            for start in range(0, max(1, len(rows)), self.batch_size):
                batch = np.asarray(rows[start : start + self.batch_size])
                yield self._step(tf.constant(batch))
                drop_pages((rows,))


def _errors(outputs: Any, features: Any) -> Array:
    difference = np.square(outputs.numpy() - features.numpy())
    return np.asarray(difference.reshape(len(difference), -1).mean(axis=1), np.float32)
