"""Blend the output of a network with that of a fixed model."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


@functools.cache
def blend() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class Blend(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """The weighted mean of two outputs, but in training the first one alone, which learns to be right by itself.

        Formula:
            y = (1 - share) y_1 + share y_2, where each output has its own share, which is not trained
        """

        def build(self, input_shape: Any) -> None:
            """Create the shares, `(outputs,)`, which are 0 at first."""
            _, second = input_shape
            self.share = self.add_weight(shape=second[-1:], initializer="zeros", trainable=False, name="share")

        def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: FBT001  Keras' own signature
            """Blend the outputs, except in training.

            Shape:
                Input: two of `(batch, outputs)`; in training, the first of any shape. Output: `(batch, outputs)`; in
                training, the first input.
            """
            return inputs[0] if training else self._blended(inputs, self.share)

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the blend with operations of Keras, and the present shares as constants."""
            return self._blended(inputs, self.share.numpy())

        @staticmethod
        def _blended(inputs: Any, share: Any) -> Any:
            ops, (first, second) = keras.ops, inputs
            return ops.add(ops.multiply(first, 1.0 - share), ops.multiply(second, share))

        def compute_output_shape(self, input_shape: Any) -> tuple[int, ...]:
            """Return the shape of the output."""
            first, _ = input_shape
            return tuple(first)

    return Blend
