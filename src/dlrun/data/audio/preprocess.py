"""The preprocessing of waveforms: their log-mel spectrogram, as an image of one channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.audio.spectrogram import Spectrogram
from dlrun.data.audio_files.form import FULL_SCALE
from dlrun.data.preprocess import Preprocess
from dlrun.signature import PixelRange

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class AudioPreprocess(Preprocess):
    """The log-mel spectrogram of stored waveforms.

    The features have the form of an image whose rows are windows in time order and whose columns are frequencies, from
    low to high. So every model of images takes them, and recurrent networks read a row at a time.

    Args:
        raw_shape: Shape of one stored waveform, `(samples,)`.
        spectrogram: Form of the spectrogram.
        type: Discriminator of the kinds of preprocessing.
    """

    spectrogram: Spectrogram
    type: Literal["audio"] = "audio"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the features: `(frames, mel_bins, 1)`."""
        return self.spectrogram.frames(self.raw_shape[0]), self.spectrogram.mel_bins, 1

    def build(self) -> keras.Model:
        """Build the Keras model.

        Shape:
            Input: `(batch, samples)`, any numeric dtype. Output: `(batch, frames, mel_bins, 1)` float32.
        """
        import keras

        inputs = keras.Input(self.raw_shape, dtype="float32", name="raw")
        scaled = keras.layers.Rescaling(1 / FULL_SCALE, dtype="float32", name="rescale")(inputs)
        outputs = keras.layers.Reshape(self.shape, dtype="float32", name="image")(self.spectrogram.apply(scaled))
        return keras.Model(inputs, outputs, name="preprocess")

    def pictured(self, images: Array) -> Array:
        """Return spectrograms with time from left to right and low frequencies at the bottom.

        Shape:
            images: `(..., frames, mel_bins, channels)`, or `(frames, mel_bins)`. Result: `(..., mel_bins, frames,
            channels)`, or `(mel_bins, frames)`.
        """
        if images.ndim == 2:
            return images.T[::-1]
        return images.swapaxes(-3, -2)[..., ::-1, :, :]

    def pixel_range(self, stored: Array) -> PixelRange:  # noqa: ARG002  it does not depend on the data
        """Return 0, which is silence, as black, and 1, the loudest value, as white."""
        return PixelRange((0.0,), (1.0,))

    def value_range(self, stored: Array) -> tuple[Array, Array]:  # noqa: ARG002  it does not depend on the data
        """Return 0 for silence and 1 for the loudest value."""
        return np.zeros(1, np.float32), np.ones(1, np.float32)
