"""The layers of RealMLP: dense layers in the NTK parametrization, a scaling of the inputs, a parametric activation.

Some weights learn faster or more slowly than others. Under an optimizer such as Adam, whose steps do not depend on the
size of a gradient, a weight that is stored divided by a factor learns with that factor times the learning rate. So
these layers need no groups of parameters in the optimizer.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

_SIMPLEX = 5
_ROUNDING = 1e-6
"""Products that differ by less than this fraction of the largest are constant but for rounding errors."""


@functools.cache
def ntk_dense() -> type[keras.layers.Dense]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class NtkDense(keras.layers.Dense):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """A dense layer in the parametrization of the neural tangent kernel, whose bias has a learning rate of its own.

        Args:
            units: Width of the output.
            bias_rate: Factor of the learning rate of the bias.
            **options: Arguments of `keras.layers.Dense`.

        Formula:
            y = activation(x W / sqrt(width of x) + bias_rate b)

        Reference:
            Jacot, Gabriel and Hongler, 2018, "Neural Tangent Kernel: Convergence and Generalization in Neural
            Networks", arXiv:1806.07572.
        """

        def __init__(self, units: int, *, bias_rate: float = 1.0, **options: Any) -> None:
            super().__init__(units, **options)
            self.bias_rate = bias_rate

        def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: ARG002, FBT001  Keras' own signature
            """Apply the layer.

            Shape:
                Input: `(batch, width)`. Output: `(batch, units)`.
            """
            product = keras.ops.matmul(inputs, self.kernel) * (1 / math.sqrt(inputs.shape[-1]))
            return self.activation(product + self.bias_rate * self.bias)

        def start(self, inputs: npt.NDArray[Any], random: np.random.Generator) -> None:
            """Scale the kernel and set the bias so that the layer suits its inputs, before training.

            Args:
                inputs: Inputs for training rows.
                random: The source of the places where units are 0.

            Formula:
                W = W / std(x W / sqrt(width)); b = -sum_k p_k (x_(r_k) W / sqrt(width)), for 5 random rows r_k of each
                unit and random weights p_k that add up to 1

            Shape:
                inputs: `(rows, width)`.

            Reference:
                Holzmüller, Grinsztajn and Steinwart, 2024, arXiv:2407.04491: the bias is `he+5` there, after Steinwart,
                2019, "A Sober Look at Neural Network Initializations", arXiv:1903.11482.
            """
            kernel, bias = scaled_start(inputs, self.kernel.numpy(), random)
            self.kernel.assign(kernel)
            self.bias.assign(bias / self.bias_rate)

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the same as `call` with a dense layer of Keras."""
            layer = keras.layers.Dense(self.units, activation=self.activation, name=self.name)
            outputs = layer(inputs)
            layer.set_weights([self.kernel.numpy() / math.sqrt(inputs.shape[-1]), self.bias_rate * self.bias.numpy()])
            return outputs

        def get_config(self) -> dict[str, Any]:
            """Return the arguments in the form that Keras saves."""
            return {**super().get_config(), "bias_rate": self.bias_rate}

    return NtkDense


def scaled_start(
    inputs: npt.NDArray[Any], kernel: npt.NDArray[Any], random: np.random.Generator
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return a kernel whose products have variance 1 over the inputs, and a bias that puts them at 0 among the inputs.

    The kernel of a unit with constant products stays unchanged.

    Shape:
        inputs: `(rows, width)`. kernel: `(width, units)`. Returns: `(width, units)` and `(units,)`.
    """
    import numpy as np

    products = inputs.astype(np.float64) @ kernel.astype(np.float64) / math.sqrt(len(kernel))
    deviation = products.std(axis=0)
    is_constant = deviation <= _ROUNDING * np.abs(products).max(axis=0)
    deviation[is_constant] = 1.0
    places = random.integers(len(products), size=(_SIMPLEX, products.shape[1]))
    parts = random.exponential(size=places.shape)
    parts /= parts.sum(axis=0)
    bias = -(np.take_along_axis(products / deviation, places, axis=0) * parts).sum(axis=0)
    return kernel / deviation, bias


@functools.cache
def rated_scale() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class RatedScale(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """A learned factor of each feature, which is 1 at first: features that do not matter fade early.

        Args:
            rate: Factor of the learning rate.
            **options: Arguments of every Keras layer.

        Formula:
            y = rate s x
        """

        def __init__(self, *, rate: float, **options: Any) -> None:
            super().__init__(**options)
            self.rate = rate

        def build(self, input_shape: tuple[int, ...]) -> None:
            """Create the factors, `(width,)`."""
            initial = keras.initializers.Constant(1 / self.rate)
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer=initial, name="scale")

        def call(self, inputs: Any) -> Any:
            """Scale the features.

            Shape:
                Input and output: `(batch, width)`.
            """
            return inputs * (self.rate * self.scale)

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the same as `call` with an operation of Keras, and the present weights as constants."""
            return keras.ops.multiply(inputs, self.rate * self.scale.numpy())

        def get_config(self) -> dict[str, Any]:
            """Return the arguments in the form that Keras saves."""
            return {**super().get_config(), "rate": self.rate}

    return RatedScale


@functools.cache
def parametric_activation() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class ParametricActivation(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """An activation of which each unit learns how much it needs, between none and twice as much.

        Args:
            activation: Name of the activation.
            rate: Factor of the learning rate.
            **options: Arguments of every Keras layer.

        Formula:
            y = x + rate a (activation(x) - x), rate a = 1 at first
        """

        def __init__(self, activation: str, *, rate: float, **options: Any) -> None:
            super().__init__(**options)
            self.activation, self.rate = activation, rate

        def build(self, input_shape: tuple[int, ...]) -> None:
            """Create the weights of the activation, `(width,)`."""
            initial = keras.initializers.Constant(1 / self.rate)
            self.weight = self.add_weight(shape=(input_shape[-1],), initializer=initial, name="weight")

        def call(self, inputs: Any) -> Any:
            """Apply the activation.

            Shape:
                Input and output: `(batch, width)`.
            """
            return self._mixed(inputs, keras.activations.get(self.activation)(inputs), self.rate * self.weight)

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the same as `call` with operations of Keras, and the present weights as constants."""
            # Not every function in keras.activations takes a symbolic tensor.
            activated = keras.layers.Activation(self.activation, name=self.name)(inputs)
            return self._mixed(inputs, activated, self.rate * self.weight.numpy())

        def _mixed(self, inputs: Any, activated: Any, part: Any) -> Any:
            ops = keras.ops
            return ops.add(inputs, ops.multiply(ops.subtract(activated, inputs), part))

        def get_config(self) -> dict[str, Any]:
            """Return the arguments in the form that Keras saves."""
            return {**super().get_config(), "activation": self.activation, "rate": self.rate}

    return ParametricActivation
