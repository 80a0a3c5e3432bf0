"""Small real datasets that are included in the package, so that they need no files or network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from dlrun.component import FieldProblem
from dlrun.data.dataset import Dataset, HeldOut, ImageSource, Resize, datasets
from dlrun.data.preprocess import ArrayPreprocess, measure_columns
from dlrun.data.splits import Split, fingerprint_of
from dlrun.signature import Description, FeatureKind, Features, Target


@dataclass(frozen=True)
class _Embedded:
    """The facts about an embedded file that are known without opening it."""

    kind: FeatureKind
    shape: tuple[int, ...]
    examples: int
    target: Target
    scale: float = 1.0


# Origins, authors and licences: embedded/README.md.
_EMBEDDED = {
    "digits": _Embedded("image", (8, 8, 1), 1797, Target("classes", 10, tuple("0123456789")), scale=1 / 16),
    "wine": _Embedded("vector", (13,), 178, Target("classes", 3, ("class_0", "class_1", "class_2"))),
    "breast_cancer": _Embedded("vector", (30,), 569, Target("classes", 2, ("malignant", "benign"))),
    "diabetes": _Embedded("vector", (10,), 442, Target("values", 1, encoding="value")),
}


@datasets.register("builtin")
class Builtin(ImageSource):
    """A small real dataset that is included in dlrun."""

    name: Literal["digits", "wine", "breast_cancer", "diabetes"] = Field(
        description="digits: 1,797 images of handwritten digits, 8x8, 10 classes · wine: 178 wines, 13 measurements, "
        "3 classes · breast_cancer: 569 tumours, 30 measurements, 2 classes · diabetes: 442 patients, 10 measurements, "
        "a number to predict (25 to 346)."
    )
    test: HeldOut = Field(
        default=0.2, description="Examples to hold out as test split: a fraction, or a number. 0: none."
    )
    resize: Resize | None = Field(
        default=None, description="Height and width in pixels to resize images to: [28, 28]. null: no resizing."
    )
    standardize: bool | None = Field(
        default=None,
        description="Whether to scale each column (each channel of an image) to mean 0 and variance 1, as measured on "
        "the training split. null: true for tables, false for images.",
    )

    def problems(self) -> Iterator[FieldProblem]:
        """Yield the keys that do not fit this dataset."""
        known = _EMBEDDED[self.name]
        if self.resize is not None and known.kind != "image":
            yield FieldProblem(
                ("resize",), f"{self.name} has no images to resize", "null", "remove it, or name: digits"
            )
        yield from self.test_problems(known.examples)

    def describe(self) -> Description:
        """Return the description, which is known without reading the file."""
        known = _EMBEDDED[self.name]
        return Description(self._features(), known.target, self.sizes({"train": known.examples}))

    def check_fold(self) -> None:
        """Divide the examples into folds, for which the small file is read.

        Raises:
            DataError: There are too few examples.
        """
        if self.fold is not None:
            self.load()

    def load(self) -> Dataset:
        """Read the embedded file and hold out test and validation examples.

        Raises:
            DataError: No examples would be left for training.
        """
        known = _EMBEDDED[self.name]
        is_class = known.target.kind == "classes"
        with np.load(Path(__file__).with_name("embedded") / f"{self.name}.npz", allow_pickle=False) as file:
            whole = Split(file["features"], file["target"].astype(np.int32 if is_class else np.float32))
        splits, notes = self.hold_out({"train": whole}, by_class=is_class)
        columns: dict[str, Any] = {}
        if self.standardize or (self.standardize is None and known.kind == "vector"):
            columns["mean"], columns["variance"] = measure_columns(splits["train"].features, scale=known.scale)
            why = "because of the key `standardize`" if self.standardize else "because the columns have different units"
            notes += (f"standardize: mean 0 and variance 1 as measured on the training split, {why}",)
        preprocess = ArrayPreprocess(known.shape, resize=self.resize, scale=known.scale, **columns)
        features = self._features()
        if known.kind == "vector":
            features = replace(features, continuous=preprocess.continuous(splits["train"].features))
        return Dataset(
            self.name,
            features,
            known.target,
            preprocess,
            splits,
            fingerprint_of(splits),
            notes,
            augmentation=self.augmentation,
        )

    def _features(self) -> Features:
        known = _EMBEDDED[self.name]
        shape = known.shape if self.resize is None else (*self.resize, known.shape[-1])
        return Features(known.kind, shape)
