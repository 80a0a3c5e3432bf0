"""The output layer that every architecture without an end of its own shares."""

from __future__ import annotations

from typing import Any

from dlrun.signature import Target


def head(tensor: Any, target: Target, **kernel_options: Any) -> Any:
    """Apply the dense output layer, always in float32 so that losses and metrics are.

    Args:
        tensor: What the last hidden layer gave.
        target: What is to be predicted.
        **kernel_options: `kernel_initializer` and `kernel_regularizer` of Keras' Dense, where they are not its own.

    Shape:
        Input: `(batch, width)`. Output: `(batch, target.units)`, float32.
    """
    import keras

    layer = keras.layers.Dense(
        target.units, activation=target.activation, dtype="float32", name="head", **kernel_options
    )
    return layer(tensor)
