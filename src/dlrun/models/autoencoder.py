"""The autoencoder: a dense or convolutional encoder to a code, and a mirrored decoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.models.embedding import NumericEmbedding
from dlrun.models.layers import Activation, Hidden, Penalty, Positive, features_input, flattened
from dlrun.models.model import Model, models
from dlrun.models.parts.reversible_dense import reversible_dense
from dlrun.models.parts.sliding_window import Size, axis_problem, per_axis, slide, written
from dlrun.models.parts.transposed import crop_to_size
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

Apply = Callable[[Any], Any]
STRIDES = 2
"""Strides of each convolutional layer, which halve the size of its input."""


@models.register("autoencoder")
class Autoencoder(NumericEmbedding, Hidden, Model):
    """An autoencoder, which learns to reconstruct its input from a narrow, noisy or sparse code.

    With `numeric_embedding`, the encoder reads the vectors of the numbers; the decoder reconstructs the numbers.

    Formula:
        h_i = activation(W_i h_(i-1) + b_i) in the encoder; the decoder has the same widths in reverse. If tied, the
        decoder uses the transposed kernels of the encoder: with a single layer, x' = activation(W^T (W x + b) + c).

    Reference:
        Hinton and Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006. Input noise: Vincent
        et al., Extracting and composing robust features with denoising autoencoders, 2008.
    """

    takes = ("image", "vector", "sequence")
    target_is_input = True

    encoder: Literal["dense", "convolutional"] = Field(
        default="dense",
        description="dense: flatten the input and apply layers of `units`. convolutional: apply layers of `filters`, "
        "each of which halves the height and width (or the steps).",
    )
    units: tuple[Positive, ...] = Field(
        default=(), description="Dense: width of each encoder layer before the code. The decoder has them in reverse."
    )
    filters: tuple[Positive, ...] = Field(
        default=(), description="Convolutional: filters of each encoder layer. The decoder has them in reverse."
    )
    kernel_size: Size | None = Field(
        default=None,
        description="Convolutional: size of each kernel in pixels or steps, a number or one per axis; null: 3.",
    )
    latent_units: Positive | None = Field(
        default=None,
        description="Size of the code. null (convolutional only): the output of the last encoder layer is the code.",
    )
    latent_activation: Activation = Field(default="linear", description="Activation of the layer of `latent_units`.")
    activity_l1: Penalty = Field(
        default=0.0,
        description="Weight of the L1 penalty on the code, which makes it sparse: the sum of its absolute values, "
        "averaged over the batch. 0: none.",
    )
    tied: bool = Field(
        default=False,
        description="Dense: let the decoder use the transposed kernels of the encoder, with its own biases.",
    )
    input_noise: Penalty = Field(
        default=0.0, description="Standard deviation of the Gaussian noise added to the input during training. 0: none."
    )
    output_activation: Activation = Field(
        default="linear", description="Activation of the output; sigmoid suits inputs from 0 to 1."
    )

    def build(self, features: Features, target: Target) -> keras.Model:  # noqa: ARG002  its input is its target
        """Build the Keras model.

        Shape:
            Input and output: `(batch, *features.shape)`, float32.
        """
        import keras

        inputs = tensor = features_input(features)
        if self.input_noise:
            tensor = keras.layers.GaussianNoise(self.input_noise, name="input_noise")(tensor)
        tensor = self.embedded(tensor, features)
        build = self._dense if self.encoder == "dense" else self._convolutional
        return keras.Model(inputs, build(tensor, features), name=self.type_name)

    def final_activation(self, target: Target) -> str:  # noqa: ARG002  its input is its target
        """Return its own output activation; it has no shared head."""
        return self.output_activation

    def gains_from_shares(self) -> bool:
        """Return True with convolutions, unless a penalty or batch normalization is computed over the whole batch."""
        over_batch = self.activity_l1 or self.batch_normalization
        return self.encoder == "convolutional" and not over_batch

    def problems(self) -> Iterator[FieldProblem]:
        """Yield keys that this kind of encoder needs but lacks, and keys of the other kind."""
        yield from super().problems()
        dense = self.encoder == "dense"
        foreign = ("filters", "kernel_size") if dense else ("units", "tied")
        other = "convolutional" if dense else "dense"
        for key in foreign:
            if getattr(self, key):
                hint = f"set encoder: {other}, or remove {key}"
                yield FieldProblem(
                    (key,), f"{key} is for a {other} encoder, but the encoder is {self.encoder}", hint=hint
                )
        if dense and self.latent_units is None:
            yield FieldProblem(
                (), "a dense autoencoder needs latent_units, the size of its code", hint="latent_units: 32"
            )
        if not dense and not self.filters:
            yield FieldProblem((), "a convolutional autoencoder needs filters", hint="filters: [32, 16]")
        if not dense and self.latent_units is None and self.latent_activation != "linear":
            yield FieldProblem(
                ("latent_activation",), "latent_activation has no effect without latent_units", hint="add latent_units"
            )
        if self.tied and self.numeric_embedding != "none":
            what = "a tied decoder would reconstruct the vectors of the numbers, not the numbers"
            yield FieldProblem(("tied",), what, "false", "tied: false, or numeric_embedding: none")

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield an embedding without numbers, a convolutional encoder for a vector, and layers that halve nothing."""
        if features.kind in self.takes:
            yield from self.numeric_misfits(features)
        if self.encoder == "dense" or features.kind not in self.takes:
            return
        if features.kind == "vector":
            what = "a convolutional encoder cannot take a vector"
            yield FieldProblem(("encoder",), what, expected="an image or a sequence", hint="encoder: dense")
            return
        shape = features.shape[:-1]
        yield from axis_problem(("kernel_size",), self.kernel_size, rank=len(shape))
        for index in range(len(self.filters)):
            # An axis of length 1 keeps its length, so a layer has an effect as long as another axis is longer.
            if max(shape) == 1:
                yield FieldProblem(
                    ("filters", index),
                    f"layer {index + 1} cannot halve its input, which is only {written(shape)}",
                    expected=f"at most {index} layers for an input of {written(features.shape[:-1])}",
                    hint=f"filters: {list(self.filters[:index])}" if index else "encoder: dense",
                )
                return
            shape = slide(shape, 1, strides=STRIDES, padding="same")

    def _dense(self, tensor: Any, features: Features) -> Any:
        """Encode and decode with dense layers.

        Shape:
            Input and output: `(batch, *features.shape)`.
        """
        import keras

        layer_class: Any = reversible_dense() if self.tied else keras.layers.Dense
        dense = partial(layer_class, **self.kernel_options())
        encoders = [dense(units, name=f"encoder_{number}") for number, units in enumerate(self.units, start=1)]
        latent = dense(self.latent_units, name="latent")
        if self.tied:
            # Decode with the same layers in reverse order. The last one computes the reconstruction, which has to be
            # float32 also under mixed precision.
            *back, first = reversed([*encoders, latent])
            decoders = [partial(layer, reverse=True) for layer in back]
            last: Apply = partial(first, reverse=True, full_precision=True)
        else:
            decoders = [
                dense(units, name=f"decoder_{number}") for number, units in enumerate(self.units[::-1], start=1)
            ]
            last = keras.layers.Dense(features.size, dtype="float32", name="reconstruction")
        tensor = self._through(encoders, flattened(tensor), name="encoder")
        code = self._code(latent(tensor))
        tensor = self._reconstruction(last(self._through(decoders, code, name="decoder")))
        if len(features.shape) == 1:
            return tensor
        return keras.layers.Reshape(features.shape, dtype="float32", name="reconstruction_reshape")(tensor)

    def _convolutional(self, tensor: Any, features: Features) -> Any:
        """Encode with strided convolutions and decode with transposed ones.

        Shape:
            Input and output: `(batch, *features.shape)`.
        """
        import keras

        rank = len(features.shape) - 1
        kernel_size = per_axis(self.kernel_size or 3, rank)
        window = {"kernel_size": kernel_size, "strides": STRIDES, "padding": "same"}
        convolution = partial(getattr(keras.layers, f"Conv{rank}D"), **window, **self.kernel_options())
        transposed = partial(getattr(keras.layers, f"Conv{rank}DTranspose"), **window)
        sizes = [features.shape[:-1]]
        for _ in self.filters:
            sizes.append(slide(sizes[-1], kernel_size, strides=STRIDES, padding="same"))
        encoders = [
            convolution(filters, name=f"encoder_{number}") for number, filters in enumerate(self.filters, start=1)
        ]
        # The decoder mirrors the encoder: each of its layers restores the size that the encoder layer halved. The
        # widths exclude the last encoder layer, which is the code, and the output layer follows with the channels.
        widths = zip(self.filters[-2::-1], sizes[-2:0:-1], strict=True)
        decoders = [
            crop_to_size(transposed(filters, name=f"decoder_{number}", **self.kernel_options()), size)
            for number, (filters, size) in enumerate(widths, start=1)
        ]
        last = crop_to_size(transposed(features.shape[-1], dtype="float32", name="reconstruction"), sizes[0])
        code = self._bottleneck(self._through(encoders, tensor, name="encoder"))
        return self._reconstruction(last(self._through(decoders, code, name="decoder")))

    def _through(self, layers: Sequence[Apply], tensor: Any, *, name: str) -> Any:
        """Apply hidden layers, each with normalization, activation and dropout, named `<name>_1`, `<name>_2`, ..."""
        for number, layer in enumerate(layers, start=1):
            tensor = self.follow(layer(tensor), name=f"{name}_{number}")
            tensor = self.drop(tensor, name=f"{name}_{number}")
        return tensor

    def _bottleneck(self, tensor: Any) -> Any:
        """Encode to `latent_units` and decode to the same shape; without `latent_units`, only add the penalty.

        Shape:
            Input and output: `(batch, height, width, filters)` or `(batch, steps, filters)`.
        """
        import keras

        if self.latent_units is None:
            return self._penalized(tensor)
        shape = tensor.shape[1:]
        latent = keras.layers.Dense(self.latent_units, name="latent", **self.kernel_options())
        tensor = self.dense(self._code(latent(flattened(tensor))), math.prod(shape), name="decoder_dense")
        return keras.layers.Reshape(shape, name="decoder_reshape")(tensor)

    def _code(self, tensor: Any) -> Any:
        """Apply the activation of the code and its penalty."""
        import keras

        if self.latent_activation != "linear":
            tensor = keras.layers.Activation(self.latent_activation, name="latent_activation")(tensor)
        return self._penalized(tensor)

    def _penalized(self, tensor: Any) -> Any:
        """Add the penalty on the code to the loss, in float32 because it sums many values."""
        import keras

        if not self.activity_l1:
            return tensor
        return keras.layers.ActivityRegularization(l1=self.activity_l1, dtype="float32", name="code_penalty")(tensor)

    def _reconstruction(self, tensor: Any) -> Any:
        """Apply the output activation in float32."""
        import keras

        if self.output_activation == "linear":
            return tensor
        activation = self.output_activation
        return keras.layers.Activation(activation, dtype="float32", name="output_activation")(tensor)
