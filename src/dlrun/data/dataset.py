"""The base class of dataset components, and the loaded dataset: arrays by split, and their meaning."""

from __future__ import annotations

import abc
import glob
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from dlrun.component import AbsentKey, Component, FieldProblem
from dlrun.data.array_input import ArrayInput
from dlrun.data.augmentation import Augmentation, RandomChanges
from dlrun.data.division.folds import Fold
from dlrun.data.preprocess import Preprocess
from dlrun.data.raw_input import RawInput
from dlrun.data.splits import Array, Split, arrange, held_out_count, sizes_after
from dlrun.registry import Registry
from dlrun.signature import LAST_VALUE, Description, Features, Target, Transform

_SHOWN_PLACES = 3


@dataclass(frozen=True)
class Dataset:
    """A loaded dataset.

    Args:
        name: Name for people: `digits`, `mnist`, the name of a file.
        features: Features of the model, after `preprocess`.
        target: Target to predict, or None.
        preprocess: Preprocessing from stored examples to features.
        splits: `train`, and `validation` and `test` if they exist.
        fingerprint: Sha256 over the bytes, shapes and data types of every split, in hexadecimal.
        notes: Choices made for the user, with their reasons, one sentence each.
        raw: How raw input becomes stored examples; None for arrays of the same shape and data type as the splits.
        augmentation: Random changes of training examples, or None.
        naive: Naive forecasts of a series by split, in the unit and shape of the target.
        naive_method: Name of these forecasts: the last value, or the value one season before.
        weaker_naive: Naive forecasts with a larger error on the training split, by method and split.
        warnings: Ambiguous content, with the key that resolves it, one sentence each.
        times: Times of the first predicted step by split, for a series with times: int64 seconds since 1970, or floats
            in the unit of the series.
        left_out: Reasons why columns of its files are not features, by name.
        weight: Name of the column of weights of its examples; empty if all count once.
    """

    name: str
    features: Features
    target: Target | None
    preprocess: Preprocess
    splits: Mapping[str, Split]
    fingerprint: str
    notes: tuple[str, ...] = ()
    raw: RawInput | None = None
    augmentation: RandomChanges | None = None
    naive: Mapping[str, Array] = field(default_factory=dict)
    naive_method: str = LAST_VALUE
    weaker_naive: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    times: Mapping[str, Array] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    weight: str = ""

    def describe(self) -> Description:
        """Return the description of the dataset without its examples."""
        sizes = {name: len(split) for name, split in self.splits.items()}
        return Description(self.features, self.target, sizes, self.left_out)

    def with_pixel_range(self) -> Dataset:
        """Return the dataset whose features tell which of them are black and white, if they are those of images."""
        if self.features.kind != "image":
            return self
        found = self.preprocess.pixel_range(self.splits["train"].features)
        return replace(self, features=replace(self.features, pixel_range=found))

    @property
    def names_sha256(self) -> str:
        """The sha256 of the names behind its numbers: classes, columns, categories, vocabulary.

        The fingerprint contains numbers only, and is the same if a category is renamed everywhere.
        """
        names = dict(self.raw.names()) if self.raw is not None else {}
        if self.target is not None:
            names |= {"targets": self.target.names, "classes": self.target.class_names}
        return sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()

    def raw_input(self) -> RawInput:
        """Return how raw input becomes stored examples."""
        if self.raw is not None:
            return self.raw
        features = self.splits["train"].features
        white = self.preprocess.white(features) if self.features.kind == "image" else None
        return ArrayInput(features.shape[1:], str(features.dtype), white)


_PERCENT = re.compile(r"(\d+(?:\.\d*)?)\s*%")


def _check_held_out(value: float | str) -> float | str:
    if isinstance(value, str):
        if (percent := _PERCENT.fullmatch(value)) is not None:
            fraction = {"value": value, "fraction": f"{float(percent[1]) / 100:g}"}
            raise PydanticCustomError(
                "held_out", "{value} is not a valid hold-out: write it as the fraction {fraction}", fraction
            )
        return value
    # The type decides: 1 is one example, but 1.0 is a fraction that would leave nothing to train on.
    if value < 0 or (isinstance(value, float) and value >= 1):
        raise PydanticCustomError(
            "held_out",
            "{value} is not a valid hold-out: give a fraction from 0 to below 1 (0.1), or a whole number of examples "
            "(5000)",
            {"value": value},
        )
    return value


HeldOut = Annotated[float | int, AfterValidator(_check_held_out)]
"""The examples to hold out: a fraction below 1, or a number."""

