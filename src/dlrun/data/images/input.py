"""Raw input from image files of any size, resized to the size that the model was trained with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from dlrun.data.files.data_file import FileFormat
from dlrun.data.files.header import Header
from dlrun.data.image_files.decoding import decode_one
from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.headers import scan
from dlrun.data.image_files.reader import ImageReader
from dlrun.data.media_files.reading import Columns, read_media
from dlrun.data.raw_input import Array, Examples, RawInput
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ImageInput(RawInput):
    """Image files.

    Args:
        form: Size and channels of the decoded images.
        image_column: Column of image paths in a CSV file.
        label_column: Column of labels in a CSV file.
        corrupt: How to handle files that cannot be read: `error`, or `skip`.
        header: Form of the first line of a CSV file.
        delimiter: Delimiter of a CSV file; None to detect it.
        encoding: Encoding of a CSV or JSON lines file; None to detect it.
        quoted: Whether values of a CSV file may be enclosed in double quotes.
        type: Discriminator of the kinds of raw input.
        weight: Column of a list with the weights of images, which only an evaluation reads; None if all count once.
        keep: Columns of a CSV file to copy to the predictions; never saved.
    """

    form: ImageForm
    image_column: str = "path"
    label_column: str = "label"
    corrupt: Literal["error", "skip"] = "error"
    header: Header = field(default_factory=Header)
    delimiter: str | None = None
    encoding: str | None = None
    quoted: bool = True
    type: Literal["image"] = "image"
    weight: str | None = None
    keep: Annotated[tuple[str, ...], Field(exclude=True)] = ()

    @property
    def reads_weights(self) -> bool:
        """Whether the run has a column of weights."""
        return self.weight is not None

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read a file, a folder of images at any depth, a glob, a CSV of paths, or one image from standard input.

        With `target`: class folders, or a CSV with a column of labels.
        """
        return self._read(source, at_once=at_once, target=target)

    def read_several(self, sources: Sequence[str], *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read several sources as one list of files."""
        return self._read(sources, at_once=at_once, target=target)

    def read_as(self, dataset: Any) -> ImageInput:
        """Return this input with the dataset's settings for corrupt files and for the first line of a list."""
        corrupt, header = getattr(dataset, "corrupt", self.corrupt), getattr(dataset, "first_line", self.header)
        return replace(self, corrupt=corrupt, header=header)

    def keeping(self, columns: Sequence[str]) -> ImageInput:
        """Return this input with other columns of the CSV to keep."""
        return replace(self, keep=tuple(columns))

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

    def _read(self, source: str | Sequence[str], *, at_once: int, target: Target | None) -> Iterator[Examples]:
        file_format = FileFormat(self.delimiter, self.encoding, self.quoted, self.header)
        columns = Columns(self.image_column, self.label_column, file_format, self.keep, self.weight)
        skip = self.corrupt == "skip"
        return read_media(source, ImageReader(self.form), at_once=at_once, target=target, columns=columns, skip=skip)
