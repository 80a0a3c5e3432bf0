"""The dataset of an `.npz` file: features and labels from its named arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from dlrun.component import AbsentKey, FieldProblem
from dlrun.data.arrays.keys import ArrayKeys, SplitKeys, usual_keys
from dlrun.data.arrays.layout import FeatureLayout, FeaturesKind, layout_of
from dlrun.data.arrays.precision import can_merge, merged_values
from dlrun.data.arrays.splits import read_splits
from dlrun.data.dataset import Dataset, ImageSource, Resize, datasets
from dlrun.data.files.npz import NpzFile
from dlrun.data.labels import NamedArray, Task, class_targets, is_classes
from dlrun.data.preprocess import ArrayPreprocess, measure_columns
from dlrun.data.splits import Array, Split, fingerprint_of
from dlrun.errors import DataError
from dlrun.signature import Description, Features, Target
from dlrun.system.paths import FROM_WHERE

_CHEAP_LABEL_BYTES = 2**23


@datasets.register("arrays")
class Arrays(ImageSource):
    """The named arrays of an `.npz` file, as `numpy.savez` writes it."""

    absent_keys: ClassVar[Mapping[str, AbsentKey]] = {
        **ImageSource.absent_keys,
        "split": AbsentKey("which names the arrays of each split", "keys: {train: {...}, test: {...}}"),
        "weight": AbsentKey(
            "which names an array of weights of the loss", "keys: {train: {features: x, target: y, sample_weight: w}}"
        ),
    }
    place_keys = ("path",)
    path_keys = place_keys
    reach_keys = ("path",)

    path: str = Field(description=f"The .npz file. {FROM_WHERE}")
    keys: ArrayKeys | None = Field(
        default=None,
        description="The arrays of each split: {train: {features: a, target: b}, test: {...}}. null: the usual names "
        "x_train y_train x_val y_val x_test y_test, or x y.",
    )
    features_kind: FeaturesKind = Field(
        default="auto",
        description="The meaning of the axes: image (height, width) or (height, width, channels) · sequence (steps, "
        "width) · vector, to which any shape is flattened · tokens (steps,) of integer ids · auto: by shape and dtype; "
        "the choice is reported.",
    )
    task: Task = Field(
        default="auto",
        description="classification: labels are class indices from 0, or one-hot · regression: labels are numbers · "
        "auto: classification for integers, regression for floats.",
    )
    num_classes: int | None = Field(
        default=None,
        ge=2,
        description="Number of classes. null: the highest training label plus 1; every class must occur.",
    )
    resize: Resize | None = Field(
        default=None, description="Height and width in pixels to resize images to: [28, 28]. null: no resizing."
    )
    standardize: bool = Field(
        default=False,
        description="Whether to scale each column (each channel of an image) to mean 0 and variance 1, as measured on "
        "the training split.",
    )

    def problems(self) -> Iterator[FieldProblem]:
        """Yield the keys that contradict each other."""
        yield from super().problems()
        if self.features_kind == "tokens" and (self.resize or self.standardize):
            key = "resize" if self.resize else "standardize"
            yield FieldProblem((key,), "token ids are not quantities", "null" if self.resize else "false")

    def split_keys(self) -> Mapping[str, str]:
        """Return the splits other than `train` that are given by `keys`."""
        named = self.keys.by_split() if self.keys else {}
        return {split: f"keys.{split}" for split in named if split != "train"}

    def describe(self) -> Description | None:
        """Return shapes from the headers of the file, and the classes of few labels; None if it cannot be read."""
        try:
            file = NpzFile.open(self._path)
            keys = self._keys(file)
            layout = self._layout(file, keys)
            target = self._describe_target(file, keys["train"])
            sizes = {name: len(file.header(split.features)) for name, split in keys.items()}
        except DataError:  # load() raises it: the data is wrong, not the spec
            return None
        return Description(self._features(layout), target, self.sizes(sizes))

    def check_files(self) -> None:
        """Read the headers of the arrays.

        Raises:
            DataError: The file is missing or damaged, or its arrays do not fit the keys.
        """
        file = NpzFile.open(self._path)
        keys = self._keys(file)
        self._layout(file, keys)
        for split in keys.values():
            file.header(split.features)

    def check_fold(self) -> None:
        """Divide the examples into folds, for which few labels are read.

        Raises:
            DataError: There are too few examples.
        """
        if self.fold is None:
            return
        file = NpzFile.open(self._path)
        keys = self._keys(file)
        splits = {name: Split(np.arange(len(file.header(split.features)))) for name, split in keys.items()}
        target = self._describe_target(file, keys["train"])
        by_class = target is not None and target.kind == "classes"
        if by_class:
            splits["train"] = replace(splits["train"], target=self._classes(file, keys["train"])[0])
        self.hold_out(splits, by_class=by_class)

    def load(self) -> Dataset:
        """Read the arrays, check them row by row, and hold out test and validation examples.

        Raises:
            DataError: The file or an array is missing or damaged, shapes do not match, a value is not finite, or a
                label is not a class.
        """
        file = NpzFile.open(self._path)
        keys = self._keys(file)
        layout = self._layout(file, keys)
        whole, target, notes = read_splits(file, keys, layout, task=self.task, num_classes=self.num_classes)
        by_class = target is not None and target.kind == "classes"
        splits, held_out = self.hold_out(whole, by_class=by_class)
        steps: dict[str, Any] = {"resize": self.resize, "scale": layout.scale}
        if self.standardize:
            steps["mean"], steps["variance"] = measure_columns(splits["train"].features, scale=layout.scale)
        vocabulary = None
        if layout.kind == "tokens":
            steps["dtype"] = "int32"
            vocabulary = 1 + max(int(split.features.max()) for split in whole.values())
        preprocess = ArrayPreprocess(layout.raw_shape, **steps)
        features = self._features(layout, vocabulary)
        if layout.kind in ("vector", "sequence"):
            features = replace(features, continuous=preprocess.continuous(splits["train"].features))
        return Dataset(
            self._path.stem,
            features,
            target,
            preprocess,
            splits,
            fingerprint_of(splits),
            (*self._notes_on_keys(keys), f"features: {layout.kind}, because {layout.reason}", *notes, *held_out),
            augmentation=self.augmentation,
            warnings=tuple(self._merged(file, keys["train"], layout, target)),
        )

    def _merged(self, file: NpzFile, keys: SplitKeys, layout: FeatureLayout, target: Target | None) -> Iterator[str]:
        checked = [keys.features] if layout.kind in ("vector", "sequence") else []
        if keys.target is not None and target is not None and target.kind == "values":
            checked.append(keys.target)
        for key in checked:
            if can_merge(file.header(key).dtype):  # read again only the arrays that may lose digits
                yield from merged_values(file.array(key), name=file.named(key))

    @property
    def _path(self) -> Path:
        return Path(self.path).expanduser()

    def _keys(self, file: NpzFile) -> dict[str, SplitKeys]:
        keys = self.keys.by_split() if self.keys else usual_keys(file.headers)
        if "train" not in keys:
            raise DataError(
                f"{file.path} has no array x_train or x",
                expected="keys that name its arrays: " + (", ".join(file.headers) or "it has none"),
                hint="keys: {train: {features: ..., target: ...}}",
            )
        return keys

    def _layout(self, file: NpzFile, keys: Mapping[str, SplitKeys]) -> FeatureLayout:
        key = keys["train"].features
        header = file.header(key)
        layout = layout_of(self.features_kind, header.shape[1:], header.dtype, name=file.named(key))
        if self.resize is not None and layout.kind != "image":
            raise DataError(
                f"resize: {file.named(key)} is not an image: {layout.reason}", expected="features_kind: image"
            )
        return layout

    def _features(self, layout: FeatureLayout, vocabulary_size: int | None = None) -> Features:
        shape = layout.raw_shape if self.resize is None else (*self.resize, layout.raw_shape[-1])
        return Features(layout.kind, shape, vocabulary_size)

    def _describe_target(self, file: NpzFile, keys: SplitKeys) -> Target | None:
        if keys.target is None:
            return None
        header = file.header(keys.target)
        if not is_classes(self.task, header.dtype, header.shape)[0]:
            size = 1
            for length in header.shape[1:]:
                size *= length
            return Target("values", size, encoding="value")
        if header.dtype.itemsize * len(header) > _CHEAP_LABEL_BYTES:
            raise DataError("there are too many labels to read for a description")
        return self._classes(file, keys)[1]

    def _classes(self, file: NpzFile, keys: SplitKeys) -> tuple[Array, Target]:
        key = keys.target or ""
        labels = {"train": NamedArray(file.named(key), file.array(key))}
        indices, target = class_targets(labels, num_classes=self.num_classes)
        return indices["train"], target

    def _notes_on_keys(self, keys: Mapping[str, SplitKeys]) -> Iterator[str]:
        if self.keys is None:
            chosen = ", ".join(
                f"{name}: {split.features} and {split.target or 'no labels'}" for name, split in keys.items()
            )
            yield f"keys: {chosen}, by their names"
