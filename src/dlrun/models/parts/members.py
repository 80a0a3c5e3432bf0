"""Layers of an ensemble whose members share most weights: scales and biases of each member, its head, and the mean.

In training the last layer returns the outputs of all members, each of which has a loss of its own
(`training/step/by_member.py`). Everywhere else it returns their mean, so that the ensemble is one model.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dlrun.models.parts.per_number import multiply_each, shifted, uniform
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras

Initial = Literal["ones", "normal", "signs"]


@dataclass(frozen=True)
class MeanOfMembers:
    """How to join the outputs of members.

    Args:
        link: `softmax` or `sigmoid` if the outputs are logits, whose probabilities are averaged; `identity` if they are
            averaged themselves.
        sizes: Number of outputs in each group with a softmax of its own.
    """

    link: Literal["softmax", "sigmoid", "identity"]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, target: Target) -> MeanOfMembers:
        """Return how to join what members predict for a target."""
        if not target.is_logits:
            return cls("identity", (target.units,))
        if target.encoding == "binary":
            return cls("sigmoid", (target.units,))
        return cls("softmax", tuple(part.target.size for part in target.parts))

    def __call__(self, members: Any) -> Any:
        """Return the mean of the members, as logits if their outputs are logits.

        Formula:
            softmax: log mean_m softmax(z_m); sigmoid: log p - log(1 - p), p = mean_m sigmoid(z_m)

        Shape:
            members: `(batch, members, outputs)`. Returns: `(batch, outputs)`.
        """
        import numpy as np
        from keras import ops

        if self.link == "identity":
            return ops.mean(members, axis=1)
        if self.link == "sigmoid":
            log_sigmoid = ops.log_sigmoid
            positive = ops.logsumexp(log_sigmoid(members), axis=1)
            return ops.subtract(positive, ops.logsumexp(log_sigmoid(ops.negative(members)), axis=1))
        parts, first = [], 0
        for size in self.sizes:
            own = members if len(self.sizes) == 1 else members[..., first : first + size]
            parts.append(ops.logsumexp(ops.log_softmax(own, axis=-1), axis=1))
            first += size
        joined = ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
        return ops.subtract(joined, np.float32(math.log(members.shape[1])))


@functools.cache
def member_scale() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class MemberScale(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """A scale, and if desired a bias, of each value in each member.

        Args:
            members: Number of members.
            initial: Initial scales: `ones`, `normal` random numbers, or random `signs`.
            widths: Numbers of neighbouring values that have one initial scale; empty if each has its own.
            use_bias: Whether there is a bias, which is 0 at first.
            **options: Arguments of every Keras layer.

        Formula:
            y_m = s_m x_m + b_m

        Reference:
            Wen, Tran and Ba, 2020, "BatchEnsemble: An Alternative Approach to Efficient Ensemble and Lifelong
            Learning", arXiv:2002.06715.
        """

        def __init__(
            self,
            members: int,
            *,
            initial: Initial = "ones",
            widths: Sequence[int] = (),
            use_bias: bool = False,
            **options: Any,
        ) -> None:
            super().__init__(**options)
            self.members, self.initial, self.widths, self.use_bias = members, initial, list(widths), use_bias
            self.bias: Any = None

        def build(self, input_shape: tuple[int, ...]) -> None:
            """Create the scales and biases, `(members, width)`."""
            shape = (self.members, input_shape[-1])
            initial = functools.partial(_initial_scales, initial=self.initial, widths=self.widths)
            self.scale = self.add_weight(shape=shape, initializer=initial, name="scale")
            if self.use_bias:
                self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

        def call(self, inputs: Any) -> Any:
            """Scale the values of each member.

            Shape:
                Input: `(batch, width)`, the same for all members, or `(batch, members, width)`. Output:
                `(batch, members, width)`.
            """
            return self._scaled(inputs, self.scale, self.bias)

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the same as `call` with operations of Keras, and the present weights as constants."""
            return self._scaled(inputs, self.scale.numpy(), self.bias.numpy() if self.use_bias else None)

        def _scaled(self, inputs: Any, scale: Any, bias: Any) -> Any:
            ops = keras.ops
            each = ops.expand_dims(inputs, 1) if len(inputs.shape) == 2 else inputs
            scaled = ops.multiply(each, scale)
            return shifted(scaled, bias) if self.use_bias else scaled

        def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            """Return the shape of the output."""
            return (input_shape[0], self.members, input_shape[-1])

        def get_config(self) -> dict[str, Any]:
            """Return the arguments in the form that Keras saves."""
            names = ("members", "initial", "widths", "use_bias")
            return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    return MemberScale


