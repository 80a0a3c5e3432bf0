"""The base of every dataset component, and what loading one returns: arrays by split, and what they mean."""

from __future__ import annotations

import abc
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from dlrun.component import Component
from dlrun.data.array_input import ArrayInput
from dlrun.data.augmentation import Augmentation
from dlrun.data.mapped import drop_pages
from dlrun.data.places import places_in
from dlrun.data.preprocess import Preprocess
from dlrun.data.raw_input import RawInput
from dlrun.registry import Registry
from dlrun.signature import Description, Features, Target

Array = npt.NDArray[Any]

_HASHED_BYTES = 2**24


@dataclass(frozen=True)
class Split:
    """The examples of one split, addressed by index.

    Shape:
        features: `(examples, *raw_shape)` in the stored dtype (uint8 images stay uint8).
        target: `(examples,)` integer class indices or float values, `(examples, values)` for several; None if there is
            none.
        sample_weight: `(examples,)` float32, or None.
        origins: `(examples,)` strings: the beginning of the text, or the name of the file; None where there is nothing
            to tell.
        lengths: `(examples,)` int32, of texts: the tokens of each, before it is cut off; None of everything else.
    """

    features: Array
    target: Array | None = None
    sample_weight: Array | None = None
    origins: Array | None = None
    lengths: Array | None = None

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.features)

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """The examples at `indices`, in that order."""
        target = None if self.target is None else self.target[indices]
        weight = None if self.sample_weight is None else self.sample_weight[indices]
        origins = None if self.origins is None else self.origins[indices]
        lengths = None if self.lengths is None else self.lengths[indices]
        return Split(self.features[indices], target, weight, origins, lengths)

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """The arrays of numbers that there are, with their names."""
        for name in ("features", "target", "sample_weight"):
            array = getattr(self, name)
            if array is not None:
                yield name, array


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

    def raw_input(self) -> RawInput:
        """How raw input becomes stored examples."""
        if self.raw is not None:
            return self.raw
        features = self.splits["train"].features
        white = self.preprocess.white(features) if self.features.kind == "image" else None
        return ArrayInput(features.shape[1:], str(features.dtype), white)


def fingerprint_of(splits: Mapping[str, Split]) -> str:
    """Hash every split: equal data, equally divided, has an equal fingerprint.

    Returns:
        sha256 over the names, dtypes, shapes and bytes of the arrays of every split, in hexadecimal.
    """
    digest = hashlib.sha256()
    for split_name in sorted(splits):
        for name, array in splits[split_name].arrays():
            digest.update(f"{split_name}/{name} {array.dtype.str} {array.shape}\n".encode())
            # Block by block: a memory-mapped array, or a view of windows, is never copied as a whole.
            rows = max(1, _HASHED_BYTES // max(1, array[:1].nbytes))
            for start in range(0, len(array), rows):
                digest.update(np.ascontiguousarray(array[start : start + rows]).data)
                drop_pages((array,))
    return digest.hexdigest()


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
    seed: int = Field(
        default=0,
        ge=0,
        description="Seed of what is random about the data (which examples are held out, what is generated). Apart "
        "from the top-level seed, so that runs of several seeds see the same data.",
    )

    def places(self) -> tuple[Path, ...]:
        """The files and folders that `load` reads: as long as none of their files changes, the data is the same."""
        plain = self.plain()
        return tuple(place for key in self.place_keys for place in places_in(plain[key]))

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


class ImageSource(Source, abc.ABC):
    """A dataset that may hold images."""

    augmentation: Augmentation | None = Field(
        default=None, description="What training changes about its images at random, drawn anew in each epoch."
    )


datasets: Registry[Source] = Registry("dataset")
