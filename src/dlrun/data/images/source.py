"""Image files with labels: in class folders, or listed in a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.data.dataset import Dataset, ImageSource, Resize, datasets
from dlrun.data.example_columns.columns import weight_note
from dlrun.data.example_columns.division import WrittenBlock, divide_examples, read_written
from dlrun.data.example_columns.keys import KEYS, ExampleKeys
from dlrun.data.files.data_file import advice_on_absent
from dlrun.data.files.keys import FileKeys
from dlrun.data.files.locate import open_file
from dlrun.data.image_files.form import Fit, ImageForm
from dlrun.data.image_files.headers import scan
from dlrun.data.media_files.listing import ImageList, check_any, list_classes, list_splits
from dlrun.data.media_files.path_table import check_named, is_path_table, list_table
from dlrun.data.images.input import ImageInput
from dlrun.data.media.loading import choose_form, image_targets, load_splits, numbered_files, read_headers
from dlrun.data.labels import Task
from dlrun.data.preprocess import ArrayPreprocess, measure_columns
from dlrun.data.splits import Array, Split
from dlrun.errors import DataError
from dlrun.signature import Description, Features, Target
from dlrun.system.paths import FROM_WHERE

_SCALE = 1 / 255
_FOR_A_LIST = {
    "image_column": "path", "label_column": "label", "task": "auto",
    "header": "auto", "names": (), "delimiter": "auto", "quoted": True, "encoding": "auto",
}  # fmt: skip
"""Keys for a file that lists images, with their defaults."""

_DESCRIBED_BYTES = 1 << 23
"""Lists up to this size are read when a spec is validated, to know the splits that a column gives."""


@datasets.register("images")
class Images(FileKeys, ExampleKeys, ImageSource):
    """JPEG, PNG, GIF, BMP, WebP, TIFF and PPM files: a folder for each class, or a file that lists paths and labels."""

    place_keys = ("path", "test_path", "validation_path")
    path_keys = place_keys
    reach_keys = ("path", "test_path", "validation_path")

    path: str = Field(
        description="A folder with a folder for each class; or with folders train and test (and validation) that have "
        f"these; or a list of paths (relative to it) and labels: a .csv, .tsv, .parquet or .jsonl file. {FROM_WHERE}"
    )
    test_path: str | None = Field(
        default=None, description="The same for the test split: class folders, or a list. null: none, or as in path."
    )
    validation_path: str | None = Field(
        default=None, description="The same for the validation split. null: none, or as in path."
    )
    image_column: str = Field(default="path", description="Column of a list with the paths of the images.")
    label_column: str | None = Field(
        default="label", description="Column of a list with the labels. null: there are none (for an autoencoder)."
    )
    task: Task = Field(
        default="auto",
        description="The task for the labels of a list: classification · regression · auto: regression if all labels "
        "are numbers and one has a decimal point, otherwise classification.",
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
    corrupt: Literal["error", "skip"] = Field(
        default="error",
        description="How to handle files that cannot be read. error: stop · skip: leave them out with a note.",
    )
    standardize: bool = Field(
        default=False,
        description="Whether to scale each channel to mean 0 and variance 1, as measured on the training split.",
    )

    def problems(self) -> Iterator[FieldProblem]:
        """Yield a problem for each key that contradicts another, and for each column that the list lacks."""
        yield from super().problems()
        if not is_path_table(self.path):
            for key, usual in _FOR_A_LIST.items():
                if getattr(self, key) != usual:
                    expected = str(usual).lower() if isinstance(usual, bool) else str(usual or "no key")
                    yield FieldProblem((key,), f"{key} is for a list of images, but path is a folder", expected)
        yield from self.example_problems({"image_column": (self.image_column,), "label_column": self._labels})
        yield from self._folder_problems()
        if not is_path_table(self.path):
            return
        yield from self.name_problems()
        try:
            file = open_file(Path(self.path).expanduser(), self.file_format, head_only=True)
            check_named(file.path, file.names)
        except DataError:  # load() raises it: the data is wrong, not the spec
            return
        yield from self.format_problems((file,), self.path)
        for key in ("image_column", "label_column", *KEYS):
            name = getattr(self, key)
            if name is not None and name not in file.names:
                expected, hint = advice_on_absent(name, file.names, row_like=file.row_like)
                yield FieldProblem((key,), f"{self.path} has no column {name!r}", expected, hint)

    def _folder_problems(self) -> Iterator[FieldProblem]:
        """Yield the keys that name a column of a list where a folder gives the images."""
        folders = [place for place in (self.path, self.test_path, self.validation_path) if place is not None]
        folder = next((place for place in folders if not is_path_table(place)), None)
        if folder is None:
            return
        for key, name in self.described_by.items():
            what = f"{name!r} is a column of a list of images, but {folder} is a folder, which has no columns"
            hint = "list the images with this column in a file"
            if key == "split":
                hint += "; or divide them into folders train, validation and test, without the key split"
            yield FieldProblem((key,), what, "a .csv, .tsv, .parquet or .jsonl file of paths and labels", hint)

    def split_keys(self) -> Mapping[str, str]:
        """Return the splits other than `train` that are given by keys, also those in the split column of a list."""
        given = {**super().split_keys()}
        if self.split is not None and (self.test or self.validation or self.fold) and is_path_table(self.path):
            with suppress(DataError, OSError):  # load() raises it: the data is wrong, not the spec
                path = Path(self.path).expanduser()
                if path.stat().st_size <= _DESCRIBED_BYTES:
                    splits = read_written(_blocks({"train": self._listed_table(path)}, self), self).splits
                    given |= {name: "split" for name in splits if name != "train"}
        return given

    def places(self) -> tuple[Path, ...]:
        """Return the folders, the lists, and every image in the lists."""
        named = super().places()
        images: list[Path] = []
        for path in filter(is_path_table, named):
            with suppress(DataError):  # load() raises it
                # Only the paths are needed, so a problem of the labels must not hide them.
                found = self._listed_table(path, has_labels=False)
                images += map(Path, map(os.fsdecode, found.paths()))
        return (*named, *images)

    def describe(self) -> Description | None:
        """Return classes and sizes of splits from file names, and the image size from the first file.

        Returns:
            The description; None if the files cannot be read.
        """
        try:
            lists = self.lists()
            labels, target, _ = image_targets(lists)
            first = scan(lists["train"].paths()[:1])
            form = choose_form({"train": first}, size=self.size, channels=self.channels, fit=self.fit)
            sizes = self.sizes({name: len(images) for name, images in lists.items()})
            if self.described_by:
                sizes = {name: len(split) for name, split in self._divided(lists, labels, target)[0].items()}
        except DataError:  # load() raises it: the data is wrong, not the spec
            return None
        return Description(Features("image", form.shape), target, sizes)

    def check_files(self) -> None:
        """List the images without opening them.

        Raises:
            DataError: A folder or a list cannot be read, there are no images, or a class has none.
        """
        image_targets(self.lists())

    def check_fold(self) -> None:
        """Divide the listed images into folds, without opening them.

        Raises:
            DataError: There are too few images.
        """
        if self.fold is None:
            return
        lists = self.lists()
        labels, target, _ = image_targets(lists)
        self._divided(lists, labels, target)

    def load(self) -> Dataset:
        """Read the headers of all files, choose the image size, hold out test and validation examples, and decode.

        Raises:
            DataError: A folder or file is missing, files cannot be read, a class has no images, or sizes differ and
                `size` is not set.
        """
        lists = self.lists()
        labels, target, target_notes = image_targets(lists)
        lists, scans, notes = read_headers(lists, labels, skip=self.corrupt == "skip")
        form = choose_form(scans, size=self.size, channels=self.channels, fit=self.fit)
        arranged, held_out = self._divided(lists, {name: images.labels for name, images in lists.items()}, target)
        splits, fingerprint, kept = load_splits(lists, scans, form, arranged, skip=self.corrupt == "skip")
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
            (*target_notes, *notes, *held_out, *kept),
            raw=self._input(form),
            augmentation=self.augmentation,
            weight=self.weight or "",
        )

    def _divided(
        self, lists: Mapping[str, ImageList], labels: Mapping[str, Array | None], target: Target | None
    ) -> tuple[dict[str, Split], tuple[str, ...]]:
        """Divide the listed files by the columns that describe them, and hold out test and validation files.

        Returns:
            Splits of file numbers, and a note on each choice.
        """
        given, of_column = numbered_files(lists, labels), ()  # type: dict[str, Split], tuple[str, ...]
        if self.described_by:
            columns, place = read_written(_blocks(lists, self), self), lambda number: _place(lists, number)
            given, of_column = divide_examples(given, columns, self, keys=self, place=place)
        arranged, held_out = self.hold_out(given, by_class=target is not None and target.kind == "classes")
        if self.weight is not None and (weight := arranged["train"].weight) is not None:
            of_column = (*of_column, weight_note(weight, self.weight, noun="image"))
        return arranged, (*of_column, *held_out)

    def lists(self) -> dict[str, ImageList]:
        """List the files of each split before anything is held out, without opening them.

        Raises:
            DataError: A folder or a CSV cannot be read, or there are no images.
        """
        given = Path(self.path).expanduser()
        lists = {"train": self._listed_table(given)} if is_path_table(self.path) else list_splits(given)
        for split, place in (("test", self.test_path), ("validation", self.validation_path)):
            if place is not None:
                path = Path(place).expanduser()
                lists[split] = self._listed_table(path) if is_path_table(place) else list_classes(path)
                check_any(lists[split], path)
        return lists

    def _input(self, form: ImageForm) -> ImageInput:
        known = self.file_format
        return ImageInput(
            form,
            self.image_column,
            self.label_column or "label",
            header=known.header,
            delimiter=known.delimiter,
            encoding=known.encoding,
            quoted=known.quoted,
            weight=self.weight,
        )

    @property
    def _labels(self) -> tuple[str, ...]:
        return () if self.label_column is None else (self.label_column,)

    def _listed_table(self, path: Path, *, has_labels: bool = True) -> ImageList:
        """Read a list, with the columns that describe the images; without labels only their paths."""
        return list_table(
            path,
            image_column=self.image_column,
            label_column=self.label_column if has_labels else None,
            task=self.task,
            file_format=self.file_format,
            keep=tuple(self.example_columns) if has_labels else (),
        )


def _blocks(lists: Mapping[str, ImageList], keys: ExampleKeys) -> Iterator[WrittenBlock]:
    """Yield the columns of each list that describe its images."""
    for images in lists.values():
        yield [images.kept[name] for name in keys.example_columns], images.place


def _place(lists: Mapping[str, ImageList], number: int) -> str:
    """Return the place of a file that is counted through all lists."""
    for images in lists.values():
        if number < len(images):
            return images.place(number)
        number -= len(images)
    raise IndexError(number)
