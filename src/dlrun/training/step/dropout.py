"""Replace Keras' dropout by one whose random numbers XLA computes quickly on a CPU.

Keras uses TensorFlow's default generator, which takes 600 ns for each number under XLA on a CPU (TensorFlow 2.21; that
is 2.4 ms for the 4,096 numbers of a batch of 32 with 128 units), so that XLA was slower for every network with dropout.
Here a random number is a hash of Keras' own seed state and of the position in the tensor, so checkpoints and resuming
work as with Keras' layer.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from dlrun.system.keras_internals import all_layers
from dlrun.training.step.randomness import hashed_words


class Dropout(keras.layers.Dropout):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """Keras' Dropout; only the source of its random numbers differs, while `uses_hash` is set.

    Formula:
        y = x / (1 - rate) where a number, uniform from 0 to 1, is at least `rate`, else 0

    Reference:
        Srivastava et al., 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".
    """

    uses_hash = False

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002  Keras' own signature
        """Drop some of the inputs in training.

        Args:
            inputs: A floating-point tensor of any shape.
            training: Whether the model is training.

        Shape:
            Returns: as `inputs`.
        """
        if not (self.uses_hash and training and 0 < self.rate < 1 and self.noise_shape is None):
            return super().call(inputs, training=training)
        state = tf.cast(self.seed_generator.next(), tf.uint32)
        words = hashed_words(tf.shape(inputs), state[0], state[1])
        stays = words >= tf.constant(round(self.rate * 2**32), tf.uint32)
        # Comparing whole 32-bit words with a scaled rate needs no conversion to float for each number.
        return tf.where(stays, inputs / tf.cast(1 - self.rate, inputs.dtype), tf.zeros((), inputs.dtype))


def exchange_dropout(model: keras.Model) -> None:
    """Turn Keras' own dropout layers in a model into the class above; their state and names stay the same."""
    for layer in all_layers(model):
        if type(layer) is keras.layers.Dropout:
            layer.__class__ = Dropout


def use_hashed_dropout(model: keras.Model, *, on: bool) -> None:
    """Set whether graphs traced from now on use hashed random numbers in the dropout layers of `model`."""
    for layer in all_layers(model):
        if isinstance(layer, Dropout):
            layer.uses_hash = on
