"""The output layers that architectures share: one for examples, one for pixels."""

from __future__ import annotations

from typing import Any

from dlrun.signature import Target


def head(tensor: Any, target: Target, **kernel_options: Any) -> Any:
    """Apply the dense output layer, always in float32, so that losses and metrics are computed in float32.

    Args:
        tensor: Output of the last hidden layer.
        target: Target that the model predicts.
        **kernel_options: `kernel_initializer`, `kernel_regularizer` and `use_bias` of `keras.layers.Dense`.

    Shape:
        Input: `(batch, width)`. Output: `(batch, target.units)`, float32.
    """
    import keras

    layer = keras.layers.Dense(
        target.units, activation=target.activation, dtype="float32", name="head", **kernel_options
    )
    return layer(tensor)


def pixel_head(tensor: Any, target: Target, **kernel_options: Any) -> Any:
    """Apply the 1x1 convolution that ends a model of masks, in float32 as `head` does.

    Args:
        tensor: Output of the last hidden layer.
        target: Target of kind `mask` that the model predicts.
        **kernel_options: `kernel_initializer`, `kernel_regularizer` and `use_bias` of `keras.layers.Conv2D`.

    Shape:
        Input: `(batch, height, width, channels)`. Output: `(batch, height, width, target.units)`, float32.
    """
    import keras

    layer = keras.layers.Conv2D(
        target.units, 1, activation=target.activation, dtype="float32", name="head", **kernel_options
    )
    return layer(tensor)
