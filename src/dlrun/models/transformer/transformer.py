"""The transformer encoder for texts, sequences, series and images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from dlrun.component import AbsentKey, FieldProblem
from dlrun.models.embedding import NumericEmbedding
from dlrun.models.layers import Activation, DropoutKeys, Positive, Weights, features_input
from dlrun.models.model import Model, models
from dlrun.models.parts.sliding_window import Size, axis_problem, per_axis, written
from dlrun.models.parts.stochastic_depth import StochasticDepthKey, skip_at_random
from dlrun.models.shortcut import LinearShortcut
from dlrun.models.transformer.positions import learned_positions, sinusoidal_positions
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

_FEEDFORWARD = 4
_EPSILON = 1e-6
_DEVIATION = 0.02


@models.register("transformer")
class Transformer(StochasticDepthKey, NumericEmbedding, DropoutKeys, Weights, LinearShortcut, Model):
    """A transformer encoder, with layer normalization before each part of a block, as it trains without warm-up.

    Each token, step or patch becomes a vector of `width` values, to which its position is added. In each block the
    vectors exchange information by attention, and each passes through two dense layers. The mean of the vectors goes
    to the output layer. Images are cut into patches, which is the vision transformer.

    Padding (token id 0) takes no part: no other token attends to it, and it is not in the mean. So neither its length
    nor its content changes a prediction.

    Formula:
        x = x + attention(norm(x)), x = x + W activation(V norm(x)), attention = softmax(q k^T / sqrt(width / heads)) v
        for each head

    Reference:
        Vaswani et al., 2017, "Attention Is All You Need", arXiv:1706.03762; Dosovitskiy et al., 2021, "An Image is
        Worth 16x16 Words", arXiv:2010.11929, for images; Xiong et al., 2020, "On Layer Normalization in the Transformer
        Architecture", arXiv:2002.04745, for the place of normalization.
    """

    takes = ("tokens", "sequence", "image")
    learns_embedded = True
    absent_keys: ClassVar[Mapping[str, AbsentKey]] = {
        "embedding_size": AbsentKey("whose vectors of tokens are as wide as all others", "width: 64"),
        "filters": AbsentKey("whose vectors of patches are as wide as all others", "width: 64"),
    }

    width: Positive = Field(
        default=64, description="Width of the vector of each token, step or patch; a multiple of `heads`."
    )
    layers: Positive = Field(default=2, description="Number of blocks of attention and two dense layers.")
    heads: Positive = Field(
        default=4, description="Number of attention heads of each block; each has width / heads values."
    )
    feedforward_units: Positive | None = Field(
        default=None,
        description="Width of the first of the two dense layers of each block; null: four times `width`.",
    )
    activation: Activation = Field(default="gelu", description="Activation between the two dense layers.")
    positions: Literal["learned", "sinusoidal", "none"] = Field(
        default="learned",
        description="What says where a vector stands. learned: a vector for each position · sinusoidal: fixed waves · "
        "none: the order of the vectors has no effect.",
    )
    patch_size: Size | None = Field(
        default=None,
        description="Height and width of a patch in pixels, a number or one per axis, which divide those of the image. "
        "Required for images, and only for them.",
    )
    mask_zero: bool = Field(
        default=True, description="For token ids: leave id 0 (padding) out of attention and of the mean."
    )

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, steps)` of token ids, `(batch, steps, width)` or `(batch, height, width, channels)`.
            Output: `(batch, target.units)`, float32.
        """
        import keras

        inputs = features_input(features)
        is_padded = features.kind == "tokens" and self.mask_zero
        mask = keras.ops.not_equal(inputs, 0) if is_padded else None
        joined = self.embedded(inputs, features)
        tensor = self._positioned(self._vectors(joined, features))
        for number in range(1, self.layers + 1):
            tensor = self._block(tensor, mask, number=number)
        tensor = _mean(_normalized(tensor, name="final_normalization"), mask)
        return keras.Model(inputs, self.head(tensor, target, features=joined), name=self.type_name)

    def problems(self) -> Iterator[FieldProblem]:
        """Yield a width that the heads cannot share equally."""
        yield from super().problems()
        if self.width % self.heads:
            fits = [heads for heads in range(1, self.width + 1) if self.width % heads == 0]
            nearest = min(fits, key=lambda heads: abs(heads - self.heads))
            what = f"a width of {self.width} cannot be divided among {self.heads} heads"
            yield FieldProblem(("heads",), what, expected=f"a divisor of {self.width}", hint=f"heads: {nearest}")

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield patches that do not fit the image, and an embedding or a shortcut that does not suit the features."""
        if features.kind not in self.takes:
            return
        yield from self.numeric_misfits(features)
        yield from self.shortcut_misfits(features)
        if features.kind == "image":
            yield from self._patch_misfits(features.shape[:2])
        elif self.patch_size is not None:
            what = f"patch_size is for images, but the features are of kind {features.kind}"
            yield FieldProblem(("patch_size",), what, expected="null", hint="remove patch_size")

    def _patch_misfits(self, shape: tuple[int, ...]) -> Iterator[FieldProblem]:
        fits = [size for size in range(2, min(shape) + 1) if not any(length % size for length in shape)]
        hint = f"patch_size: {min(fits, key=lambda size: abs(size - math.sqrt(min(shape))))}" if fits else ""
        if self.patch_size is None:
            yield FieldProblem((), "the features are images, which need a patch_size", hint=hint)
            return
        wrong_axes = list(axis_problem(("patch_size",), self.patch_size, rank=2))
        yield from wrong_axes
        sizes = per_axis(self.patch_size, 2)
        if not wrong_axes and any(length % size for length, size in zip(shape, sizes, strict=True)):
            what = f"patches of {written(sizes, 2)} do not divide an image of {written(shape, 2)}"
            yield FieldProblem(("patch_size",), what, expected="divisors of height and width", hint=hint)

    def _vectors(self, tensor: Any, features: Features) -> Any:
        """Turn the features into a sequence of vectors.

        Shape:
            Output: `(batch, steps, width)`.
        """
        import keras

        if features.kind == "sequence":
            return keras.layers.Dense(self.width, name="projection", **self.kernel_options())(tensor)
        if features.kind == "image":
            size = per_axis(self.patch_size or 1, 2)
            patches = keras.layers.Conv2D(self.width, size, strides=size, name="patches", **self.kernel_options())
            tensor = patches(tensor)
            return keras.layers.Reshape((math.prod(tensor.shape[1:3]), self.width), name="patch_sequence")(tensor)
        # Tokens and positions begin with values of one size: that of learned positions, or that of sines. As in the
        # paper, a factor makes tokens as large as sines, which also makes them learn as fast.
        factor = math.sqrt(self.width) if self.positions == "sinusoidal" else None
        first = keras.initializers.RandomNormal(stddev=_DEVIATION if factor is None else 1 / factor)
        embedding = keras.layers.Embedding(
            features.vocabulary_size, self.width, embeddings_initializer=first, name="embedding"
        )
        tensor = embedding(tensor)
        return tensor if factor is None else keras.layers.Rescaling(factor, name="embedding_factor")(tensor)

    def _positioned(self, tensor: Any) -> Any:
        """Add the positions, and apply dropout."""
        if self.positions != "none":
            layer = learned_positions() if self.positions == "learned" else sinusoidal_positions()
            tensor = layer(name="positions")(tensor)
        return self._drop(tensor, name="positions")

    def _block(self, tensor: Any, mask: Any, *, number: int) -> Any:
        """Apply a block.

        Args:
            tensor: Vectors of the steps.
            mask: Whether each step is no padding; None if all are.
            number: Number of the block, from 1.

        Shape:
            tensor: `(batch, steps, width)`, which does not change. mask: `(batch, steps)`.
        """
        import keras

        rate = self.skip_rate(number, self.layers)
        name = f"block_{number}_attention"
        attention = keras.layers.MultiHeadAttention(
            self.heads, self.width // self.heads, name=name, **self.kernel_options()
        )
        normal = _normalized(tensor, name=f"{name}_normalization")
        to_others = None if mask is None else keras.ops.expand_dims(mask, 1)
        branch = self._drop(attention(normal, normal, attention_mask=to_others), name=name)
        tensor = keras.layers.Add(name=f"{name}_add")([tensor, skip_at_random(branch, rate, name=name)])
        name = f"block_{number}_feedforward"
        units = self.feedforward_units or _FEEDFORWARD * self.width
        wide = keras.layers.Dense(units, activation=self.activation, name=f"{name}_1", **self.kernel_options())
        narrow = keras.layers.Dense(self.width, name=f"{name}_2", **self.kernel_options())
        branch = self._drop(narrow(wide(_normalized(tensor, name=f"{name}_normalization"))), name=name)
        return keras.layers.Add(name=f"{name}_add")([tensor, skip_at_random(branch, rate, name=name)])

    def _drop(self, tensor: Any, *, name: str) -> Any:
        import keras

        return keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(tensor) if self.dropout else tensor


def _normalized(tensor: Any, *, name: str) -> Any:
    import keras

    return keras.layers.LayerNormalization(epsilon=_EPSILON, name=name)(tensor)


def _mean(tensor: Any, mask: Any) -> Any:
    """Return the mean over the steps that are no padding, or zeros if all are.

    Shape:
        tensor: `(batch, steps, width)`. mask: `(batch, steps)`, or None. Output: `(batch, width)`.
    """
    import keras

    if mask is None:
        return keras.layers.GlobalAveragePooling1D(name="mean")(tensor)
    # Not the mask of GlobalAveragePooling1D, which divides 0 by 0 for an empty text.
    shares = keras.ops.expand_dims(keras.ops.cast(mask, tensor.dtype), -1)
    count = keras.ops.maximum(keras.ops.sum(shares, axis=1), 1.0)
    return keras.ops.sum(tensor * shares, axis=1) / count
