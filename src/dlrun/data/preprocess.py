"""Preprocessing inside the training step: arithmetic that is built as a separate Keras model."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.continuous import continuous_of, sample_rows
from dlrun.signature import Continuous, PixelRange

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

KERAS_EPSILON = 1e-7
"""The smallest standard deviation by which the Normalization layer of Keras divides."""

_ROWS_AT_ONCE = 8192
_CHANNELS = (1, 3)  # of image files: grey, colour


@dataclass(frozen=True)
class Preprocess(abc.ABC):
    """The preprocessing from stored examples to the features of a model, inside the training step.

    All methods except `build` return facts about the stored values, or None if they do not apply, as for token ids.

    Args:
        raw_shape: Shape of one stored example, without the batch axis.
    """

    raw_shape: tuple[int, ...]

    @abc.abstractmethod
    def build(self) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, *raw_shape)`. Output: `(batch, *features.shape)`.
        """

    @property
    def is_standardized(self) -> bool:
        """Whether numbers are scaled to mean 0 and variance 1."""
        return False

    def numeric_values(self, stored: Array) -> Array | None:  # noqa: ARG002  for subclasses
        """Return the numbers among some stored values, in the unit in which they are standardized."""
        return None

    def value_range(self, stored: Array) -> tuple[Array, Array] | None:  # noqa: ARG002  for subclasses
        """Return the smallest and the largest value that each feature can have."""
        return None

    def white(self, stored: Array) -> float | None:  # noqa: ARG002  for subclasses
        """Return the stored value of a white pixel, if the examples could be read from image files."""
        return None

    def pixel_range(self, stored: Array) -> PixelRange | None:  # noqa: ARG002  for subclasses
        """Return the features of a black and of a white pixel, for stored images; None if they are not known."""
        return None

    def pictured(self, images: Array) -> Array:
        """Return features of kind image, or maps of them, in the orientation in which people look at them.

        Shape:
            images: `(..., height, width, channels)`, or `(height, width)` of a map.
        """
        return images


