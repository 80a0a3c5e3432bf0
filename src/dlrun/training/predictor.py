"""A trained network and stored examples in, predictions as users read them out, in batches of one size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.data.mapped import drop_pages
from dlrun.models.parts.finish import finished
from dlrun.signature import Target
from dlrun.training.failures import step_failures

Array = npt.NDArray[Any]


class Predictor:
    """Gives the predictions for stored examples.

    Args:
        core: The trained network.
        preprocess: From stored examples to features.
        target: What the network gives, settled.
        batch_size: Examples in one step.
    """

    def __init__(self, core: keras.Model, *, preprocess: keras.Model, target: Target, batch_size: int) -> None:
        self.target = target
        self.batch_size = batch_size
        stored = keras.Input(preprocess.input_shape[1:], dtype=preprocess.inputs[0].dtype, name="stored")
        features = preprocess(stored, training=False)
        learnt = core(features, training=False)
        outputs = finished(learnt, target)
        self.model = keras.Model(stored, [outputs, features], name="predictor")
        as_learnt = keras.Model(stored, learnt, name="learnt")
        self._step = tf.function(lambda rows: self.model(rows, training=False), autograph=False, reduce_retracing=True)
        self._learnt = tf.function(lambda rows: as_learnt(rows, training=False), autograph=False, reduce_retracing=True)

    def __call__(self, rows: Array) -> Array:
        """Predict.

        Shape:
            rows: `(n, *raw_shape)` as a split stores them. Returns: `(n, size)` float32: probabilities of classes or
            of labels, or values in their own unit; for an autoencoder its reconstructions `(n, *features.shape)`.

        Raises:
            RunError: Memory ran out.
        """
        return np.concatenate([outputs.numpy() for outputs, _ in self._batches(rows)])

    def precise(self, rows: Array) -> Array:
        """Predict, values in float64: float32 has few digits left where their mean is large against their spread.

        Shape:
            As `__call__`.

        Raises:
            RunError: Memory ran out.
        """
        if self.target.kind != "values" or not self.target.scale:
            return self(rows)
        with step_failures("training.evaluation_batch_size", self.batch_size):
            batches = [
                self._learnt(tf.constant(np.asarray(rows[start : start + self.batch_size]))).numpy()
                for start in range(0, max(1, len(rows)), self.batch_size)
            ]
        scale, mean = (np.array(each, np.float64) for each in (self.target.scale, self.target.mean))
        return np.asarray(np.concatenate(batches).astype(np.float64) * scale + mean)

    def reconstruction_errors(self, rows: Array) -> Array:
        """How far an autoencoder's reconstruction is from its input.

        Formula:
            the mean over an example's features of (reconstruction - feature)^2

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n,)` float32.
        """
        return np.concatenate([_errors(outputs, features) for outputs, features in self._batches(rows)])

    def features(self, rows: Array) -> Array:
        """What the network is given for stored rows.

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n, *features.shape)`.
        """
        return np.concatenate([features.numpy() for _, features in self._batches(rows)])

    def reconstruct(self, rows: Array) -> tuple[Array, Array]:
        """Reconstructions, and how far each is from its input, in one pass.

        Shape:
            rows: `(n, *raw_shape)`. Returns: `(n, *features.shape)` and `(n,)`, float32.
        """
        found = [(outputs.numpy(), _errors(outputs, features)) for outputs, features in self._batches(rows)]
        return np.concatenate([outputs for outputs, _ in found]), np.concatenate([errors for _, errors in found])

    def _batches(self, rows: Array) -> Iterator[tuple[Any, Any]]:
        with step_failures("training.evaluation_batch_size", self.batch_size):
            for start in range(0, max(1, len(rows)), self.batch_size):
                batch = np.asarray(rows[start : start + self.batch_size])
                yield self._step(tf.constant(batch))
                drop_pages((rows,))


def _errors(outputs: Any, features: Any) -> Array:
    difference = np.square(outputs.numpy() - features.numpy())
    return np.asarray(difference.reshape(len(difference), -1).mean(axis=1), np.float32)
