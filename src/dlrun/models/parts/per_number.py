"""Operations that the layers of numeric embeddings share: each number has its own weights."""

from __future__ import annotations

from typing import Any


def uniform(limit: float) -> Any:
    """Return the initializer of numbers from -limit to limit."""
    import keras

    return keras.initializers.RandomUniform(-limit, limit)


def multiply_each(values: Any, kernel: Any) -> Any:
    """Multiply the vector of each number by its own matrix, or by one for all.

    It is slower than an einsum, but every format of exported models has its operations.

    Shape:
        values: `(..., numbers, width)`. kernel: `(numbers, width, size)`, or `(width, size)`. Returns:
        `(..., numbers, size)`.
    """
    import keras

    return keras.ops.squeeze(keras.ops.matmul(keras.ops.expand_dims(values, -2), kernel), -2)


def shifted(values: Any, bias: Any) -> Any:
    """Return the sum of values and a bias.

    Keras 3.15 turns the addition of a bias with one axis longer than 1 into a BiasAdd, which TensorFlow Lite cannot
    convert for values of three axes.
    """
    import keras

    return keras.ops.subtract(values, -bias)


def side_by_side(vectors: Any, inputs: Any, size: int) -> Any:
    """Join the last two axes.

    Shape:
        vectors: `(batch, ..., numbers, size)`. inputs: `(batch, ..., numbers)`. Returns:
        `(batch, ..., numbers * size)`.
    """
    import keras

    return keras.ops.reshape(vectors, (-1, *inputs.shape[1:-1], inputs.shape[-1] * size))
