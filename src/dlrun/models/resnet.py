"""The residual network for images and sequences, in its forms for small and for large images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.models.embedding import TokenEmbedding
from dlrun.models.head import head
from dlrun.models.layers import QUICK_STATISTICS, Initializer, Positive, Weights, features_input
from dlrun.models.model import Model, models
from dlrun.models.parts.stochastic_depth import StochasticDepthKey, skip_at_random
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras


class _Depth(NamedTuple):
    """What the number of layers with weights determines."""

    blocks: tuple[int, ...]
    """Number of residual blocks in each stage."""
    is_bottleneck: bool
    """Whether a block has three convolutions: 1x1, 3x3 and a 1x1 with four times as many filters; otherwise two."""
    is_for_small_images: bool
    """Whether it begins at full size, as for CIFAR, instead of a quarter of it, as for ImageNet."""


_FORMS: dict[int, _Depth] = {
    **{
        6 * count + 2: _Depth((count,) * 3, is_bottleneck=False, is_for_small_images=True) for count in (3, 5, 7, 9, 18)
    },
    18: _Depth((2, 2, 2, 2), is_bottleneck=False, is_for_small_images=False),
    34: _Depth((3, 4, 6, 3), is_bottleneck=False, is_for_small_images=False),
    50: _Depth((3, 4, 6, 3), is_bottleneck=True, is_for_small_images=False),
    101: _Depth((3, 4, 23, 3), is_bottleneck=True, is_for_small_images=False),
    152: _Depth((3, 8, 36, 3), is_bottleneck=True, is_for_small_images=False),
}
_EXPANSION = 4


@models.register("resnet")
class ResNet(StochasticDepthKey, TokenEmbedding, Weights, Model):
    """A residual network: each block adds what its convolutions compute to its own input.

    `depth` counts the layers with weights and selects one of the networks of the paper, with batch normalization after
    each convolution and relu. 20, 32, 44, 56 and 110 are the networks for CIFAR: three stages that begin at full size,
    with 16, 32 and 64 filters, and shortcuts without weights. 18, 34, 50, 101 and 152 are those for ImageNet: a
    convolution of 7x7 and a pooling, which leave a quarter of height and width, four stages of 64, 128, 256 and 512
    filters (four times as many from 50 on), and shortcuts with a 1x1 convolution where the shape changes.

    Sequences and embedded token ids are convolved along their steps, with kernels of the same lengths.

    Formula:
        y = relu(x + f(x)), where f is two convolutions of 3x3, or three of 1x1, 3x3 and 1x1

    Reference:
        He, Zhang, Ren and Sun, Deep residual learning for image recognition, arXiv:1512.03385, 2015.
    """

    takes = ("image", "sequence", "tokens")
    learns_embedded = True

    depth: Literal[18, 20, 32, 34, 44, 50, 56, 101, 110, 152] = Field(
        default=20,
        description="Number of layers with weights. 20, 32, 44, 56, 110: for small images such as those of CIFAR. 18, "
        "34, 50, 101, 152: for large ones such as those of ImageNet.",
    )
    filters: Positive | None = Field(
        default=None,
        description="Number of filters of the first stage, which doubles from stage to stage. null: 16 for small and "
        "64 for large images, as in the paper.",
    )
    kernel_initializer: Initializer = Field(
        default="he_normal", description="Initial distribution of the kernels; he_normal is that of the paper."
    )

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, height, width, channels)`, `(batch, steps, width)` or `(batch, steps)` of token ids.
            Output: `(batch, target.units)`, float32.
        """
        import keras

        form, number = _FORMS[self.depth], 0
        filters = self.filters or (16 if form.is_for_small_images else 64)
        inputs = features_input(features)
        tensor = self._stem(self.embed(inputs, features), filters)
        for stage, count in enumerate(form.blocks):
            for block in range(count):
                number += 1
                name, strides = f"stage_{stage + 1}_block_{block + 1}", 2 if stage and not block else 1
                branch = self._branch(tensor, filters * 2**stage, strides=strides, name=name)
                branch = skip_at_random(branch, self.skip_rate(number, sum(form.blocks)), name=name)
                shortcut = self._shortcut(tensor, branch.shape[-1], strides=strides, name=name)
                tensor = keras.layers.Add(name=f"{name}_add")([shortcut, branch])
                tensor = keras.layers.Activation("relu", name=f"{name}_activation")(tensor)
        pooling = getattr(keras.layers, f"GlobalAveragePooling{_axes(tensor)}D")
        tensor = pooling(name="global_average_pooling")(tensor)
        return keras.Model(inputs, head(tensor, target), name=self.type_name)

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield an embedding that the features need but lack, or one for other features."""
        if features.kind in self.takes:
            yield from self.embedding_misfits(features)

    def _stem(self, tensor: Any, filters: int) -> Any:
        """Apply the layers before the first stage."""
        import keras

        if _FORMS[self.depth].is_for_small_images:
            return self._convolve(tensor, filters, 3, name="stem", relu=True)
        tensor = self._convolve(tensor, filters, 7, strides=2, name="stem", relu=True)
        pooling = getattr(keras.layers, f"MaxPooling{_axes(tensor)}D")
        return pooling(3, strides=2, padding="same", name="stem_pool")(tensor)

    def _branch(self, tensor: Any, filters: int, *, strides: int, name: str) -> Any:
        """Apply the convolutions of a block."""
        if not _FORMS[self.depth].is_bottleneck:
            tensor = self._convolve(tensor, filters, 3, strides=strides, name=f"{name}_conv_1", relu=True)
            return self._convolve(tensor, filters, 3, name=f"{name}_conv_2")
        tensor = self._convolve(tensor, filters, 1, strides=strides, name=f"{name}_conv_1", relu=True)
        tensor = self._convolve(tensor, filters, 3, name=f"{name}_conv_2", relu=True)
        return self._convolve(tensor, filters * _EXPANSION, 1, name=f"{name}_conv_3")

    def _shortcut(self, tensor: Any, filters: int, *, strides: int, name: str) -> Any:
        """Return the input of a block in the shape of its output."""
        import keras

        missing = filters - tensor.shape[-1]
        if strides == 1 and not missing:
            return tensor
        if not _FORMS[self.depth].is_for_small_images:
            return self._convolve(tensor, filters, 1, strides=strides, name=f"{name}_shortcut")
        # Option A of the paper: every second pixel, and zeros for the filters that the input has not.
        axes = _axes(tensor)
        every_second = getattr(keras.layers, f"MaxPooling{axes}D")(1, strides=strides, name=f"{name}_shortcut")
        return keras.ops.pad(every_second(tensor), [[0, 0]] * (1 + axes) + [[0, missing]])

    def _convolve(
        self, tensor: Any, filters: int, size: int, *, name: str, strides: int = 1, relu: bool = False
    ) -> Any:
        """Apply a convolution without bias, batch normalization, and relu if requested."""
        import keras

        layer = getattr(keras.layers, f"Conv{_axes(tensor)}D")
        tensor = layer(
            filters, size, strides=strides, padding="same", use_bias=False, name=name, **self.kernel_options()
        )(tensor)
        normalization = keras.layers.BatchNormalization(**QUICK_STATISTICS, name=f"{name}_batch_normalization")
        tensor = normalization(tensor)
        return keras.layers.Activation("relu", name=f"{name}_activation")(tensor) if relu else tensor


def _axes(tensor: Any) -> int:
    """Return the number of axes that a kernel slides along."""
    return len(tensor.shape) - 2