Resize = tuple[Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)]]
"""Height and width in pixels."""


_FILE = "save the data as a table, as a list of images or as texts, with such a column"
_NO_COLUMNS = AbsentKey("whose examples have no columns", _FILE)


class Source(Component, abc.ABC):
    """A dataset that a spec can name."""

    absent_keys: ClassVar[Mapping[str, AbsentKey]] = {
        "group": _NO_COLUMNS,
        "split": _NO_COLUMNS,
        "weight": _NO_COLUMNS,
    }

    place_keys: ClassVar[tuple[str, ...]] = ()
    """The keys for the place of the data on this machine. The same data may be in another place."""

    path_keys: ClassVar[tuple[str, ...]] = ()
    """The keys among them for a file, a folder or a pattern of files that must exist."""

    reach_keys: ClassVar[tuple[str, ...]] = ()
    """The keys that read files or use the network. They are ignored in the spec of a run from elsewhere."""

    validation: Annotated[float | int | str, AfterValidator(_check_held_out)] = Field(
        default=0,
        description="Training examples to hold out for validation: a fraction (0.1), a number (5000), or the name of a "
        "split to use instead (test). 0: none; the validation split of the data is used, if there is one.",
    )
    test: HeldOut = Field(
        default=0,
        description="Examples to hold out as test split if the data has none: a fraction, or a number. 0: none.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="Seed of random choices about the data, such as which examples are held out. It is separate from "
        "the top-level seed, so that runs with different seeds use the same data.",
    )
    fold: Fold | None = Field(
        default=None,
        description="The part of the examples that is the validation split. The section folds sets it in each of its "
        "runs. null: none.",
    )

    target_transform: Transform = Field(
        default="none",
        description="Transformation of numbers to predict, for targets with heavy tails. Network and loss work with "
        "the transformed, standardized values; predictions, metrics and exports are in the unit of the data. log1p: "
        "log(1 + y), for values above -1 that spread over orders of magnitude · quantile: to a normal distribution by "
        "the quantiles of the training split · none.",
    )

    def plain(self) -> dict[str, Any]:
        """Return the dataset as a spec contains it; without the key `fold` if it is not set."""
        plain = super().plain()
        if self.fold is None:
            # Only the runs of a cross-validation have it, and the identity of any other run stays what it was.
            plain.pop("fold", None)
        return plain

    def places(self) -> tuple[Path, ...]:
        """Return the files and folders that `load` reads. The data is the same as long as none of them changes."""
        plain = self.plain()
        return tuple(place for key in self.place_keys for place in _paths_in(plain[key]))

    def missing_paths(self) -> tuple[str, ...]:
        """Return the keys for a file, a folder or a pattern of files of which nothing exists."""
        given = {key: _paths_in(value) for key, value in self.plain().items() if key in self.path_keys and value}
        return tuple(key for key, paths in given.items() if not any(path.exists() for path in paths))

    def data_label(self, dataset: Dataset) -> str:
        """Return the paths of its data as written in the spec, for messages; the name of the dataset if there are none.

        Args:
            dataset: The loaded dataset.
        """
        plain = self.plain()
        written = [
            str(part)
            for key in self.path_keys
            for part in (plain[key].values() if isinstance(plain[key], Mapping) else (plain[key],))
            if part is not None
        ]
        more = f" and {len(written) - _SHOWN_PLACES} more" if len(written) > _SHOWN_PLACES else ""
        return ", ".join(written[:_SHOWN_PLACES]) + more if written else dataset.name

    def problems(self) -> Iterator[FieldProblem]:
        """Yield the splits that are both given and held out."""
        keys = self.split_keys()
        for split in ("test", "validation"):
            if (key := keys.get(split)) is not None and getattr(self, split):
                yield FieldProblem(
                    (split,), f"{key} gives the {split} split, but {split} is set, too", "only one of them"
                )

    def with_fold(self, fold: Fold) -> Self:
        """Return the dataset whose validation split is a fold."""
        return self.model_copy(update={"fold": fold})

    def check_fold(self) -> None:
        """Check quickly, if the key `fold` is set, that the examples can be divided into so many folds.

        Raises:
            DataError: They cannot, or the data is wrong.
        """

    def fold_problems(self) -> Iterator[FieldProblem]:
        """Yield what contradicts the key `fold`."""
        if self.fold is None:
            return
        if self.fold.index >= self.fold.count:
            what = f"there is no fold {self.fold.index} of {self.fold.count}, counted from 0"
            yield FieldProblem(("fold", "index"), what, f"from 0 to {self.fold.count - 1}")
        key = "validation" if self.validation else self.split_keys().get("validation", "")
        if key:
            what = f"folds give the validation split, but {key} is set, too"
            hint = f"remove the key {key}" + (", or --set dataset.validation=0" if key == "validation" else "")
            yield FieldProblem(tuple(key.split(".")), what, "only one of them", hint)

    def split_keys(self) -> Mapping[str, str]:
        """Return the splits other than `train` that are given by keys, with the key of each."""
        keys = {split: f"{split}_path" for split in ("test", "validation")}
        return {split: key for split, key in keys.items() if getattr(self, key, None)}

    def hold_out(
        self, splits: Mapping[str, Split], *, by_class: bool = False
    ) -> tuple[dict[str, Split], tuple[str, ...]]:
        """Hold out test and validation examples according to the keys; see `arrange`.

        Args:
            splits: Splits of the data: `train`, and any others.
            by_class: Whether the target consists of class indices, to hold out the same proportion of each class.

        Returns:
            `train`, and `validation` and `test` if they exist; and a note on each choice.

        Raises:
            DataError: No examples would be left for training, or the keys do not fit the splits of the data.
        """
        return arrange(
            splits, test=self.test, validation=self.validation, fold=self.fold, seed=self.seed, by_class=by_class
        )

    def sizes(self, examples: Mapping[str, int]) -> dict[str, int]:
        """Return the size of each split after holding out examples.

        Args:
            examples: Size of each split of the data.
        """
        return sizes_after(examples, test=self.test, validation=self.validation, fold=self.fold)

    def test_problems(self, examples: int) -> Iterator[FieldProblem]:
        """Yield the problem of a test split that leaves no examples for training."""
        count = held_out_count(self.test, examples)
        if count >= examples:
            problem = f"{count:,} of {examples:,} examples are held out for the test"
            yield FieldProblem(("test",), problem, f"fewer than {examples:,}", "a fraction, such as 0.2")

    def slicing_problems(self, names: Sequence[str]) -> Iterator[FieldProblem]:
        """Yield the columns that examples cannot be sliced by, each with its index; see `read_slice_values`."""
        what = f"examples of a dataset of type {self.type_name} cannot be sliced by {', '.join(names)}"
        hint = "for images in a list: dlrun eval RUN --data LIST --by COLUMN" if self.type_name == "images" else ""
        yield FieldProblem((), f"{what}: it has no columns", "a dataset of type table, or texts in a file", hint)

    def read_slice_values(self, names: Sequence[str], splits: Mapping[str, Split]) -> Mapping[str, Mapping[str, Array]]:
        """Read columns of the files of the dataset, features or not, for the examples of splits.

        Args:
            names: Names of columns for which `slicing_problems` yields nothing.
            splits: Splits of the loaded dataset.

        Returns:
            For each split the values of each column in the order of its examples: float64 with nan for missing numbers,
            or texts, empty if missing.

        Raises:
            DataError: A file cannot be read, lacks a column, or has changed since the dataset was loaded.
        """
        raise NotImplementedError(f"{self.type_name}: {', '.join(names)} of {', '.join(splits)}")

    @abc.abstractmethod
    def load(self) -> Dataset:
        """Read the data into memory.

        Raises:
            DataError: The data is missing or unreadable, or does not fit the spec.
        """

    def describe(self) -> Description | None:
        """Return what is known within milliseconds, without TensorFlow and without reading all examples, or None."""
        return None

    def check_files(self) -> None:
        """Check quickly that files exist and look valid, if `describe` returns None.

        Raises:
            DataError: A file is missing, of another kind, or damaged at its start.
        """


def _paths_in(value: Any) -> Iterator[Path]:
    """Yield every path in the value of a key, also nested ones; for a pattern, the files that match it."""
    if isinstance(value, str):
        path = Path(value).expanduser()
        # An existing path is never a pattern, because names may contain * or [.
        is_pattern = glob.has_magic(str(path)) and not path.exists()
        fitting = sorted(glob.glob(str(path), recursive=True)) if is_pattern else []  # noqa: PTH207  absolute or not
        yield from map(Path, fitting or [str(path)])
    elif isinstance(value, Mapping | list | tuple):
        for below in value.values() if isinstance(value, Mapping) else value:
            yield from _paths_in(below)


class ImageSource(Source, abc.ABC):
    """A dataset that may contain images."""

    augmentation: Augmentation | None = Field(
        default=None, description="Random changes of training images, which differ in each epoch."
    )


datasets: Registry[Source] = Registry("dataset")
