"""Raw input that is image files: pixels of any size, brought to the one that the model was trained on."""

from __future__ import annotations

import atexit
import glob
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.decoding import decode, decode_one
from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.keeping import refused
from dlrun.data.image_files.listing import ImageList, list_all, list_classes, shown
from dlrun.data.image_files.scan import check_pixels, scan
from dlrun.data.image_files.table import list_table, read_header
from dlrun.data.raw_input import Array, Examples, RawInput
from dlrun.errors import DataError
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ImageInput(RawInput):
    """Image files.

    Args:
        form: What they are brought to.
        image_column: Of a CSV: the column of paths.
        label_column: Of a CSV: the column of labels.
        type: Tells the kinds of raw input apart.
    """

    form: ImageForm
    image_column: str = "path"
    label_column: str = "label"
    type: Literal["image"] = "image"

    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read a file, a folder of images at any depth, a glob, a CSV of paths, or one image from standard input.

        With `target`: class folders, or a CSV with a column of labels.
        """
        images = self._list(source, target)
        if not images.names:
            raise DataError(f"{source} has no images", expected="JPEG, PNG, BMP or GIF files")
        labels = None if target is None else _targets(images, target, source=source)
        first = 0
        for examples in read_images(images, self.form, at_once=at_once):
            last = first + len(examples)
            yield replace(examples, target=None if labels is None else labels[first:last])
            first = last

    def build(self) -> keras.Model:
        """Make the model from decoded pixels of any size to those of the one size, as `read` gives them."""
        import keras

        inputs = keras.Input((None, None, self.form.channels), dtype="uint8", name="image")
        return keras.Model(inputs, self.form.layer()(inputs), name="raw")

    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """The pixels of the file, upright and in its own size."""
        path = examples.origin[index]
        return {"image": decode_one(path, scan([path]), channels=self.form.channels)[None]}

    def _list(self, source: str, target: Target | None) -> ImageList:
        path = Path(source).expanduser()
        if path.suffix.lower() == ".csv":
            column = self.label_column if target is not None else None
            if target is not None and column not in read_header(path):
                raise DataError(f"{source} has no column {column!r}", expected="a column of labels")
            task: Literal["classification", "regression"] = "classification"
            if target is not None and target.kind == "values":
                task = "regression"
            return list_table(path, image_column=self.image_column, label_column=column, task=task)
        if target is not None and path.is_dir():
            return list_classes(path)
        return list_images(source)


def list_images(source: str) -> ImageList:
    """The image files that a user names: one, a folder, a glob, or `-` for standard input.

    Raises:
        DataError: There is no such file.
    """
    if source == "-":
        return _standard_input()
    path = Path(source).expanduser()
    if path.is_dir():
        return list_all(path)
    if path.exists():
        return ImageList(path.parent, [path.name])
    names = sorted(name for name in glob.glob(str(path), recursive=True) if not Path(name).is_dir())  # noqa: PTH207
    if not names:
        raise DataError(f"{source} is not there", expected="an image file, a folder of them, a glob, or a CSV of paths")
    return ImageList(Path(), names)


def read_images(images: ImageList, form: ImageForm, *, at_once: int) -> Iterator[Examples]:
    """Decode image files; the origin of some examples are their paths.

    Raises:
        DataError: Some cannot be read: names them.
    """
    paths = images.paths()
    scanned = check_pixels(scan(paths), form)
    if scanned.unreadable:
        raise refused(scanned.unreadable, images.names, folder=images.folder)
    for decoded in decode(paths, scanned, form):
        if decoded.failed:
            raise refused(decoded.failed, images.names, folder=images.folder)
        for start in range(0, len(decoded.pixels), at_once):
            stored = decoded.pixels[start : start + at_once]
            these = slice(decoded.first + start, decoded.first + start + len(stored))
            yield Examples([shown(name) for name in images.names[these]], stored, origin=paths[these])


def _standard_input() -> ImageList:
    """The image on standard input as a file, which is there until the program ends."""
    folder = Path(tempfile.mkdtemp(prefix="dlrun-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "standard input").write_bytes(sys.stdin.buffer.read())
    return ImageList(folder, ["standard input"])


def _targets(images: ImageList, target: Target, *, source: str) -> npt.NDArray[np.generic]:
    """The labels of files as a split of the training data holds them."""
    if images.labels is None:
        raise DataError(f"{source} has no labels", expected="a folder for each class, or a CSV with a column of labels")
    return images.labels if target.kind == "values" else class_indices(images, target.class_names)


def class_indices(images: ImageList, classes: tuple[str, ...]) -> npt.NDArray[np.int32]:
    """Labels as places in `classes`.

    Raises:
        DataError: One is of no such class.
    """
    place = {name: index for index, name in enumerate(classes)}
    unknown = [name for name in images.classes if name not in place]
    if unknown or images.labels is None:
        said = f"{images.folder} has the class {unknown[0]!r}" if unknown else f"{images.folder} has no classes"
        raise DataError(f"{said}, which training does not know", expected="one of " + ", ".join(classes))
    found: npt.NDArray[np.int32] = np.array([place[name] for name in images.classes], np.int32)[images.labels]
    return found
