"""Images, sequences or token ids in, through blocks of convolution and pooling, then dense layers, to the head."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from dlrun.component import FieldProblem, Fields
from dlrun.models.head import head
from dlrun.models.layers import (
    Activation,
    Fraction,
    Hidden,
    NotEmpty,
    Positive,
    TokenEmbedding,
    features_input,
    flattened,
)
from dlrun.models.model import Model, models
from dlrun.models.parts.sliding_window import Padding, Shape, Size, axis_problem, per_axis, slide, written
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

_PASSES_THE_MAXIMUM = frozenset({"relu", "leaky_relu", "relu6"})
"""Activations that never fall: the maximum of their values is their value of the maximum, with the same gradient."""


class ConvolutionBlock(Fields):
    """One convolution and what follows it; a key left out is the model's."""

    filters: Positive = Field(description="Number of output channels of the convolution.")
    kernel_size: Size = Field(
        default=3, description="Size of the kernel, in pixels or steps: a number, or one per axis."
    )
    strides: Size = Field(default=1, description="Step of the kernel, in pixels or steps: a number, or one per axis.")
    padding: Padding | None = Field(default=None, description="valid or same; null: the model's.")
    pool_size: Size | None = Field(
        default=None, description="Size and step of the max pooling after the activation; null: no pooling."
    )
    activation: Activation | None = Field(default=None, description="Applied to this block; null: the model's.")
    batch_normalization: bool | None = Field(default=None, description="For this block; null: the model's.")
    dropout: Fraction | None = Field(default=None, description="After this block's pooling; null: the model's.")


@models.register("cnn")
class Cnn(TokenEmbedding, Hidden, Model):
    """A convolutional network: each block is convolution, batch normalization, activation, max pooling, dropout.

    Images are convolved along height and width, sequences and the vectors of token ids along their steps. Where relu
    meets pooling, pooling comes first: the result is the same, of a fraction of the values.

    Formula:
        y[p, f] = activation(b[f] + sum over q, c of w[q, c, f] x[stride p + q, c]), then the maximum of each pool

    Reference:
        LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998.
    """

    takes = ("image", "sequence", "tokens")
    learns_embedded = True

    blocks: NotEmpty[ConvolutionBlock] = Field(description="The convolutional blocks, from the input on.")
    padding: Padding = Field(
        default="valid",
        description="valid: kernels stay inside their input, which shrinks. same: zeros around it keep its size "
        "(divided by the strides). Pooling is always valid.",
    )
    pooling: Literal["flatten", "global_average", "global_max"] = Field(
        default="flatten",
        description="What makes one vector of the last block's output: flatten keeps every value, global_average and "
        "global_max keep one for each filter.",
    )
    head_units: tuple[Positive, ...] = Field(
        default=(), description="Width of each dense layer between the blocks and the output layer."
    )

    def build(self, features: Features, target: Target) -> keras.Model:
        """Make the Keras model.

        Shape:
            Input: `(batch, height, width, channels)`, `(batch, steps, width)` or `(batch, steps)` of token ids.
            Output: `(batch, target.units)`, float32.
        """
        import keras

        inputs = features_input(features)
        tensor = self.embedded(inputs, features)
        for number, block in enumerate(self.blocks, start=1):
            tensor = self._apply(block, tensor, name=f"block_{number}")
        tensor = self._vector(tensor)
        for number, units in enumerate(self.head_units, start=1):
            tensor = self.dense(tensor, units, name=f"dense_{number}")
        return keras.Model(inputs, head(tensor, target), name=self.type_name)

    def gains_from_shares(self) -> bool:
        """Without batch normalization."""
        return not (self.batch_normalization or any(block.batch_normalization for block in self.blocks))

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Kernels and pools larger than what they slide over, lists of too many numbers, and a missing embedding."""
        if features.kind not in self.takes:
            return
        yield from self.embedding_misfits(features)
        shape = features.shape if features.kind == "tokens" else features.shape[:-1]
        wrong_axes = [
            problem
            for index, block in enumerate(self.blocks)
            for key in ("kernel_size", "strides", "pool_size")
            for problem in axis_problem(("blocks", index, key), getattr(block, key), rank=len(shape))
        ]
        yield from wrong_axes
        if not wrong_axes:
            yield from self._too_large(shape)

    def _too_large(self, shape: Shape) -> Iterator[FieldProblem]:
        """The first kernel or pool that does not fit; what comes after it cannot be known."""
        for index, block in enumerate(self.blocks):
            padding = block.padding or self.padding
            before, shape = shape, slide(shape, block.kernel_size, strides=block.strides, padding=padding)
            if min(shape) < 1:
                hint = (
                    "padding: same"
                    if index == 0
                    else f"padding: same, or leave a pool_size before block {index + 1} out"
                )
                yield _misfit(index, "kernel_size", block.kernel_size, before, hint=hint)
                return
            if block.pool_size is None:
                continue
            before, shape = shape, slide(shape, block.pool_size, strides=block.pool_size, padding="valid")
            if min(shape) < 1:
                hint = f"leave pool_size of block {index + 1} out, or padding: same, with which kernels shrink nothing"
                yield _misfit(index, "pool_size", block.pool_size, before, hint=hint)
                return

    def _apply(self, block: ConvolutionBlock, tensor: Any, *, name: str) -> Any:
        """Apply one block."""
        import keras

        rank = len(tensor.shape) - 2
        own = {key: getattr(block, key) for key in Hidden.model_fields if getattr(block, key, None) is not None}
        hidden = self.model_copy(update=own)
        make_layer = partial(
            getattr(keras.layers, f"Conv{rank}D"),
            block.filters,
            per_axis(block.kernel_size, rank),
            strides=per_axis(block.strides, rank),
            padding=block.padding or self.padding,
        )
        if block.pool_size is None:
            return hidden.drop(hidden.activated(tensor, make_layer, name=f"{name}_conv"), name=name)
        pool = getattr(keras.layers, f"MaxPooling{rank}D")(per_axis(block.pool_size, rank), name=f"{name}_pool")
        if hidden.activation in _PASSES_THE_MAXIMUM:
            linear = hidden.model_copy(update={"activation": "linear"})
            tensor = pool(linear.activated(tensor, make_layer, name=f"{name}_conv"))
            tensor = keras.layers.Activation(hidden.activation, name=f"{name}_activation")(tensor)
        else:
            tensor = pool(hidden.activated(tensor, make_layer, name=f"{name}_conv"))
        return hidden.drop(tensor, name=name)

    def _vector(self, tensor: Any) -> Any:
        """Turn the last block's output into one vector.

        Shape:
            Input: `(batch, height, width, filters)` or `(batch, steps, filters)`. Output: `(batch, width)`.
        """
        import keras

        if self.pooling == "flatten":
            return flattened(tensor)
        kind = {"global_average": "GlobalAveragePooling", "global_max": "GlobalMaxPooling"}[self.pooling]
        return getattr(keras.layers, f"{kind}{len(tensor.shape) - 2}D")(name=f"{self.pooling}_pooling")(tensor)


def _misfit(index: int, key: str, window: int | Shape, shape: Shape, *, hint: str) -> FieldProblem:
    """A window of block `index` that is larger than its input."""
    noun = {"kernel_size": "kernel", "pool_size": "pool"}[key]
    return FieldProblem(
        ("blocks", index, key),
        f"the {noun} is {written(window, len(shape))} but its input is {written(shape)}",
        expected=f"a {noun} of at most {written(shape)}",
        hint=hint,
    )
