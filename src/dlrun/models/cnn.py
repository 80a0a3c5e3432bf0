"""The convolutional network for images, sequences and token ids."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from dlrun.component import FieldProblem, Fields, Path
from dlrun.models.embedding import TokenEmbedding
from dlrun.models.head import head
from dlrun.models.layers import (
    Activation,
    Fraction,
    Hidden,
    NotEmpty,
    Positive,
    features_input,
    flattened,
)
from dlrun.models.model import Model, models
from dlrun.models.parts.sliding_window import Padding, Shape, Size, axis_problem, per_axis, slide, written
from dlrun.models.parts.stochastic_depth import StochasticDepthKey, skip_at_random
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

_PASSES_THE_MAXIMUM = frozenset({"relu", "leaky_relu", "relu6"})
"""Increasing activations, for which max(f(x)) = f(max(x)) with the same gradient, so that pooling can come first."""


class ConvolutionBlock(Fields):
    """A convolution with its normalization, activation, shortcut, pooling and dropout. The model has missing keys."""

    filters: Positive = Field(description="Number of output channels.")
    kernel_size: Size = Field(default=3, description="Size of the kernel in pixels or steps, a number or one per axis.")
    strides: Size = Field(default=1, description="Stride of the kernel in pixels or steps, a number or one per axis.")
    padding: Padding | None = Field(default=None, description="valid or same; null: as in the model.")
    pool_size: Size | None = Field(
        default=None, description="Size and stride of the max pooling in pixels or steps; null: no pooling."
    )
    activation: Activation | None = Field(default=None, description="Activation of this block; null: as in the model.")
    batch_normalization: bool | None = Field(
        default=None, description="Batch normalization in this block; null: as in the model."
    )
    dropout: Fraction | None = Field(default=None, description="Dropout after this block; null: as in the model.")
    residual: bool = Field(
        default=False,
        description="Add the input of the block before the pooling, through a 1x1 convolution if the number of "
        "channels changes. It needs padding: same and strides: 1.",
    )
    stochastic_depth: Fraction | None = Field(
        default=None,
        description="Probability that a residual block is skipped for an example in training; null: as in the model.",
    )


@models.register("cnn")
class Cnn(StochasticDepthKey, TokenEmbedding, Hidden, Model):
    """A convolutional network. Each block is a convolution, batch normalization, activation, max pooling and dropout.

    Images are convolved along height and width, sequences and embedded token ids along their steps. With relu, pooling
    is applied before the activation: the result is the same, and the activation sees a fraction of the values. A block
    with `residual` adds its input after the activation, and stochastic depth may skip it.

    Formula:
        y[p, f] = activation(b[f] + sum over q, c of w[q, c, f] x[stride p + q, c]), then the maximum over each pool

    Reference:
        LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998.
    """

    takes = ("image", "sequence", "tokens")
    learns_embedded = True

    blocks: NotEmpty[ConvolutionBlock] = Field(description="The convolutional blocks, from input to output.")
    padding: Padding = Field(
        default="valid",
        description="Padding of the convolutions. valid: none, so the output is smaller. same: pad with zeros to keep "
        "the size (divided by the strides). Pooling is always valid.",
    )
    pooling: Literal["flatten", "global_average", "global_max"] = Field(
        default="flatten",
        description="How the output of the last block becomes a vector. flatten: keep every value. global_average, "
        "global_max: keep one value per filter.",
    )
    head_units: tuple[Positive, ...] = Field(
        default=(), description="Width of each dense layer before the output layer."
    )

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, height, width, channels)`, `(batch, steps, width)` or `(batch, steps)` of token ids.
            Output: `(batch, target.units)`, float32.
        """
        import keras

        inputs = features_input(features)
        tensor = self.embed(inputs, features)
        for number, (block, rate) in enumerate(zip(self.blocks, self._skip_rates(), strict=True), start=1):
            tensor = self._apply(block, tensor, rate=rate, name=f"block_{number}")
        tensor = self._vector(tensor)
        for number, units in enumerate(self.head_units, start=1):
            tensor = self.dense(tensor, units, name=f"dense_{number}")
        return keras.Model(inputs, head(tensor, target), name=self.type_name)

    def gains_from_shares(self) -> bool:
        """Return True without batch normalization, which depends on the whole batch."""
        return not (self.batch_normalization or any(block.batch_normalization for block in self.blocks))

    def drops(self) -> bool:
        """Return whether any layer or block has dropout."""
        return self.dropout > 0 or any(block.dropout for block in self.blocks)

    def problems(self) -> Iterator[FieldProblem]:
        """Yield residual blocks that change height and width, and stochastic depth without a residual block."""
        yield from super().problems()
        for index, block in enumerate(self.blocks):
            path: Path = ("blocks", index)
            if block.residual and (block.padding or self.padding) != "same":
                what = f"the output of block {index + 1} is smaller than its input, which cannot be added to it"
                yield FieldProblem((*path, "residual"), what, "padding: same", "padding: same")
            if block.residual and block.strides not in (1, (1,), (1, 1)):
                what = f"block {index + 1} has strides, so its input cannot be added to its output"
                yield FieldProblem((*path, "strides"), what, "strides: 1 in a residual block", "pool_size: 2")
            if block.stochastic_depth and not block.residual:
                what = f"stochastic_depth skips residual blocks, and block {index + 1} is none"
                yield FieldProblem((*path, "stochastic_depth"), what, "residual: true", "residual: true")
        if self.stochastic_depth and not any(block.residual for block in self.blocks):
            what = "stochastic_depth skips residual blocks, and no block is one"
            yield FieldProblem(("stochastic_depth",), what, "residual: true in some blocks", "stochastic_depth: 0")

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield kernels and pools larger than their input, lists of the wrong length, and a missing embedding."""
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
        """Yield the first kernel or pool that is larger than its input. The shapes after it are unknown."""
        for index, block in enumerate(self.blocks):
            padding = block.padding or self.padding
            before, shape = shape, slide(shape, block.kernel_size, strides=block.strides, padding=padding)
            if min(shape) < 1:
                hint = (
                    "padding: same" if index == 0 else f"padding: same, or remove a pool_size before block {index + 1}"
                )
                yield _misfit(index, "kernel_size", block.kernel_size, before, hint=hint)
                return
            if block.pool_size is None:
                continue
            before, shape = shape, slide(shape, block.pool_size, strides=block.pool_size, padding="valid")
            if min(shape) < 1:
                hint = f"remove pool_size of block {index + 1}, or set padding: same to keep the size"
                yield _misfit(index, "pool_size", block.pool_size, before, hint=hint)
                return

    def _apply(self, block: ConvolutionBlock, tensor: Any, *, rate: float, name: str) -> Any:
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
        pool = None
        if block.pool_size is not None:
            pool = getattr(keras.layers, f"MaxPooling{rank}D")(per_axis(block.pool_size, rank), name=f"{name}_pool")
        if pool and hidden.activation in _PASSES_THE_MAXIMUM and not block.residual:
            # For an increasing activation, max and activation commute. Pooling first leaves the activation and its
            # gradient a fraction of the values, a quarter for pools of 2x2.
            linear = hidden.model_copy(update={"activation": "linear"})
            tensor = pool(linear.activate(tensor, make_layer, name=f"{name}_conv"))
            tensor = keras.layers.Activation(hidden.activation, name=f"{name}_activation")(tensor)
            return hidden.drop(tensor, name=name)
        branch = hidden.activate(tensor, make_layer, name=f"{name}_conv")
        tensor = self._with_input(branch, tensor, rate=rate, name=name) if block.residual else branch
        return hidden.drop(pool(tensor) if pool else tensor, name=name)

    def _with_input(self, branch: Any, tensor: Any, *, rate: float, name: str) -> Any:
        """Add the input of a residual block to its output.

        Shape:
            branch: `(batch, ..., filters)`. tensor: `(batch, ..., channels)`. Output: as `branch`.
        """
        import keras

        rank, filters = len(tensor.shape) - 2, branch.shape[-1]
        if tensor.shape[-1] != filters:
            shortcut = getattr(keras.layers, f"Conv{rank}D")
            tensor = shortcut(filters, 1, name=f"{name}_shortcut", **self.kernel_options())(tensor)
        return keras.layers.Add(name=f"{name}_add")([tensor, skip_at_random(branch, rate, name=name)])

    def _skip_rates(self) -> list[float]:
        """Return the probability of each block that it is skipped."""
        residual = [index for index, block in enumerate(self.blocks) if block.residual]
        rates = [0.0] * len(self.blocks)
        for number, index in enumerate(residual, start=1):
            own = self.blocks[index].stochastic_depth
            rates[index] = self.skip_rate(number, len(residual)) if own is None else own
        return rates

    def _vector(self, tensor: Any) -> Any:
        """Turn the output of the last block into a vector.

        Shape:
            Input: `(batch, height, width, filters)` or `(batch, steps, filters)`. Output: `(batch, width)`.
        """
        import keras

        if self.pooling == "flatten":
            return flattened(tensor)
        kind = {"global_average": "GlobalAveragePooling", "global_max": "GlobalMaxPooling"}[self.pooling]
        return getattr(keras.layers, f"{kind}{len(tensor.shape) - 2}D")(name=f"{self.pooling}_pooling")(tensor)


def _misfit(index: int, key: str, window: int | Shape, shape: Shape, *, hint: str) -> FieldProblem:
    """Return the problem of a kernel or pool of block `index` that is larger than its input."""
    noun = {"kernel_size": "kernel", "pool_size": "pool"}[key]
    return FieldProblem(
        ("blocks", index, key),
        f"the {noun} is {written(window, len(shape))} but its input is {written(shape)}",
        expected=f"a {noun} of at most {written(shape)}",
        hint=hint,
    )
