"""The temporal convolutional network for sequences and series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.models.embedding import TokenEmbedding
from dlrun.models.layers import Activation, Fraction, Initializer, NotEmpty, Positive, Weights, features_input
from dlrun.models.model import Model, models
from dlrun.models.parts.stochastic_depth import StochasticDepthKey, skip_at_random
from dlrun.models.shortcut import LinearShortcut
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

_CONVOLUTIONS = 2


@models.register("tcn")
class Tcn(StochasticDepthKey, TokenEmbedding, Weights, LinearShortcut, Model):
    """A temporal convolutional network: residual blocks of dilated causal convolutions.

    No step sees a later one. The dilation doubles from block to block, so the last step of n blocks sees
    1 + 2 (kernel_size - 1) (2^n - 1) steps. A block is two convolutions, each with normalization, activation and
    dropout of whole channels; a convolution of one step adapts its input where the number of channels changes. Layer
    normalization stands for the weight normalization of the paper, which Keras does not have.

    Formula:
        y = activation(x + f(x)), each convolution of f in block b being y_t = sum over i of w_i x_(t - 2^(b-1) i)

    Reference:
        Bai, Kolter and Koltun, An empirical evaluation of generic convolutional and recurrent networks for sequence
        modeling, arXiv:1803.01271, 2018.
    """

    takes = ("sequence", "tokens")
    learns_embedded = True

    filters: NotEmpty[Positive] = Field(
        description="Number of channels of each block, from input to output. The dilations are 1, 2, 4, ..."
    )
    kernel_size: Positive = Field(default=3, description="Length of the kernels in steps.")
    activation: Activation = Field(default="relu", description="Activation of the convolutions and of the blocks.")
    normalization: Literal["layer", "batch", "none"] = Field(
        default="layer",
        description="Normalization after each convolution. layer: over the channels of a step · batch: of each channel "
        "over the batch · none.",
    )
    dropout: Fraction = Field(
        default=0.0,
        description="Fraction of the channels dropped after each convolution during training, for all steps alike, at "
        "least 0, below 1.",
    )
    kernel_initializer: Initializer = Field(
        default="he_normal", description="Initial distribution of the kernels; he_normal suits relu."
    )
    pooling: Literal["last", "global_average", "global_max"] = Field(
        default="last",
        description="How the output of the last block becomes a vector. last: the last step, which has seen all "
        "others. global_average, global_max: one value per channel; better for texts, which end with padding.",
    )

    def build(self, features: Features, target: Target) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, steps, width)` or `(batch, steps)` of token ids. Output: `(batch, target.units)`, float32.
        """
        import keras

        inputs = features_input(features)
        tensor = steps = self.embed(inputs, features)
        for index in range(len(self.filters)):
            tensor = self._block(tensor, index)
        return keras.Model(inputs, self.head(self._vector(tensor), target, features=steps), name=self.type_name)

    def gains_from_shares(self) -> bool:
        """Return True without batch normalization, which depends on the whole batch."""
        return self.normalization != "batch"

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield a block that sees only padding, and an embedding or a shortcut that does not suit the features."""
        if features.kind not in self.takes:
            return
        yield from self.embedding_misfits(features)
        yield from self.shortcut_misfits(features)
        steps = features.shape[0]
        most = max(1, (steps - 1).bit_length())
        if len(self.filters) > most and self.kernel_size > 1:
            what = f"block {most + 1} reaches {2**most} steps back, but a sequence has {steps}"
            yield FieldProblem(("filters", most), what, expected=f"at most {most} blocks for {steps} steps")

    def _block(self, tensor: Any, index: int) -> Any:
        """Apply a residual block.

        Shape:
            Input: `(batch, steps, width)`. Output: `(batch, steps, filters)`.
        """
        import keras

        name, filters, branch = f"block_{index + 1}", self.filters[index], tensor
        for number in range(1, _CONVOLUTIONS + 1):
            branch = self._convolve(branch, filters, dilation=2**index, name=f"{name}_conv_{number}")
        if tensor.shape[-1] != filters:
            tensor = keras.layers.Conv1D(filters, 1, name=f"{name}_shortcut", **self.kernel_options())(tensor)
        branch = skip_at_random(branch, self.skip_rate(index + 1, len(self.filters)), name=name)
        tensor = keras.layers.Add(name=f"{name}_add")([tensor, branch])
        return keras.layers.Activation(self.activation, name=f"{name}_activation")(tensor)

    def _convolve(self, tensor: Any, filters: int, *, dilation: int, name: str) -> Any:
        """Apply a causal convolution with normalization, activation and dropout."""
        import keras

        layer = keras.layers.Conv1D(
            filters, self.kernel_size, padding="causal", dilation_rate=dilation, name=name, **self.kernel_options()
        )
        tensor = layer(tensor)
        if self.normalization == "layer":
            tensor = keras.layers.LayerNormalization(name=f"{name}_layer_normalization")(tensor)
        elif self.normalization == "batch":
            tensor = keras.layers.BatchNormalization(name=f"{name}_batch_normalization")(tensor)
        tensor = keras.layers.Activation(self.activation, name=f"{name}_activation")(tensor)
        if not self.dropout:
            return tensor
        return keras.layers.SpatialDropout1D(self.dropout, name=f"{name}_dropout")(tensor)

    def _vector(self, tensor: Any) -> Any:
        """Turn the output of the last block into a vector.

        Shape:
            Input: `(batch, steps, filters)`. Output: `(batch, filters)`.
        """
        import keras

        if self.pooling == "last":
            steps, filters = tensor.shape[1:]
            # Cropping replaces the slice x[:, -1], which not every runtime of exported models can load.
            last = keras.layers.Cropping1D((steps - 1, 0), name="last_step")(tensor)
            return keras.layers.Reshape((filters,), name="last_vector")(last)
        kind = {"global_average": "GlobalAveragePooling1D", "global_max": "GlobalMaxPooling1D"}[self.pooling]
        return getattr(keras.layers, kind)(name=f"{self.pooling}_pooling")(tensor)