def _initial_scales(shape: tuple[int, ...], dtype: Any = None, *, initial: Initial, widths: Sequence[int]) -> Any:
    """Return the first scales of all members.

    Shape:
        Returns: `shape`, which is `(members, width)`.
    """
    import keras
    import numpy as np

    if initial == "ones":
        return keras.ops.ones(shape, dtype)
    members, width = shape
    each = list(widths) or [1] * width
    drawn = keras.random.normal((members, len(each)), dtype=dtype, seed=keras.random.SeedGenerator())
    if initial == "signs":
        drawn = keras.ops.where(drawn < 0, -1.0, 1.0)
    return keras.ops.repeat(drawn, np.array(each), axis=1)


@functools.cache
def member_dense() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class MemberDense(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """A dense layer of its own for each member.

        Args:
            units: Width of the output.
            activation: Name of the activation.
            **options: Arguments of every Keras layer.

        Formula:
            y_m = activation(x_m W_m + b_m)
        """

        def __init__(self, units: int, *, activation: str = "linear", **options: Any) -> None:
            super().__init__(**options)
            self.units, self.activation = units, activation

        def build(self, input_shape: tuple[int, ...]) -> None:
            """Create the kernels, `(members, width, units)`, and the biases, `(members, units)`."""
            _, members, width = input_shape
            initializer = uniform(1 / math.sqrt(width))
            self.kernel = self.add_weight(shape=(members, width, self.units), initializer=initializer, name="kernel")
            self.bias = self.add_weight(shape=(members, self.units), initializer=initializer, name="bias")

        def call(self, inputs: Any) -> Any:
            """Apply the layer of each member.

            Shape:
                Input: `(batch, members, width)`. Output: `(batch, members, units)`.
            """
            product = keras.ops.einsum("bmw,mwu->bmu", inputs, self.kernel)
            return keras.activations.get(self.activation)(shifted(product, self.bias))

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the same as `call` with operations of Keras, and the present weights as constants."""
            outputs = shifted(multiply_each(inputs, self.kernel.numpy()), self.bias.numpy())
            # Not every function in keras.activations takes a symbolic tensor.
            return keras.layers.Activation(self.activation, name=self.name)(outputs)

        def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            """Return the shape of the output."""
            return (*input_shape[:-1], self.units)

        def get_config(self) -> dict[str, Any]:
            """Return the arguments in the form that Keras saves."""
            return {**super().get_config(), "units": self.units, "activation": self.activation}

    return MemberDense


@functools.cache
def member_mean() -> type[keras.layers.Layer]:
    """Return the Keras layer class. It is created on first use because importing Keras takes seconds."""
    import keras

    @keras.saving.register_keras_serializable("dlrun")
    class MemberMean(keras.layers.Layer):  # type: ignore[misc, unused-ignore]  # Keras has no types
        """The outputs of all members in training, otherwise their mean.

        Args:
            link: See `MeanOfMembers`.
            sizes: See `MeanOfMembers`.
            **options: Arguments of every Keras layer.
        """

        def __init__(
            self, *, link: Literal["softmax", "sigmoid", "identity"], sizes: Sequence[int], **options: Any
        ) -> None:
            super().__init__(**options)
            self.mean = MeanOfMembers(link, tuple(sizes))

        def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: FBT001  Keras' own signature
            """Join the members, except in training.

            Shape:
                Input: `(batch, members, outputs)`. Output: the same in training, otherwise `(batch, outputs)`.
            """
            return inputs if training else self.mean(inputs)

        def in_plain_layers(self, inputs: Any) -> Any:
            """Compute the mean with operations of Keras."""
            return self.mean(inputs)

        def get_config(self) -> dict[str, Any]:
            """Return the arguments in the form that Keras saves."""
            return {**super().get_config(), "link": self.mean.link, "sizes": list(self.mean.sizes)}

    return MemberMean
