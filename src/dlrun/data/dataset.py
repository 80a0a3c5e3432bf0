"""The base of every dataset component, and what loading one returns: arrays by split, and what they mean."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dlrun.component import Component
from dlrun.data.preprocess import Preprocess
from dlrun.registry import Registry
from dlrun.signature import Description, Features, Target

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Split:
    """The examples of one split, addressed by index.

    Shape:
        features: `(examples, *raw_shape)` in the stored dtype (uint8 images stay uint8).
        target: `(examples,)` integer class indices or float values, `(examples, values)` for several; None if there is none.
        sample_weight: `(examples,)` float32, or None.
    """

    features: Array
    target: Array | None = None
    sample_weight: Array | None = None

    def __len__(self) -> int:
        return len(self.features)


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
    """

    name: str
    features: Features
    target: Target | None
    preprocess: Preprocess
    splits: Mapping[str, Split]
    fingerprint: str
    notes: tuple[str, ...] = ()


class Source(Component, abc.ABC):
    """A dataset that a spec can name."""

    validation: float | int | str = Field(
        default=0,
        description="Training examples held out for validation: a fraction (0.1), a number (5000), or the name of a split "
        "that serves as it (test). 0: none.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="Seed of what is random about the data (which examples are held out, what is generated). Apart from "
        "the top-level seed, so that runs of several seeds see the same data.",
    )

    @abc.abstractmethod
    def load(self) -> Dataset:
        """Read the data into memory.

        Raises:
            DataError: It is missing, unreadable or not what the spec says.
        """

    def describe(self) -> Description | None:
        """What can be known in milliseconds, without TensorFlow and without reading the examples; None if nothing."""
        return None


datasets: Registry[Source] = Registry("dataset")
