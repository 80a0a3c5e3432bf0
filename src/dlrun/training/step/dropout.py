"""Dropout whose random numbers XLA computes quickly on a CPU.

Keras draws them with TensorFlow's default generator, which under XLA on a CPU takes 600 ns for each number (TensorFlow
2.21; 2.4 ms for the 4,096 of a batch of 32 and 128 units), so that XLA lost on every network with dropout. Here a
number is a hash of Keras' own seed state and of its place.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from dlrun.training.step.randomness import hashed_words


class Dropout(keras.layers.Dropout):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """Keras' Dropout in everything but where its random numbers come from, while `uses_hash` is set.

    Formula:
        y = x / (1 - rate) where a number, uniform from 0 to 1, is at least `rate`, else 0; Srivastava et al., 2014,
        "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".
    """

    uses_hash = False

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002  Keras calls it so
        """Drop some of the inputs, if it is in training."""
        if not (self.uses_hash and training and 0 < self.rate < 1 and self.noise_shape is None):
            return super().call(inputs, training=training)
        state = tf.cast(self.seed_generator.next(), tf.uint32)
        words = hashed_words(tf.shape(inputs), state[0], state[1])
        stays = words >= tf.constant(round(self.rate * 2**32), tf.uint32)
        return tf.where(stays, inputs / tf.cast(1 - self.rate, inputs.dtype), tf.zeros((), inputs.dtype))


def exchange_dropout(model: keras.Model) -> None:
    """Give the dropout layers of a model, where they are Keras' own, the class above: state and names stay."""
    for layer in model._flatten_layers():  # noqa: SLF001, the public model.layers does not look into nested layers
        if type(layer) is keras.layers.Dropout:
            layer.__class__ = Dropout


def use_hashed_dropout(model: keras.Model, *, on: bool) -> None:
    """Say whether the dropout layers of `model` that are traced next hash their numbers."""
    for layer in model._flatten_layers():  # noqa: SLF001
        if isinstance(layer, Dropout):
            layer.uses_hash = on
