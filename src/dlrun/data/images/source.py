"""Image files with labels: in class folders, or listed in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dlrun.data.dataset import Dataset, ImageSource, Resize, datasets
from dlrun.data.image_files.form import Fit
from dlrun.data.image_files.reader import IMAGES, ImageReader
from dlrun.data.images.form import choose_form, read_notes
from dlrun.data.images.input import ImageInput
from dlrun.data.media.loading import load_splits, media_targets, read_headers
from dlrun.data.media.source import MediaSource
from dlrun.data.preprocess import ArrayPreprocess, measure_columns
from dlrun.errors import DataError
from dlrun.signature import Description, Features

_SCALE = 1 / 255


@datasets.register("images")
class Images(MediaSource, ImageSource):
    """JPEG, PNG, GIF, BMP, WebP, TIFF and PPM files: a folder for each class, or a file that lists paths and labels."""

    kind = IMAGES
    column_key = "image_column"

    image_column: str = Field(default="path", description="Column of a list with the paths of the images.")
    size: Resize | None = Field(
        default=None,
        description="Height and width of images in pixels: [64, 64]. null: the size of the files, which must all "
        "be equal.",
    )
    fit: Fit = Field(
        default="resize",
        description="How to fit an image of another shape: resize (may distort) · crop (keep the center, without "
        "distortion) · pad (add black borders, without distortion).",
    )
    channels: Literal["auto", 1, 3] = Field(
        default="auto", description="1: gray · 3: color · auto: gray if all images are gray."
    )
    standardize: bool = Field(
        default=False,
        description="Whether to scale each channel to mean 0 and variance 1, as measured on the training split.",
    )

    def describe(self) -> Description | None:
        """Return classes and sizes of splits from file names, and the image size from the first file.

        Returns:
            The description; None if the files cannot be read.
        """
        try:
            lists = self.lists()
            labels, target, _ = media_targets(lists)
            first = self.kind.scan(lists["train"].paths()[:1])
            form = choose_form({"train": first}, size=self.size, channels=self.channels, fit=self.fit)
            sizes = self.sizes({name: len(images) for name, images in lists.items()})
            if self.described_by:
                sizes = {name: len(split) for name, split in self.divide(lists, labels, target)[0].items()}
        except DataError:  # load() raises it: the data is wrong, not the spec
            return None
        return Description(Features("image", form.shape), target, sizes)

    def load(self) -> Dataset:
        """Read the headers of all files, choose the image size, hold out test and validation examples, and decode.

        Raises:
            DataError: A folder or file is missing, files cannot be read, a class has no images, or sizes differ and
                `size` is not set.
        """
        lists, skip = self.lists(), self.corrupt == "skip"
        labels, target, target_notes = media_targets(lists)
        lists, scans, notes = read_headers(lists, labels, skip=skip)
        changes = tuple(read_notes(scans))
        form = choose_form(scans, size=self.size, channels=self.channels, fit=self.fit)
        arranged, held_out = self.divide(lists, {name: images.labels for name, images in lists.items()}, target)
        splits, fingerprint, kept = load_splits(lists, scans, ImageReader(form), arranged, skip=skip)
        steps: dict[str, Any] = {}
        if self.standardize:
            steps["mean"], steps["variance"] = measure_columns(splits["train"].features, scale=_SCALE)
        return Dataset(
            Path(self.path).expanduser().stem,
            Features("image", form.shape),
            target,
            ArrayPreprocess(form.shape, scale=_SCALE, **steps),
            splits,
            fingerprint,
            (*target_notes, *notes, *changes, *held_out, *kept),
            raw=ImageInput(form, self.image_column, **self.input_keys),
            augmentation=self.augmentation,
            weight=self.weight or "",
        )
