"""Image files with labels or masks: in folders, or listed in a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.data.dataset import Dataset, ImageSource, Resize, datasets
from dlrun.data.image_files.form import Fit, ImageForm
from dlrun.data.image_files.reader import IMAGES, ImageReader
from dlrun.data.images.form import choose_form, read_notes
from dlrun.data.images.input import ImageInput, MaskInput
from dlrun.data.masks.classes import (
    MaskClasses,
    PixelValue,
    PixelValues,
    find_classes,
    given_classes,
    listed_classes,
    read_some_values,
)
from dlrun.data.masks.pairing import check_sizes, with_masks_of_column, with_masks_of_folder
from dlrun.data.masks.pixels import value_of
from dlrun.data.masks.reader import MaskReader
from dlrun.data.media.loading import Lists, Scans, load_splits, media_targets, read_headers, read_mask_headers
from dlrun.data.media.source import MediaSource
from dlrun.data.media_files.listing import MediaList, check_any, list_all, split_folders
from dlrun.data.media_files.path_table import is_path_table
from dlrun.data.preprocess import ArrayPreprocess, measure_columns
from dlrun.errors import DataError
from dlrun.signature import Description, Features, Target

_SCALE = 1 / 255
_DESCRIBED_MASKS = 64
"""Number of masks that are read when a spec is validated, to know the classes."""


@dataclass(frozen=True)
class _MaskFiles:
    """The masks of all splits, before they are decoded."""

    lists: Lists
    scans: Scans
    classes: MaskClasses
    notes: tuple[str, ...]


@datasets.register("images")
class Images(MediaSource, ImageSource):
    """JPEG, PNG, GIF, BMP, WebP, TIFF and PPM files: a folder for each class, or a file that lists paths and labels.

    With `masks` or `mask_column`, each pixel has a class (semantic segmentation), and a model such as `unet` predicts
    it.
    """

    kind = IMAGES
    column_key = "image_column"
    column_keys = ("mask_column",)
    place_keys = (*MediaSource.place_keys, "masks")
    path_keys = place_keys
    reach_keys = (*MediaSource.reach_keys, "masks")

    image_column: str = Field(default="path", description="Column of a list with the paths of the images.")
    masks: str | None = Field(
        default=None,
        description="A folder with the mask of each image, a file of the same name at the same place, such as a PNG: "
        "the value of each of its pixels is the class of this pixel of the image. Images of test_path and "
        "validation_path have theirs in this folder, too. null: no masks.",
    )
    mask_column: str | None = Field(
        default=None, min_length=1, description="Column of a list with the paths of the masks. null: no masks."
    )
    mask_suffix: str = Field(
        default="",
        description="What the name of a mask has behind that of its image: _mask for cat_mask.png of cat.jpg.",
    )
    mask_values: dict[str, PixelValues] = Field(
        default_factory=dict,
        description="Name of each class and its value in the masks, a level of gray, an index of a palette or a color, "
        "or several: {background: 0, cat: 1, dog: '#804000'}. Empty: a class for each value in the masks.",
    )
    ignored_mask_value: PixelValue | None = Field(
        default=None,
        description="Value of pixels that count neither in the loss nor in scores, such as 255 for unclear borders. "
        "null: all pixels count.",
    )
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

    @property
    def has_masks(self) -> bool:
        """Whether each pixel has a class, instead of each image."""
        return self.masks is not None or self.mask_column is not None

    @property
    def read_label_column(self) -> str | None:
        """Column of labels; None if masks are the targets."""
        return None if self.has_masks else self.label_column

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """The columns that describe the images, and that of masks."""
        return (*super().kept_columns, *(() if self.mask_column is None else (self.mask_column,)))

    @property
    def _ignored(self) -> tuple[int, ...]:
        return () if self.ignored_mask_value is None else (value_of(self.ignored_mask_value),)

    def problems(self) -> Iterator[FieldProblem]:
        """Yield a problem for each key that contradicts another, or that needs masks."""
        yield from super().problems()
        if self.masks is not None and is_path_table(self.path):
            what = f"masks is for a folder of images, but {self.path} is a list"
            yield FieldProblem(("masks",), what, "mask_column, the column of the list with the paths of the masks")
        if self.mask_column is not None and not is_path_table(self.path):
            what = f"mask_column is for a list of images, but {self.path} is a folder"
            yield FieldProblem(("mask_column",), what, "masks, a folder")
        yield from self._mask_place_problems()
        if self.mask_suffix and self.masks is None:
            yield FieldProblem(("mask_suffix",), "mask_suffix is for a folder of masks", "masks: FOLDER, or no suffix")
        if not self.has_masks:
            for key in ("mask_values", "ignored_mask_value"):
                if getattr(self, key) not in ({}, None):
                    what = f"{key} is for masks, but there are none"
                    yield FieldProblem((key,), what, "masks: FOLDER, or mask_column", f"remove {key}")
            return
        if self.label_column not in ("label", None):
            what = f"the masks are the targets, but label_column is {self.label_column!r}"
            yield FieldProblem(("label_column",), what, "either labels or masks", "remove label_column")
        if self.task != "auto":
            what = f"the task is {self.task}, but masks give each pixel a class"
            yield FieldProblem(("task",), what, "auto", "remove task")
        yield from self._value_problems()

    def _mask_place_problems(self) -> Iterator[FieldProblem]:
        """Yield images that would be their own masks, and lists and folders that do not go together."""
        if self.masks is not None and not self.mask_suffix and Path(self.masks) == Path(self.path):
            what = f"{self.masks} is also the folder of the images, so that each would be its own mask"
            yield FieldProblem(("masks",), what, "another folder", "or mask_suffix: _mask, for cat_mask.png of cat.jpg")
        for key in ("test_path", "validation_path"):
            place = getattr(self, key)
            if place is None:
                continue
            if self.mask_column is not None and not is_path_table(place):
                what = f"the masks are a column of a list, but {place} is a folder"
                yield FieldProblem((key,), what, f"a list with the column {self.mask_column!r}")
            if self.masks is not None and is_path_table(place):
                what = f"the masks are in a folder, but {place} is a list"
                yield FieldProblem((key,), what, "a folder of images")

    def _value_problems(self) -> Iterator[FieldProblem]:
        """Yield a single class, classes without a value, and a value with two meanings."""
        if not self.mask_values:
            return
        if len(self.mask_values) == 1:
            what = "mask_values has a single class"
            yield FieldProblem(("mask_values",), what, "at least two", "name the background, too: {background: 0}")
        meaning = dict.fromkeys(self._ignored, f"ignored_mask_value {self.ignored_mask_value}")
        for name, values in listed_classes(self.mask_values).items():
            if not values:
                yield FieldProblem(("mask_values", name), f"{name} has no value", "at least one value")
            for value in values:
                if value in meaning:
                    what = f"a value of {name} is also that of {meaning[value]}"
                    yield FieldProblem(("mask_values", name), what, "different values")
                meaning[value] = name

    def places(self) -> tuple[Path, ...]:
        """Return the folders, the lists, and every file in the lists."""
        found = super().places()
        if self.mask_column is None:
            return found
        with suppress(DataError):  # load() raises it: the data is wrong, not the spec
            lists = [images.masks for images in self.lists().values() if images.masks is not None]
            return (*found, *(masks.folder / name for masks in lists for name in masks.names))
        return found

    def lists(self) -> dict[str, MediaList]:
        """List the images of each split, with their masks if there are any, without opening them.

        Raises:
            DataError: A folder or a list cannot be read, there are no images, or an image has no mask.
        """
        if self.mask_column is not None:
            return {name: self.pair(images, None) for name, images in super().lists().items()}
        if self.masks is None:
            return super().lists()
        folder, masks = (Path(place).expanduser() for place in (self.path, self.masks))
        parts = split_folders(folder, self.kind, apart=masks)
        places = {name: (place, place.name) for name, place in parts.items()} or {"train": (folder, "")}
        given = {"test": self.test_path, "validation": self.validation_path}
        places |= {name: (Path(place).expanduser(), "") for name, place in given.items() if place is not None}
        lists = {}
        for name, (place, below) in places.items():
            images = self.pair(list_all(place, self.kind), masks, below=below)
            check_any(images, place)
            lists[name] = self.grouped(images)
        return lists

    def pair(
        self, images: MediaList, masks: Path | None, *, below: str = "", left_out: list[str] | None = None
    ) -> MediaList:
        """Return images with their masks.

        Args:
            images: The images of a split.
            masks: Folder of the masks; None for those of the column of a list.
            below: Folder in that of the masks with those of this split; empty for the folder itself.
            left_out: List to add the names of images without a mask to, which then are left out; None: they are an
                error.

        Raises:
            DataError: An image has no mask.
        """
        if masks is None:
            return with_masks_of_column(images, self.mask_column or "", left_out=left_out)
        return with_masks_of_folder(images, masks, suffix=self.mask_suffix, below=below, left_out=left_out)

    def same_sizes(self, lists: Lists, scans: Scans, of_masks: Scans) -> tuple[Lists, Scans, Scans]:
        """Check that each mask has the size of its image.

        Args:
            lists: Images of each split with their masks, all of which are readable.
            scans: Headers of the images.
            of_masks: Headers of the masks.

        Returns:
            All of them.

        Raises:
            DataError: A mask has another size.
        """
        for name, images in lists.items():
            check_sizes(images, scans[name], of_masks[name])
        return lists, scans, of_masks

    def describe(self) -> Description | None:
        """Return classes and sizes of splits from file names, and the image size from the first file.

        Returns:
            The description; None if the files cannot be read. The classes of masks are those of the first few.
        """
        try:
            lists = self.lists()
            labels, target, _ = media_targets(lists)
            first = self.kind.scan(lists["train"].paths()[:1])
            form = choose_form({"train": first}, size=self.size, channels=self.channels, fit=self.fit)
            sizes = self.sizes({name: len(images) for name, images in lists.items()})
            if self.described_by:
                sizes = {name: len(split) for name, split in self.divide(lists, labels, target)[0].items()}
            if self.has_masks:
                target = self._described_target(lists["train"])
        except DataError:  # load() raises it: the data is wrong, not the spec
            return None
        return Description(Features("image", form.shape), target, sizes)

    def _described_target(self, images: MediaList) -> Target | None:
        if self.mask_values or images.masks is None:
            return given_classes(self.mask_values, self._ignored).target
        found = read_some_values(images.masks, most=_DESCRIBED_MASKS) - {*self._ignored}
        return Target("mask", max(2, len(found)))

    def load(self) -> Dataset:
        """Read the headers of all files, choose the image size, hold out test and validation examples, and decode.

        Raises:
            DataError: A folder or file is missing, files cannot be read, a class has no images, an image has no mask,
                or sizes differ and `size` is not set.
        """
        lists, skip = self.lists(), self.corrupt == "skip"
        labels, target, target_notes = media_targets(lists)
        lists, scans, notes = read_headers(lists, labels, skip=skip)
        changes = tuple(read_notes(scans))
        masks = self._read_masks(lists, scans) if self.has_masks else None
        if masks is not None:
            lists, scans, target, target_notes = masks.lists, masks.scans, masks.classes.target, masks.notes
        form = choose_form(scans, size=self.size, channels=self.channels, fit=self.fit)
        arranged, held_out = self.divide(lists, {name: images.labels for name, images in lists.items()}, target)
        reader = None if masks is None else MaskReader(form, masks.classes)
        splits, fingerprint, kept = load_splits(
            lists, scans, ImageReader(form), arranged, skip=skip, mask_reader=reader
        )
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
            raw=self._input(form, masks),
            augmentation=self.augmentation,
            weight=self.weight or "",
        )

    def _input(self, form: ImageForm, masks: _MaskFiles | None) -> ImageInput:
        of_masks = None
        if masks is not None:
            of_masks = MaskInput(masks.classes, self.mask_column or "mask", self.mask_suffix, self.masks)
        return ImageInput(form, self.image_column, masks=of_masks, **self.input_keys)

    def _read_masks(self, lists: Lists, scans: Scans) -> _MaskFiles:
        """Read the headers of the masks, and find their classes."""
        lists, scans, of_masks, notes = read_mask_headers(lists, scans, skip=self.corrupt == "skip")
        lists, scans, of_masks = self.same_sizes(lists, scans, of_masks)
        train = lists["train"].masks
        if self.mask_values or train is None:
            return _MaskFiles(lists, scans, given_classes(self.mask_values, self._ignored), notes)
        digest = of_masks["train"].digest(train.paths())
        classes = find_classes(train, self._ignored, digest=digest, skip=self.corrupt == "skip")
        note = f"classes: {len(classes.names)}, the values in the masks: {', '.join(classes.names[:12])}"
        return _MaskFiles(lists, scans, classes, (note + (", ..." if len(classes.names) > 12 else ""), *notes))