@dataclass(frozen=True)
class ArrayPreprocess(Preprocess):
    """The preprocessing of arrays, in the order: scale, resize, standardize.

    Args:
        raw_shape: Shape of one stored example, without the batch axis.
        scale: Factor for every value.
        resize: `(height, width)` of the resized images (bilinear), or None.
        mean: Mean of each value of the last axis, which is subtracted after scaling; empty for none.
        variance: Variance of each value of the last axis; the values are divided by its square root.
        dtype: Data type of the output: `int32` for token ids, to which no step applies.
        type: Discriminator of the kinds of preprocessing.
    """

    resize: tuple[int, int] | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()
    dtype: Literal["float32", "int32"] = "float32"
    type: Literal["array"] = "array"

    def build(self) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, *raw_shape)`, any numeric dtype. Output: `(batch, *features.shape)`, of `dtype`.
        """
        import keras

        inputs = keras.Input(self.raw_shape, dtype=self.dtype, name="raw")
        outputs = inputs
        # Scaling comes first: for bytes, Resizing of Keras 3.15 returns whole numbers or not, depending on how it is
        # called. Without `training=False`, it also puts itself and all layers after it into training mode.
        if self.scale != 1.0 or self.resize is not None:
            outputs = keras.layers.Rescaling(self.scale, dtype="float32", name="rescale")(outputs)
        if self.resize is not None:
            resize = keras.layers.Resizing(*self.resize, dtype="float32", name="resize")
            outputs = resize(outputs, training=False)
        if self.mean:
            outputs = keras.layers.Normalization(
                mean=self.mean, variance=self.variance, dtype="float32", name="standardize"
            )(outputs)
        return keras.Model(inputs, outputs, name="preprocess")

    @property
    def is_standardized(self) -> bool:
        """Whether values are standardized."""
        return bool(self.mean)

    def numeric_values(self, stored: Array) -> Array | None:
        """Return all values after scaling; None for token ids."""
        return None if self.dtype == "int32" else stored.astype(np.float32) * np.float32(self.scale)

    def continuous(self, stored: Array) -> tuple[Continuous, ...]:
        """Return the numbers among the features that are not constant, with the edges of their bins.

        Args:
            stored: Stored examples of the training split, which are vectors or sequences of numbers.

        Shape:
            stored: `(examples, ..., columns)`.
        """
        sample = sample_rows(stored.reshape(-1, stored.shape[-1]))
        return continuous_of(sample, range(sample.shape[1]), scale=self._scaled)

    def _scaled(self, rows: Array) -> Array:
        scaled = rows * self.scale
        if not self.mean:
            return np.asarray(scaled)
        return np.asarray((scaled - np.array(self.mean)) / np.maximum(np.sqrt(self.variance), KERAS_EPSILON))

    def value_range(self, stored: Array) -> tuple[Array, Array]:
        """Return the smallest and largest value of each feature, from the scale or else from the stored examples.

        Formula:
            stored values from 0 to 1/scale; after standardization (scale x - mean) / sqrt(variance)

        Shape:
            stored: `(examples, ..., columns)`. Returns: two arrays `(columns,)`.
        """
        columns = stored.shape[-1]
        low, high = np.zeros(columns), np.ones(columns)
        # A scale maps the largest possible value to 1; without one, only the values themselves show their range.
        if self.scale == 1.0:
            blocks = [stored[start : start + _ROWS_AT_ONCE] for start in range(0, len(stored), _ROWS_AT_ONCE)]
            low[:], high[:] = min(block.min() for block in blocks), max(block.max() for block in blocks)
        if self.mean:
            mean, deviation = np.array(self.mean), np.sqrt(self.variance)
            low, high = (low - mean) / deviation, (high - mean) / deviation
        return low.astype(np.float32), high.astype(np.float32)

    def white(self, stored: Array) -> float | None:
        """Return the white value from the scale, or else 1 or 255, whichever no stored value exceeds first."""
        if stored.shape[-1] not in _CHANNELS:
            return None
        if self.scale != 1.0:
            return float(round(1 / self.scale))
        starts = range(0, len(stored), _ROWS_AT_ONCE)
        largest = max(float(stored[start : start + _ROWS_AT_ONCE].max()) for start in starts)
        return next((white for white in (1.0, 255.0) if largest <= white), None)

    def pixel_range(self, stored: Array) -> PixelRange | None:
        """Return the features of a black and of a white pixel: of 0, and of the value that `white` returns.

        Args:
            stored: Stored images of the training split.
        """
        white, channels = self.white(stored), stored.shape[-1]
        if white is None:
            return None
        ends = (np.zeros(channels), np.full(channels, white * self.scale))
        if self.mean:
            ends = tuple((end - np.array(self.mean)) / np.sqrt(self.variance) for end in ends)
        return PixelRange(*(tuple(end.tolist()) for end in ends))


def measure_columns(features: npt.NDArray[Any], *, scale: float = 1.0) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and variance that standardize the last axis. Pass only the features of the training split.

    Formula:
        mean = E[scale x], variance = E[(scale x - mean)^2] over all axes except the last. A constant column has
        variance 1, to avoid a division by 0.

    Shape:
        features: `(examples, ..., columns)`. Returns: `columns` means and as many variances.
    """
    rows = features.reshape(-1, features.shape[-1])
    blocks = [slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(rows), _ROWS_AT_ONCE)]
    # In blocks, because all rows as float64 may not fit into memory. In two passes, because E[x^2] - mean^2 loses
    # digits if the mean is far from 0.
    mean = np.add.reduce([rows[block].sum(axis=0, dtype=np.float64) for block in blocks]) / len(rows)
    squares = [np.square(rows[block].astype(np.float64) - mean).sum(axis=0) for block in blocks]
    variance = np.add.reduce(squares) / len(rows)
    variance = np.where(variance == 0, 1.0, variance * scale**2)
    return tuple((mean * scale).tolist()), tuple(variance.tolist())
