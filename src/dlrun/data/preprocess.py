"""From a raw example to the features a model is given: plain arithmetic that becomes a Keras model of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Preprocess:
    """The steps between a stored example and the model, in the order in which they are applied.

    Args:
        raw_shape: Shape of one stored example, without the batch axis.
        resize: `(height, width)` of the images afterwards (bilinear), or None.
        scale: Every value is multiplied by this.
        mean: One for each value of the last axis; subtracted after scaling. Empty: none.
        variance: With `mean`: divided by its square root.
    """

    raw_shape: tuple[int, ...]
    resize: tuple[int, int] | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()

    def build(self) -> keras.Model:
        """Make the Keras model that does it.

        Shape:
            Input: `(batch, *raw_shape)`, any numeric dtype. Output: `(batch, *features.shape)`, float32.
        """
        import keras

        inputs = keras.Input(self.raw_shape, dtype="float32", name="raw")
        outputs = inputs
        if self.resize is not None:
            outputs = keras.layers.Resizing(*self.resize, dtype="float32", name="resize")(outputs)
        if self.scale != 1.0:
            outputs = keras.layers.Rescaling(self.scale, dtype="float32", name="rescale")(outputs)
        if self.mean:
            outputs = keras.layers.Normalization(
                mean=self.mean, variance=self.variance, dtype="float32", name="standardize"
            )(outputs)
        return keras.Model(inputs, outputs, name="preprocess")
