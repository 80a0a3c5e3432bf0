"""A layer that turns each continuous number into a vector through waves of learned frequencies."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.models.parts.per_number import multiply_each, shifted, side_by_side, uniform

if TYPE_CHECKING:
    import keras


@functools.cache
def periodic_embedding() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class PeriodicEmbedding(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """Waves of learned frequencies of each number, and a linear layer after them.

        It computes in float32 also under mixed precision: bfloat16 has 8 bits, too few for the sine of a large angle.

        Args:
            frequencies: Number of frequencies of each number.
            scale: Standard deviation of the initial frequencies.
            size: Width of the vector of each number.
            form: `plr`, or `pbld`.
            lite: Whether all numbers share one linear layer.
            rate: Factor of the learning rate of all its weights, under an optimizer such as Adam, whose steps do not
                depend on the size of a gradient: a weight is stored divided by this factor.
            **options: Arguments of every Keras layer.

        Formula:
            plr: relu(W [sin(2 pi c x), cos(2 pi c x)] + b).
            pbld: [x, W cos(2 pi c x + p) + b].

        Reference:
            plr: Gorishniy, Rubachev and Babenko, 2022, "On Embeddings for Numerical Features in Tabular Deep Learning",
            arXiv:2203.05556. pbld: Holzmüller, Grinsztajn and Steinwart, 2024, arXiv:2407.04491.
        """

        def __init__(
            self,
            *,
            frequencies: int,
            scale: float,
            size: int,
            form: str = "plr",
            lite: bool = False,
            rate: float = 1.0,
            **options: Any,
        ) -> None:
            super().__init__(**{"dtype": "float32", **options})
            self.size, self.is_plr, self.is_lite, self.rate = size, form == "plr", lite, rate
            self._own: dict[str, Any] = {
                "frequencies": frequencies,
                "scale": scale,
                "size": size,
                "form": form,
                "lite": lite,
            }

        def build(self, input_shape: tuple[int, ...]) -> None:
            """Create the frequencies, `(numbers, frequencies)`, and the linear layers."""
            numbers, count, rate = input_shape[-1], self._own["frequencies"], self.rate
            width, size = (2 * count, self.size) if self.is_plr else (count, self.size - 1)
            normal = keras.initializers.RandomNormal(stddev=self._own["scale"] / rate)
            self.add_weight(shape=(numbers, count), initializer=normal, name="frequencies")
            if not self.is_plr:
                self.add_weight(shape=(numbers, count), initializer=uniform(math.pi / rate), name="phase")
            each, limit = () if self.is_lite else (numbers,), 1 / (rate * math.sqrt(width))
            self.add_weight(shape=(*each, width, size), initializer=uniform(limit), name="kernel")
            self.add_weight(shape=(*each, size), initializer=uniform(limit), name="bias")

        def call(self, inputs: Any) -> Any:
            """Return the vectors of all numbers side by side.

            Shape:
                Input: `(batch, ..., numbers)`. Output: `(batch, ..., numbers * size)`, float32.
            """
            product = "...nw,ws->...ns" if self.is_lite else "...nw,nws->...ns"
            weights = {weight.name: self.rate * weight for weight in self.weights}
            return self._vectors(inputs, weights, lambda waves, kernel: keras.ops.einsum(product, waves, kernel))

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the same as `call` with operations of Keras, and the present weights as constants."""
            weights = {weight.name: np.float32(self.rate) * weight.numpy() for weight in self.weights}
            return self._vectors(inputs, weights, multiply_each)

        def _vectors(self, inputs: Any, weights: Mapping[str, Any], multiply: Callable[[Any, Any], Any]) -> Any:
            ops = keras.ops
            numbers = ops.expand_dims(ops.cast(inputs, "float32"), -1)
            angles = ops.multiply(numbers, weights["frequencies"] * np.float32(2 * math.pi))
            if self.is_plr:
                waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
                vectors = ops.relu(shifted(multiply(waves, weights["kernel"]), weights["bias"]))
            else:
                waves = ops.cos(shifted(angles, weights["phase"]))
                vectors = shifted(multiply(waves, weights["kernel"]), weights["bias"])
                vectors = ops.concatenate([numbers, vectors], axis=-1)
            return side_by_side(vectors, inputs, self.size)

        def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            """Return the shape of the output."""
            return (*input_shape[:-1], input_shape[-1] * self.size)

        def get_config(self) -> dict[str, Any]:
            """Return the arguments in the form that Keras saves."""
            return {**super().get_config(), **self._own, "rate": self.rate}

    return PeriodicEmbedding
