"""Raw input from image files of any size, resized to the size that the model was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dlrun.data.image_files.decoding import decode_one
from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.headers import scan
from dlrun.data.image_files.reader import ImageReader
from dlrun.data.media.input import MediaInput
from dlrun.data.raw_input import Array, Examples

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ImageInput(MediaInput):
    """Image files.

    Args:
        form: Size and channels of the decoded images.
        image_column: Column of image paths in a CSV file.
        type: Discriminator of the kinds of raw input.
    """

    form: ImageForm
    image_column: str = "path"
    type: Literal["image"] = "image"

    @property
    def column(self) -> str:
        """Column of paths in a list."""
        return self.image_column

    @property
    def reader(self) -> ImageReader:
        """The decoder of the files."""
        return ImageReader(self.form)

    def build(self) -> keras.Model:
        """Return the Keras model that resizes decoded images of any size, as `read` does.

        Shape:
            Input: `image`, `(batch, any height, any width, channels)` uint8. Output: `(batch, height, width, channels)`
            uint8.
        """
        import keras

        inputs = keras.Input((None, None, self.form.channels), dtype="uint8", name="image")
        return keras.Model(inputs, self.form.layer()(inputs, training=False), name="raw")

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """Return the pixels of a file, upright and in its own size."""
        path = examples.origin[index]
        return {"image": decode_one(path, scan([path]), channels=self.form.channels)[None]}
