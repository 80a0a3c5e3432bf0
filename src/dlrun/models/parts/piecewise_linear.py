"""A layer that turns each continuous number into a vector through its place among quantiles."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.models.parts.per_number import multiply_each, shifted, side_by_side, uniform

if TYPE_CHECKING:
    import keras

_UNBOUNDED = 1e30
"""Stands for infinity, which JSON has not: the first and the last bin have no limit on the outside."""


@functools.cache
def piecewise_linear_embedding() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class PiecewiseLinearEmbedding(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """The place of each number among quantiles, and a linear layer of its own after it.

        It computes in float32 also under mixed precision, so that close numbers stay apart.

        Args:
            edges: Ascending edges of the bins of each number.
            size: Width of the vector of each number.
            activation: `linear`, or `relu`.
            **options: Arguments of every Keras layer.

        Formula:
            W e + b, e_t = (x - edge_t) / (edge_(t+1) - edge_t), which is at least 0 except in the first bin, and at
            most 1 except in the last.

        Reference:
            Gorishniy, Rubachev and Babenko, 2022, "On Embeddings for Numerical Features in Tabular Deep Learning",
            arXiv:2203.05556, section 3.2.
        """

        def __init__(
            self, *, edges: Sequence[Sequence[float]], size: int, activation: str = "linear", **options: Any
        ) -> None:
            super().__init__(**{"dtype": "float32", **options})
            self.edges, self.size, self.activation = [list(each) for each in edges], size, activation
            self._bins = _bins(self.edges)

        def build(self, input_shape: tuple[int, ...]) -> None:
            """Create the linear layer of each number."""
            numbers, bins = input_shape[-1], self._bins[0].shape[1]
            initializer = uniform(1 / math.sqrt(bins))
            self.kernel = self.add_weight(shape=(numbers, bins, self.size), initializer=initializer, name="kernel")
            self.bias = self.add_weight(shape=(numbers, self.size), initializer=initializer, name="bias")

        def call(self, inputs: Any) -> Any:
            """Return the vectors of all numbers side by side.

            Shape:
                Input: `(batch, ..., numbers)`. Output: `(batch, ..., numbers * size)`, float32.
            """
            product = keras.ops.einsum("...nt,nts->...ns", self._places(inputs), self.kernel)
            return self._finished(product, self.bias, inputs)

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the same as `call` with operations of Keras, and the present weights as constants."""
            return self._finished(multiply_each(self._places(inputs), self.kernel.numpy()), self.bias.numpy(), inputs)

        def _places(self, inputs: Any) -> Any:
            ops, (start, width, low, high) = keras.ops, self._bins
            numbers = ops.expand_dims(ops.cast(inputs, "float32"), -1)
            return ops.minimum(ops.maximum(ops.divide(ops.subtract(numbers, start), width), low), high)

        def _finished(self, product: Any, bias: Any, inputs: Any) -> Any:
            vectors = shifted(product, bias)
            return side_by_side(keras.ops.relu(vectors) if self.activation == "relu" else vectors, inputs, self.size)

        def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            """Return the shape of the output."""
            return (*input_shape[:-1], input_shape[-1] * self.size)

        def get_config(self) -> dict[str, Any]:
            """Return the arguments in the form that Keras saves."""
            own = {"edges": self.edges, "size": self.size, "activation": self.activation}
            return {**super().get_config(), **own}

    return PiecewiseLinearEmbedding


def _bins(edges: Sequence[Sequence[float]]) -> tuple[npt.NDArray[np.float32], ...]:
    """Return start and width of each bin of each number, and the lowest and highest place in it.

    A number with fewer bins than others has bins in which the place is always 0.

    Shape:
        Each: `(numbers, bins)`.
    """
    shape = (len(edges), max(map(len, edges)) - 1)
    start, low, high = (np.zeros(shape, np.float32) for _ in range(3))
    width = np.ones(shape, np.float32)
    for number, each in enumerate(edges):
        own, last = np.array(each, np.float32), len(each) - 1
        start[number, :last], width[number, :last], high[number, :last] = own[:-1], np.diff(own), 1.0
        low[number, 0], high[number, last - 1] = -_UNBOUNDED, _UNBOUNDED
    return start, width, low, high
