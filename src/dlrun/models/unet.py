"""The U-Net, which gives each pixel of an image a class."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.models.head import pixel_head
from dlrun.models.layers import QUICK_STATISTICS, Fraction, Hidden, Initializer, Positive, features_input
from dlrun.models.model import Model, models
from dlrun.models.parts.sliding_window import Size, axis_problem, per_axis, written
from dlrun.models.parts.stochastic_depth import StochasticDepthKey, skip_at_random
from dlrun.models.parts.transposed import crop_to_size
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

_LEAST_LEVELS = 2
_RANK = 2
"""Number of axes that a kernel slides along: height and width."""


@models.register("unet")
class UNet(StochasticDepthKey, Hidden, Model):
    """A U-Net for masks: it shrinks the image level by level, enlarges it again, and joins both ways at each level.

    Going down, each level has convolutions and a max pooling that halves height and width. Going up, each level doubles
    them, joins the result with the output of the same level on the way down, and has convolutions again. A 1x1
    convolution ends it. Unlike in the paper, convolutions are padded, so that a mask has the size of the image, and
    batch normalized. Any height and width will do: halving rounds up, and doubling cuts off what is too much.

    Formula:
        d_1 = f(x), d_i = f(pool(d_(i-1))); u_n = d_n, u_i = f([d_i, enlarge(u_(i+1))]); output = activation(W u_1 + b),
        where f is the convolutions of a level, plus their input if `residual`

    Reference:
        Ronneberger, Fischer and Brox, U-Net: convolutional networks for biomedical image segmentation,
        arXiv:1505.04597, 2015. Enlarging before a convolution: Odena, Dumoulin and Olah, Deconvolution and checkerboard
        artifacts, 2016.
    """

    takes = ("image",)
    predicts_mask = True
    normalization_options = QUICK_STATISTICS

    filters: Annotated[tuple[Positive, ...], Field(json_schema_extra={"minItems": _LEAST_LEVELS})] = Field(
        default=(32, 64, 128, 256),
        description="Number of filters of each level, from full size to the bottom, at least two. Each level has half "
        "the height and width of the one before.",
    )
    convolutions: Positive = Field(default=2, description="Number of convolutions of a level, on each of the two ways.")
    kernel_size: Size = Field(
        default=3, description="Size of the kernels in pixels, a number or one for each of height and width."
    )
    batch_normalization: bool = Field(
        default=True,
        description="Apply batch normalization between each convolution, which then has no bias, and its activation.",
    )
    dropout: Fraction = Field(
        default=0.0,
        description="Fraction of the outputs of each convolution dropped during training, at least 0, below 1.",
    )
    kernel_initializer: Initializer = Field(
        default="he_normal", description="Initial distribution of the kernels; he_normal is that of the paper."
    )
    upsampling: Literal["transposed", "bilinear"] = Field(
        default="transposed",
        description="How height and width are doubled. transposed: by a transposed convolution of 2x2. bilinear: by "
        "interpolation and a convolution of 3x3, which is slower, but gives no patterns of a checkerboard.",
    )
    residual: bool = Field(
        default=False,
        description="Add the input of each level to the output of its convolutions, through a 1x1 convolution where "
        "the number of channels changes.",
    )

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, height, width, channels)`. Output: `(batch, height, width, target.units)`, float32.
        """
        import keras

        inputs = tensor = features_input(features)
        skips: list[Any] = []
        for level, filters in enumerate(self.filters, start=1):
            if skips:
                tensor = keras.layers.MaxPooling2D(2, padding="same", name=f"encoder_{level}_pool")(tensor)
            tensor = self._level(tensor, filters, place=level, name=f"encoder_{level}")
            skips.append(tensor)
        for level in range(len(self.filters) - 1, 0, -1):
            name, filters, skip = f"decoder_{level}", self.filters[level - 1], skips[level - 1]
            tensor = self._enlarge(tensor, filters, size=skip.shape[1:-1], name=name)
            tensor = keras.layers.Concatenate(name=f"{name}_concatenate")([skip, tensor])
            tensor = self._level(tensor, filters, place=2 * len(self.filters) - level, name=name)
        return keras.Model(inputs, pixel_head(tensor, target), name=self.type_name)

    def gains_from_shares(self) -> bool:
        """Return True without batch normalization, which depends on the whole batch."""
        return not self.batch_normalization

    def problems(self) -> Iterator[FieldProblem]:
        """Yield a network that never halves the image."""
        yield from super().problems()
        if len(self.filters) < _LEAST_LEVELS:
            what = f"a U-Net needs at least {_LEAST_LEVELS} levels, but filters has {len(self.filters)}"
            yield FieldProblem(("filters",), what, "the number of filters of each level", "filters: [32, 64, 128]")
        if self.stochastic_depth and not self.residual:
            what = "stochastic_depth skips residual levels, and no level is one"
            yield FieldProblem(("stochastic_depth",), what, "residual: true", "residual: true")

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield a kernel size for other axes, and the first level that the image is too small for."""
        if features.kind not in self.takes:
            return
        yield from axis_problem(("kernel_size",), self.kernel_size, rank=_RANK)
        size = features.shape[:-1]
        # Level n has 1/2^(n-1) of the height and width, which should be a whole pixel at least.
        most = min(size).bit_length()
        if len(self.filters) <= most:
            return
        what = f"level {most + 1} has 1/{2**most} of the height and width of the image, which is only {written(size)}"
        if most < _LEAST_LEVELS:
            yield FieldProblem(("filters", most), what, "an image of at least 2x2 pixels", "use larger images")
            return
        expected, hint = f"at most {most} levels for an image of {written(size)}", f"filters: {[*self.filters[:most]]}"
        yield FieldProblem(("filters", most), what, expected, hint)

    def _level(self, tensor: Any, filters: int, *, place: int, name: str) -> Any:
        """Apply the convolutions of a level.

        Args:
            tensor: Output of the level before it.
            filters: Number of output channels.
            place: Number of the level on the way down and up, from 1.
            name: Name of the level.

        Shape:
            Input: `(batch, height, width, channels)`. Output: `(batch, height, width, filters)`.
        """
        import keras

        branch = tensor
        for number in range(1, self.convolutions + 1):
            branch = self._convolve(branch, filters, name=f"{name}_conv_{number}")
        if not self.residual:
            return branch
        if tensor.shape[-1] != filters:
            tensor = keras.layers.Conv2D(filters, 1, name=f"{name}_shortcut", **self.kernel_options())(tensor)
        branch = skip_at_random(branch, self.skip_rate(place, 2 * len(self.filters) - 1), name=name)
        return keras.layers.Add(name=f"{name}_add")([tensor, branch])

    def _convolve(self, tensor: Any, filters: int, *, name: str) -> Any:
        """Apply a convolution with normalization, activation and dropout."""
        import keras

        make_layer = partial(
            keras.layers.Conv2D,
            filters,
            per_axis(self.kernel_size, _RANK),
            padding="same",
            # Normalization subtracts the mean, and a bias with it.
            use_bias=not self.batch_normalization,
        )
        return self.drop(self.activate(tensor, make_layer, name=name), name=name)

    def _enlarge(self, tensor: Any, filters: int, *, size: tuple[int, int], name: str) -> Any:
        """Double height and width, cut off the last row or column where `size` is odd, and set the number of channels.

        As in the paper, neither normalization nor an activation follows.

        Shape:
            Input: `(batch, height, width, channels)`. Output: `(batch, *size, filters)`.
        """
        import keras

        if self.upsampling == "transposed":
            layer = keras.layers.Conv2DTranspose(filters, 2, strides=2, name=f"{name}_enlarge", **self.kernel_options())
            return crop_to_size(layer, size)(tensor)
        resize = keras.layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_resize")
        # Not the 2x2 of the paper: padded, a kernel of even size moves the image by half a pixel.
        convolution = keras.layers.Conv2D(filters, 3, padding="same", name=f"{name}_enlarge", **self.kernel_options())
        return convolution(crop_to_size(resize, size)(tensor))
