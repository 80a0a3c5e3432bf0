"""Raw input from sound files of any sampling rate and length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dlrun.data.audio_files.form import AudioForm
from dlrun.data.audio_files.reader import AudioReader
from dlrun.data.media.input import MediaInput
from dlrun.data.raw_input import Array, Examples

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class AudioInput(MediaInput):
    """Sound files.

    Args:
        form: Sampling rate and length of the waveforms.
        path_column: Column of paths in a CSV file.
        type: Discriminator of the kinds of raw input.
    """

    form: AudioForm
    path_column: str = "path"
    type: Literal["audio"] = "audio"

    @property
    def column(self) -> str:
        """Column of paths in a list."""
        return self.path_column

    @property
    def reader(self) -> AudioReader:
        """The decoder of the files."""
        return AudioReader(self.form)

    def build(self) -> keras.Model:
        """Return the Keras model that crops, pads and rounds waveforms of any length, as `read` does.

        Shape:
            Input: `waveform`, `(batch, any length)` float32, amplitudes from -1 to 1 at the sampling rate of the form.
            Output: `(batch, samples)` int16.
        """
        import keras

        inputs = keras.Input((None,), dtype="float32", name="waveform")
        return keras.Model(inputs, self.form.layers(inputs), name="raw")

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """Return the waveform of a file in its own length, mixed and resampled."""
        return {"waveform": self.reader.whole(examples.origin[index])[None]}
