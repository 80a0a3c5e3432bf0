"""Raw input from image files of any size, resized to the size that the model was trained with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field

from dlrun.data.image_files.decoding import decode_one
from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.headers import scan
from dlrun.data.image_files.reader import ImageReader
from dlrun.data.masks.classes import MaskClasses
from dlrun.data.masks.naming import mask_names
from dlrun.data.masks.pairing import with_masks_of_column, with_masks_of_folder, without_masks
from dlrun.data.masks.reader import MaskReader
from dlrun.data.media.input import MediaInput
from dlrun.data.media_files.listing import MediaList
from dlrun.data.raw_input import Array, Examples
from dlrun.errors import DataError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class MaskInput:
    """The masks of images, which an evaluation reads and a prediction writes.

    Args:
        classes: The classes.
        column: Column of a list with the paths of the masks.
        suffix: What the name of a mask has behind that of its image.
        folder: Folder of the masks; None for images in a list. Never saved.
    """

    classes: MaskClasses
    column: str = "mask"
    suffix: str = ""
    folder: Annotated[str | None, Field(exclude=True)] = None


@dataclass(frozen=True)
class ImageInput(MediaInput):
    """Image files.

    Args:
        form: Size and channels of the decoded images.
        image_column: Column of image paths in a CSV file.
        masks: The masks of the images; None if the model predicts no masks.
        naming: Function that receives the paths of the files for all predicted masks, before an image is decoded; None
            if there will be no such files. Never saved.
        type: Discriminator of the kinds of raw input.
    """

    form: ImageForm
    image_column: str = "path"
    masks: MaskInput | None = None
    naming: Annotated[Callable[[Sequence[str]], object] | None, Field(exclude=True)] = None
    type: Literal["image"] = "image"

    @property
    def column(self) -> str:
        """Column of paths in a list."""
        return self.image_column

    @property
    def reader(self) -> ImageReader:
        """The decoder of the files."""
        return ImageReader(self.form)

    @property
    def mask_reader(self) -> MaskReader | None:
        """The decoder of masks; None if the model predicts no masks."""
        return None if self.masks is None else MaskReader(self.form, self.masks.classes)

    @property
    def pairing_column(self) -> str:
        """Column of a list with the paths of the masks."""
        return "" if self.masks is None else self.masks.column

    def paired(self, files: MediaList) -> MediaList:
        """Return images with their masks: those in their list, or else those in the folder of masks.

        Raises:
            DataError: An image has no mask, or it is not known where the masks are.
        """
        if self.masks is None:
            return files
        if files.table is not None:
            return with_masks_of_column(files, self.masks.column)
        if self.masks.folder is None:
            what = f"it is not known where the masks of the images in {files.folder} are"
            raise DataError(what, expected="a folder of masks", hint="--set dataset.masks=FOLDER")
        return with_masks_of_folder(files, Path(self.masks.folder).expanduser(), suffix=self.masks.suffix)

    def without_targets(self, files: MediaList) -> MediaList:
        """Return the images of a folder without masks beside them, or in the folder of masks within it."""
        if self.masks is None:
            return files
        if self.masks.suffix:
            files = without_masks(files, files.folder, suffix=self.masks.suffix)
        if self.masks.folder is not None:
            files = without_masks(files, Path(self.masks.folder).expanduser(), suffix=self.masks.suffix)
        return files

    def name_predictions(self, files: MediaList, source: str | Sequence[str]) -> Sequence[str]:
        """Return the path of the file for the mask of each image, if there will be such files.

        Raises:
            DataError: Two images would have the same mask.
        """
        if self.naming is None:
            return ()
        is_folder = isinstance(source, str) and Path(source).expanduser().is_dir()
        names = mask_names(files, keeps_folders=is_folder or files.table is not None)
        self.naming(names)
        return names

    def read_as(self, dataset: Any) -> Self:
        """Return this input with the dataset's settings for reading, and its folder of masks."""
        read = super().read_as(dataset)
        if read.masks is None:
            return read
        column = getattr(dataset, "mask_column", None) or read.masks.column
        folder, suffix = getattr(dataset, "masks", None), getattr(dataset, "mask_suffix", read.masks.suffix)
        return replace(read, masks=replace(read.masks, column=column, suffix=suffix, folder=folder))

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
