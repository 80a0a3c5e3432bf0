"""A dense layer that can also be applied in reverse, with its transposed kernel, for tied autoencoders."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


@functools.cache
def reversible_dense() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class ReversibleDense(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """A linear layer for two directions, with one kernel and a bias for each direction.

        Args:
            units: Width of the output, or of the input with `reverse`.
            kernel_initializer: See `keras.layers.Dense`.
            kernel_regularizer: See `keras.layers.Dense`.
            **options: Arguments of every Keras layer.

        Formula:
            y = x W + b; with `reverse`: y = x W^T + c
        """

        def __init__(
            self,
            units: int,
            *,
            kernel_initializer: Any = "glorot_uniform",
            kernel_regularizer: Any = None,
            **options: Any,
        ) -> None:
            super().__init__(**options)
            self.units = units
            self.kernel_initializer = keras.initializers.get(kernel_initializer)
            self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

        def build(self, input_shape: tuple[int | None, ...]) -> None:
            """Create the kernel `(width, units)` and both biases."""
            width = input_shape[-1]
            # Without autocast, a bfloat16 layer can still compute the last step of a decoder in float32.
            weight = functools.partial(self.add_weight, autocast=False)
            self.kernel = weight(
                shape=(width, self.units),
                initializer=self.kernel_initializer,
                regularizer=self.kernel_regularizer,
                name="kernel",
            )
            self.bias = weight(shape=(self.units,), initializer="zeros", name="bias")
            self.reverse_bias = weight(shape=(width,), initializer="zeros", name="reverse_bias")

        def call(self, inputs: Any, *, reverse: bool = False, full_precision: bool = False) -> Any:
            """Apply the layer, in float32 if `full_precision`, otherwise in its compute dtype.

            Shape:
                Input: `(batch, width)`. Output: `(batch, units)`. With `reverse`, the two are exchanged.
            """
            dtype = "float32" if full_precision else self.compute_dtype
            kernel, bias = (
                (self.kernel, self.bias) if not reverse else (keras.ops.transpose(self.kernel), self.reverse_bias)
            )
            product = keras.ops.matmul(keras.ops.cast(inputs, dtype), keras.ops.cast(kernel, dtype))
            return product + keras.ops.cast(bias, dtype)

        def get_config(self) -> dict[str, Any]:
            """Return the arguments in the form that Keras saves."""
            own = {
                "units": self.units,
                "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
                "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            }
            return {**super().get_config(), **own}

    return ReversibleDense
