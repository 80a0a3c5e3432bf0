"""Replace Keras' dropout by one whose random numbers XLA computes quickly on a CPU.

Keras uses TensorFlow's default generator, which takes 600 ns for each number under XLA on a CPU (TensorFlow 2.21; that
is 2.4 ms for the 4,096 numbers of a batch of 32 with 128 units), so that XLA was slower for every network with dropout.
Here a random number is a hash of Keras' own seed state and of the position in the tensor, so checkpoints and resuming
work as with Keras' layer.

The rate of the layers may follow a schedule. It is computed from the number of steps that the optimizer has taken,
which is in every checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from dlrun.schedules import Schedule
from dlrun.system.keras_internals import all_layers, steps_taken
from dlrun.training.step.randomness import hashed_words


class Dropout(keras.layers.Dropout):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """Keras' Dropout; the source of its random numbers differs while `uses_hash` is set, its rate if it has a schedule.

    Formula:
        y = x / (1 - rate) where a number, uniform from 0 to 1, is at least `rate`, else 0

    Reference:
        Srivastava et al., 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".
    """

    uses_hash = False
    rate_now: Callable[[], Any] | None = None
    """Function that returns the rate of the present step, a float32 scalar; None if it is constant."""

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002  Keras' own signature
        """Drop some of the inputs in training.

        Args:
            inputs: A floating-point tensor of any shape.
            training: Whether the model is training.

        Shape:
            Returns: as `inputs`.
        """
        drops = training and 0 < self.rate < 1 and self.noise_shape is None
        if not (drops and (self.uses_hash or self.rate_now)):
            return super().call(inputs, training=training)
        rate = self.rate_now() if self.rate_now else self.rate
        if not self.uses_hash:
            seed = tf.cast(self.seed_generator.next(), tf.int32)
            return tf.nn.experimental.stateless_dropout(inputs, rate=tf.cast(rate, inputs.dtype), seed=seed)
        state = tf.cast(self.seed_generator.next(), tf.uint32)
        words = hashed_words(tf.shape(inputs), state[0], state[1])
        # Comparing whole 32-bit words with a scaled rate needs no conversion to float for each number.
        return tf.where(words >= _scaled(rate), inputs / tf.cast(1 - rate, inputs.dtype), tf.zeros((), inputs.dtype))


def _scaled(rate: Any) -> Any:
    """Return the part of all 32-bit words that is to be dropped."""
    if isinstance(rate, float):
        return tf.constant(round(rate * 2**32), tf.uint32)
    return tf.cast(tf.cast(rate, tf.float64) * 2.0**32, tf.uint32)


def schedule_dropout(model: keras.Model, schedule: Schedule, *, steps_per_epoch: int, total_steps: int) -> None:
    """Let the rates of all dropout layers of a compiled model follow a schedule.

    Args:
        model: A model whose dropout layers are of the class above.
        schedule: The schedule. The peak of each layer is its own rate.
        steps_per_epoch: Number of steps in an epoch.
        total_steps: Number of steps of the whole training.
    """
    steps = steps_taken(getattr(model.optimizer, "inner_optimizer", model.optimizer))  # under loss scaling
    for layer in all_layers(model):
        if isinstance(layer, Dropout) and layer.rate > 0 and layer.noise_shape is None:
            rate = schedule.build(layer.rate, steps_per_epoch=steps_per_epoch, total_steps=total_steps)
            layer.rate_now = partial(rate, steps)


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
