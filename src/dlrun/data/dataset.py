"""The base of every dataset component, and what loading one returns: arrays by split, and what they mean."""

from __future__ import annotations

import abc
import glob
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from dlrun.component import Component, FieldProblem
from dlrun.data.array_input import ArrayInput
from dlrun.data.augmentation import Augmentation
from dlrun.data.preprocess import Preprocess
from dlrun.data.raw_input import RawInput
from dlrun.data.splits import Array, Split, arrange, held_out_count, sizes_after
from dlrun.registry import Registry
from dlrun.signature import Description, Features, Target

_SHOWN_PLACES = 3


@dataclass(frozen=True)
class Dataset:
    """Data in memory and its meaning.

    Args:
        name: For people: `digits`, `mnist`, a file's name.
        features: What the model gets, after `preprocess`.
        target: What the data has to predict, or None.
        preprocess: What turns a raw example into `features`.
        splits: `train`, and where they exist `validation` and `test`.
        fingerprint: sha256 over the bytes, shapes and dtypes of every split, in hexadecimal.
        notes: The choices made for the user, with their reasons, one sentence each.
        raw: How raw input becomes stored examples; None: it is arrays of the splits' own shape and dtype.
        augmentation: What training changes about its examples at random, or None.
        naive: By split, what a forecast without a model would be (the last value), in the target's own unit and shape.
        warnings: What may have been read in another way than it was meant, and what would say so; a sentence each.
        times: By split, of a series that has times, when the first predicted step is: int64 seconds since 1970, or
            floats in the unit of the series.
        left_out: Why a column of its files is no feature, by name.
    """

    name: str
    features: Features
    target: Target | None
    preprocess: Preprocess
    splits: Mapping[str, Split]
    fingerprint: str
    notes: tuple[str, ...] = ()
    raw: RawInput | None = None
    augmentation: Augmentation | None = None
    naive: Mapping[str, Array] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    times: Mapping[str, Array] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> Description:
        """What can be said of it without its examples."""
        sizes = {name: len(split) for name, split in self.splits.items()}
        return Description(self.features, self.target, sizes, self.left_out)

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
        """How raw input becomes stored examples."""
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
                "held_out", "{value} is not a part to hold out: as a fraction it is {fraction}", fraction
            )
        return value
    if value < 0 or (isinstance(value, float) and value >= 1):
        raise PydanticCustomError(
            "held_out",
            "{value} is not a part to hold out: a fraction is at least 0 and below 1 (0.1), a number of examples is a "
            "whole number (5000)",
            {"value": value},
        )
    return value


HeldOut = Annotated[float | int, AfterValidator(_check_held_out)]
"""How many examples to hold out: a fraction below 1, or a number."""

Resize = tuple[Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)]]
"""Height and width in pixels."""


class Source(Component, abc.ABC):
    """A dataset that a spec can name."""

    place_keys: ClassVar[tuple[str, ...]] = ()
    """The keys that say where the data lies on this machine: another place is no other data."""

    path_keys: ClassVar[tuple[str, ...]] = ()
    """Of these the ones that name a file, a folder or a pattern of files that has to be there."""

    reach_keys: ClassVar[tuple[str, ...]] = ()
    """The keys by which it reads files of the user's choice or uses the network: not taken from a stranger's spec."""

    validation: Annotated[float | int | str, AfterValidator(_check_held_out)] = Field(
        default=0,
        description="Training examples held out for validation: a fraction (0.1), a number (5000), or the name of a "
        "split that serves as it (test). 0: none is held out; a validation split that the data brings along is used.",
    )
    test: HeldOut = Field(
        default=0,
        description="Examples held out for the test when the data brings no test split: a fraction, or a number. "
        "0: none.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="Seed of what is random about the data (which examples are held out, what is generated). Apart "
        "from the top-level seed, so that runs of several seeds see the same data.",
    )

    def places(self) -> tuple[Path, ...]:
        """The files and folders that `load` reads: as long as none of their files changes, the data is the same."""
        plain = self.plain()
        return tuple(place for key in self.place_keys for place in _paths_in(plain[key]))

    def data_label(self, dataset: Dataset) -> str:
        """Return what to call its data in a message: the paths as they are written, or the name if there are none.

        Args:
            dataset: What it has loaded.
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
        """Splits that are named and held out too."""
        keys = self.split_keys()
        for split in ("test", "validation"):
            if (key := keys.get(split)) is not None and getattr(self, split):
                yield FieldProblem((split,), f"{key} names the {split} split, and {split} is set too", "one of them")

    def split_keys(self) -> Mapping[str, str]:
        """The splits besides `train` that keys name, with the key of each."""
        keys = {split: f"{split}_path" for split in ("test", "validation")}
        return {split: key for split, key in keys.items() if getattr(self, key, None)}

    def hold_out(
        self, splits: Mapping[str, Split], *, by_class: bool = False
    ) -> tuple[dict[str, Split], tuple[str, ...]]:
        """Hold out test and validation examples of what was loaded, as the keys say; see `arrange`.

        Args:
            splits: What the data brings: `train`, and any others.
            by_class: Whether the target holds class indices; each class is then held out in proportion.

        Returns:
            `train`, and as far as they exist `validation` and `test`; and a note on each choice.

        Raises:
            DataError: Nothing would be left to train on, or the keys do not fit what the data brings.
        """
        return arrange(splits, test=self.test, validation=self.validation, seed=self.seed, by_class=by_class)

    def sizes(self, examples: Mapping[str, int]) -> dict[str, int]:
        """The size of each split once examples are held out.

        Args:
            examples: The size of each split that the data brings.
        """
        return sizes_after(examples, test=self.test, validation=self.validation)

    def test_problems(self, examples: int) -> Iterator[FieldProblem]:
        """A test split that leaves nothing of a known number of examples."""
        count = held_out_count(self.test, examples)
        if count >= examples:
            problem = f"{count:,} of {examples:,} examples are held out for the test"
            yield FieldProblem(("test",), problem, f"fewer than {examples:,}", "a fraction, such as 0.2")

    @abc.abstractmethod
    def load(self) -> Dataset:
        """Read the data into memory.

        Raises:
            DataError: It is missing, unreadable or not what the spec says.
        """

    def describe(self) -> Description | None:
        """What can be known in milliseconds, without TensorFlow and without reading the examples; None if nothing."""
        return None

    def check_files(self) -> None:
        """Look at the files of data that `describe` knows nothing of, as far as that takes no time.

        Raises:
            DataError: One is missing, is of another kind, or is damaged where its beginning shows it.
        """


def _paths_in(value: Any) -> Iterator[Path]:
    """Yield every path in a key's value, however deep; for a pattern the files that match it, if there are any."""
    if isinstance(value, str):
        path = Path(value).expanduser()
        is_pattern = glob.has_magic(str(path)) and not path.exists()
        fitting = sorted(glob.glob(str(path), recursive=True)) if is_pattern else []  # noqa: PTH207  absolute or not
        yield from map(Path, fitting or [str(path)])
    elif isinstance(value, Mapping | list | tuple):
        for below in value.values() if isinstance(value, Mapping) else value:
            yield from _paths_in(below)


class ImageSource(Source, abc.ABC):
    """A dataset that may hold images."""

    augmentation: Augmentation | None = Field(
        default=None, description="What training changes about its images at random, drawn anew in each epoch."
    )


datasets: Registry[Source] = Registry("dataset")
