"""Layers that add to each vector of a sequence what says where it stands."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

_LONGEST_WAVE = 10_000.0
_DEVIATION = 0.02
"""Of the first learned positions, as in the vision transformer."""


@functools.cache
def learned_positions() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class LearnedPositions(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """Adds a vector of its own to each step, which is learned.

        Formula:
            x_t + p_t

        Reference:
            Dosovitskiy et al., 2021, "An Image is Worth 16x16 Words", arXiv:2010.11929.
        """

        def build(self, input_shape: tuple[int, ...]) -> None:
            """Create the vectors of the positions."""
            initializer = keras.initializers.RandomNormal(stddev=_DEVIATION)
            self.positions = self.add_weight(shape=input_shape[1:], initializer=initializer, name="positions")

        def call(self, inputs: Any) -> Any:
            """Return the sums.

            Shape:
                `(batch, steps, width)`, which does not change.
            """
            return keras.ops.add(inputs, self.positions)

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the same as `call` with an operation of Keras, and the present weights as a constant."""
            return keras.ops.add(inputs, self.positions.numpy())

    return LearnedPositions


@functools.cache
def sinusoidal_positions() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class SinusoidalPositions(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """Adds sines and cosines of the number of the step; see `sinusoids`."""

        def call(self, inputs: Any) -> Any:
            """Return the sums.

            Shape:
                `(batch, steps, width)`, which does not change.
            """
            return keras.ops.add(inputs, keras.ops.cast(sinusoids(*inputs.shape[1:]), inputs.dtype))

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the same as `call` with an operation of Keras."""
            return keras.ops.add(inputs, sinusoids(*inputs.shape[1:]))

    return SinusoidalPositions


def sinusoids(steps: int, width: int) -> npt.NDArray[np.float32]:
    """Return waves of different lengths, whose values at a step identify it.

    Formula:
        sin(t / 10000^(i / width)) at even places i, cos(t / 10000^((i - 1) / width)) at odd places

    Shape:
        Returns: `(steps, width)`.

    Reference:
        Vaswani et al., 2017, "Attention Is All You Need", arXiv:1706.03762, section 3.5.
    """
    import numpy as np

    places = np.arange(width)
    angles = np.arange(steps)[:, None] / _LONGEST_WAVE ** ((places - places % 2) / width)
    return np.where(places % 2, np.cos(angles), np.sin(angles)).astype(np.float32)
