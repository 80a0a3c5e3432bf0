"""The dataset of a tensorflow-datasets set with a class label, which is downloaded unless it is already prepared."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from dlrun.component import AbsentKey
from dlrun.data.columns import ColumnKeys
from dlrun.data.dataset import Dataset, ImageSource, Resize, datasets
from dlrun.data.preprocess import ArrayPreprocess, measure_columns
from dlrun.data.splits import Split, fingerprint_of
from dlrun.data.text.keys import TextKeys
from dlrun.data.text.vectorize import numbered, vectorize
from dlrun.data.tfds.decode import decoded
from dlrun.data.tfds.download import absent, download
from dlrun.data.tfds.folder import Prepared, SetName, data_folder, find_prepared, known_set, read_prepared
from dlrun.data.tfds.tables import load_table
from dlrun.data.tfds.texts import read_texts, reading_of
from dlrun.errors import DataError
from dlrun.signature import Description, FeatureKind, Features, Target
from dlrun.system.paths import FROM_WHERE

_NAME = re.compile(r"\w+(/[\w.\-]+)?(:[\d.*]+)?")
_SCALES = {"uint8": 1 / 255, "uint16": 1 / 65535}


def is_set_name(name: str) -> bool:
    """Return whether a name has a valid form: name, name/config, name:version or name/config:version."""
    return _NAME.fullmatch(name) is not None


def _check_name(name: str) -> str:
    if not is_set_name(name):
        raise PydanticCustomError(
            "tfds_name",
            "{name} is not a name in tensorflow-datasets: name, name/config, name:version or name/config:version; "
            "other collections (huggingface:...) are not supported",
            {"name": repr(name)},
        )
    return name


@datasets.register("tfds")
class Tfds(ImageSource):
    """An image, text, table or array dataset of tensorflow-datasets with a class label."""

    absent_keys: ClassVar[Mapping[str, AbsentKey]] = {
        **ImageSource.absent_keys,
        "split": AbsentKey("which has splits of its own", "validation: NAME takes one of them"),
    }

    name: Annotated[str, AfterValidator(_check_name)] = Field(
        description="Name in tensorflow-datasets, optionally with a config and a version: mnist, emnist/letters, "
        "mnist:3.0.1.",
    )
    place_keys = ("data_dir", "download")
    reach_keys = ("data_dir", "download")

    data_dir: str | None = Field(
        default=None,
        description=f"Folder of prepared datasets. {FROM_WHERE} null: the environment variable TFDS_DATA_DIR, or else "
        "~/tensorflow_datasets.",
    )
    download: bool = Field(default=True, description="Whether to download a set that is not prepared there.")
    features: str | None = Field(
        default=None,
        description="Name of the feature to learn from. null: the input of the set, or else the first image, text or "
        "array.",
    )
    label: str | None = Field(
        default=None,
        description="Name of the class label to predict. null: the output of the set, or else its only class label.",
    )
    resize: Resize | None = Field(
        default=None,
        description="Height and width in pixels to resize images to: [64, 64]; required if their sizes differ. null: "
        "no resizing.",
    )
    standardize: bool = Field(
        default=False,
        description="Whether to scale each column (each channel of an image) to mean 0 and variance 1, as measured on "
        "the training split.",
    )
    text: TextKeys | None = Field(
        default=None, description="For a set of texts: how to convert texts to token ids. null: the defaults."
    )

    table: ColumnKeys | None = Field(
        default=None,
        description="For a set of single values: how to read them as the columns of a table. null: the defaults.",
    )

    def places(self) -> tuple[Path, ...]:
        """Return the prepared folder, or its parent if it does not exist yet."""
        folder = data_folder(self.data_dir)
        return (find_prepared(folder, SetName.parse(self.name)) or folder / SetName.parse(self.name).name,)

    def describe(self) -> Description | None:
        """Return the description from the JSON files of the prepared folder, or from the name of a known set."""
        try:
            prepared = self._find()
        except DataError:  # load() raises it: the data is wrong, not the spec
            return None
        if prepared is None and not self.download:
            return None  # check_files() raises it
        if prepared is not None and prepared.features.columns:
            return None  # the features depend on the values
        if prepared is not None:
            features = self._features(prepared.features.kind, prepared.features.shape)
            target = Target("classes", prepared.label.num_classes, prepared.label.class_names)
            examples = {name: split.examples for name, split in prepared.splits.items()}
        elif (known := known_set(SetName.parse(self.name))) and self.features is None and self.label is None:
            features = self._features("image" if len(known.shape) > 1 else "vector", known.shape)
            target, examples = Target("classes", known.num_classes), dict(known.examples)
        else:
            return None
        return Description(features, target, self.sizes(examples)) if features else None

    def check_files(self) -> None:
        """Check the prepared folder; if downloads are allowed, it may be missing.

        Raises:
            DataError: The folder is missing or damaged.
        """
        if self._find() is None and not self.download:
            raise absent(self.name, data_folder(self.data_dir), "`download` is false", instead=self._instead())

    def load(self) -> Dataset:
        """Read the prepared set, and download it first if it is missing.

        Raises:
            DataError: The set is missing and cannot be downloaded, is damaged, has no class label, or has images of
                different sizes without `resize`.
        """
        prepared = self._find() or self._download()
        if prepared.features.columns:
            return self._load_table(prepared)
        if prepared.features.kind == "tokens":
            return self._load_texts(prepared)
        whole, notes = self._read(prepared)
        splits, held_out = self.hold_out(whole, by_class=True)
        feature = prepared.features
        at_reading = None in feature.shape
        raw_shape = splits["train"].features.shape[1:]
        steps: dict[str, Any] = {"resize": None if at_reading else self.resize}
        steps["scale"] = _SCALES.get(feature.dtype, 1.0) if feature.kind == "image" else 1.0
        if self.standardize:
            steps["mean"], steps["variance"] = measure_columns(splits["train"].features, scale=steps["scale"])
        if at_reading:
            notes += (
                f"resize: images of different sizes were resized to {self.resize} when they were read (bilinear)",
            )
        shape = raw_shape if steps["resize"] is None else (*steps["resize"], raw_shape[-1])
        return Dataset(
            prepared.name,
            Features(feature.kind, shape),
            Target("classes", prepared.label.num_classes, prepared.label.class_names),
            ArrayPreprocess(raw_shape, **steps),
            splits,
            fingerprint_of(splits),
            (f"{prepared.name} {prepared.version}, as prepared in {prepared.folder}", *notes, *held_out),
            augmentation=self.augmentation,
        )

    def _find(self) -> Prepared | None:
        folder = find_prepared(data_folder(self.data_dir), SetName.parse(self.name))
        return read_prepared(folder, features=self.features, label=self.label) if folder else None

    def _download(self) -> Prepared:
        data_dir = data_folder(self.data_dir)
        if not self.download:
            raise absent(self.name, data_dir, "`download` is false", instead=self._instead())
        folder = download(self.name, data_dir, instead=self._instead())
        return read_prepared(folder, features=self.features, label=self.label)

    def _wanted(self, prepared: Prepared) -> list[str]:
        """Return the names of the splits to read."""
        is_held_out = self.fold is not None or (self.validation and not isinstance(self.validation, str))
        validation = self.validation if isinstance(self.validation, str) else "" if is_held_out else "validation"
        wanted = [name for name in dict.fromkeys(("train", "test", validation)) if name in prepared.splits]
        if "train" not in wanted:
            raise DataError(
                f"the tensorflow-datasets set {prepared.name!r} has no split train: {', '.join(prepared.splits)}",
                expected="a set with examples to train on",
            )
        return wanted

    def _load_table(self, prepared: Prepared) -> Dataset:
        for key in ("resize", "standardize", "text"):
            if getattr(self, key):
                expected = "false" if key == "standardize" else "null"
                raise DataError(f"{key}: {prepared.name} is a table", expected=expected, hint="the keys under `table`")
        held_out = {"test": self.test, "validation": self.validation, "seed": self.seed, "fold": self.fold}
        return load_table(prepared, self._wanted(prepared), keys=self.table or ColumnKeys(), held_out=held_out)

    def _load_texts(self, prepared: Prepared) -> Dataset:
        for key in ("resize", "standardize"):
            if getattr(self, key):
                raise DataError(
                    f"{key}: {prepared.name} is a set of texts", expected="null" if key == "resize" else "false"
                )
        corpora, found = read_texts(prepared, self._wanted(prepared))
        labelled, notes = _labelled(found, prepared, ())
        corpora = {name: corpora[name] for name in labelled}
        targets = {name: split.features for name, split in labelled.items()}
        splits, held_out = self.hold_out(numbered(targets), by_class=True)
        made = vectorize(corpora, splits, keys=self.text or TextKeys(), reading=reading_of(prepared))
        return Dataset(
            prepared.name,
            made.features,
            Target("classes", prepared.label.num_classes, prepared.label.class_names),
            made.preprocess,
            made.splits,
            fingerprint_of(made.splits),
            (f"{prepared.name} {prepared.version}, as prepared in {prepared.folder}", *notes, *held_out, *made.notes),
            raw=made.raw,
        )

    def _read(self, prepared: Prepared) -> tuple[dict[str, Split], tuple[str, ...]]:
        wanted = self._wanted(prepared)
        if self.text is not None:
            raise DataError(
                f"text: {prepared.name} has no texts; its kind is {prepared.features.kind}", expected="null"
            )
        if self.resize is not None and prepared.features.kind != "image":
            raise DataError(
                f"resize: {prepared.name} has no images; its kind is {prepared.features.kind}", expected="null"
            )
        resize = self.resize if None in prepared.features.shape else None
        arrays, notes = decoded(prepared, wanted, resize=resize)
        splits = {name: Split(arrays[f"{name}.features"], arrays[f"{name}.label"]) for name in wanted}
        return _labelled(splits, prepared, notes)

    def _features(self, kind: FeatureKind, stored: tuple[int | None, ...]) -> Features | None:
        """Return the features of the model; None if they depend on the sizes of images or the lengths of texts."""
        if kind == "tokens":
            keys = self.text or TextKeys()
            if keys.sequence_length == "auto":
                return None if keys.output_mode == "int" else keys.features(0)
            return keys.features(keys.sequence_length)
        shape = stored if self.resize is None or kind != "image" else (*self.resize, stored[-1])
        known = tuple(size for size in shape if size is not None)
        return Features(kind, known) if len(known) == len(shape) else None

    def _instead(self) -> str:
        """Return the `--set` option that runs the same model now, on built-in data of the same shape."""
        known = known_set(SetName.parse(self.name))
        validation: float | str = self.validation
        if isinstance(validation, int) and validation > 0:
            # The built-in data may have fewer examples than this number, so it becomes a fraction.
            total = known.examples["train"] if known else 0
            validation = math.ceil(100 * validation / total) / 100 if total > validation else 0.1
        if isinstance(validation, str):
            # The built-in data has no other split that can be named: its test split is held out.
            validation = "test"
        kept = f", validation: {validation}" if validation else ""
        if known and len(known.shape) == 1:
            return (
                f"--set 'dataset={{type: builtin, name: wine{kept}}}' runs the same model now on the built-in wine data"
            )
        height, width = self.resize or (known.shape[:2] if known else (28, 28))
        return (
            f"--set 'dataset={{type: builtin, name: digits, resize: [{height}, {width}]{kept}}}' "
            "runs the same model now on the built-in digits"
        )


def _labelled(
    splits: dict[str, Split], prepared: Prepared, notes: tuple[str, ...]
) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Return the splits whose examples all have a class. Some sets mark examples without a class by -1."""
    kept: dict[str, Split] = {}
    for name, split in splits.items():
        labels = np.asarray(split.target, np.int32)
        outside = (labels < 0) | (labels >= prepared.label.num_classes)
        if not outside.any():
            kept[name] = split
        elif name == "train":
            row = int(np.argmax(outside))
            raise DataError(
                f"{prepared.name}: example {row} of the split {name} has the label {labels[row]}",
                expected=f"a class from 0 to {prepared.label.num_classes - 1}",
            )
        else:
            notes += (f"{name}: left out, because {int(outside.sum()):,} of its {len(split):,} examples have no label",)
    return kept, notes
