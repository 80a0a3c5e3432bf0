"""How raw input is read and becomes stored examples: what training has adapted, and a prediction needs again."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.errors import UsageError
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Examples:
    """Some examples, as they were read one after another.

    Args:
        names: What each is called, for people: a file's name, `row 7`.
        stored: As `Split.features` holds them.
        target: As `Split.target` holds it; None if it was not asked for.
        origin: What they were read from, in a form of the reader's own; `RawInput.deployed` knows it.
        left_out: What would be among them and cannot be read, or is read and may not be one, for people; empty:
            nothing.
        unlabelled: How many others were read with them that are not among them, as what is to be predicted is missing;
            with them a block may have no example.
        blank: How many of these have no value to predict from.
        kept: The values of columns that go with the predictions, as text; None for no value.
        naive: What a forecast without a model says, where `target` was asked for; only series have one.

    Shape:
        stored: `(n, *raw_shape)`. target: `(n,)`, or `(n, size)` for several values or labels. naive: `(n, size)`.
    """

    names: Sequence[str]
    stored: Array
    target: Array | None = None
    origin: Any = None
    left_out: str = ""
    unlabelled: int = 0
    blank: int = 0
    kept: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    naive: Array | None = None

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.stored)


class RawInput(abc.ABC):
    """A kind of raw input. A subclass is a frozen dataclass of plain values, kept as JSON beside the run's checkpoints.

    There are two ways from raw input to stored examples, which give the same: `read`, for files and in bulk, and the
    Keras model of `build`, which is what a deployed model begins with.
    """

    type: str

    @abc.abstractmethod
    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read the examples of a file, a folder, a glob, or `-` for standard input, in bounded memory.

        Args:
            source: What the user names.
            at_once: The largest number of examples given at a time.
            target: Also read what is to be predicted; None: it need not be there.

        Raises:
            DataError: It cannot be read, or is not what the model was trained on: names what, expected and found.
        """

    def read_several(self, sources: Sequence[str], *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read several sources, one after another; the names of their examples begin with their source's.

        Raises:
            DataError: As `read`.
        """
        for source in sources:
            for block in self.read(source, at_once=at_once, target=target):
                yield replace(block, names=[f"{source}: {name}" for name in block.names])

    @abc.abstractmethod
    def build(self) -> keras.Model:
        """Make the Keras model from raw input to stored examples, of Keras' preprocessing layers.

        Shape:
            Inputs: by name, as `deployed` gives them. Output: `(batch, *raw_shape)`, in the dtype of stored examples.
        """

    def build_packed(self) -> tuple[keras.Model, Mapping[str, tuple[str, ...]]]:
        """Make the same with inputs that stand for several of `build`, where there may be thousands of those.

        Returns:
            The model, and by the name of each such input the names of those that it takes, joined along the last axis.
        """
        return self.build(), {}

    @abc.abstractmethod
    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """One example as the model of `build` takes it: the value of each of its inputs, with a batch axis of 1."""

    def deployed_several(self, examples: Examples, indices: Sequence[int]) -> Sequence[Mapping[str, Array]]:
        """Some examples, each as `deployed` gives it."""
        return [self.deployed(examples, index) for index in indices]

    def read_as(self, dataset: Any) -> RawInput:  # noqa: ARG002
        """The same with what the keys of the dataset, which may have changed since training, say of reading.

        Args:
            dataset: The `Source` of the run's spec.
        """
        return self

    def keeping(self, columns: Sequence[str]) -> RawInput:
        """The same input, which also gives columns that the model is not asked about.

        Raises:
            UsageError: It has no columns.
        """
        said = f"{', '.join(columns)} cannot be kept: this run does not predict the rows of a table"
        raise UsageError(said, expected="a run on a table, on texts, or on images that a CSV names")

    def columns_of_stored(self) -> Mapping[str, tuple[int, ...]]:
        """The columns that stored examples are made of, with the places of their values on the last axis; or none."""
        return {}

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names behind the stored numbers, by what they name: equal numbers may mean something else.

        Examples: the columns, the categories of a column in the order of their ids, the vocabulary of a text.
        """
        return {}

    def watched(self, blocks: Iterator[Examples], *, tell: Callable[[str], object]) -> Iterator[Examples]:  # noqa: ARG002
        """The same blocks, watched for what training did not have; only some kinds of raw input know what that is.

        Args:
            blocks: As `read` gives them.
            tell: Called with a sentence once the last block has been taken, if there is something to tell.
        """
        return blocks

    def shown(self, stored: Array) -> Mapping[str, str]:  # noqa: ARG002
        """One stored example as people read it: names and values. Empty for what is looked at in other ways.

        Shape:
            stored: `raw_shape`, without a batch axis.
        """
        return {}


def whole(blocks: Iterator[Examples], *, tell: Callable[[str], object] | None) -> Iterator[Examples]:
    """The blocks that have examples, or have had some; what they left out is told as they come.

    Args:
        blocks: One after another.
        tell: Called with a sentence; None: nobody asks.
    """
    for block in blocks:
        if block.left_out and tell is not None:
            tell(block.left_out)
        if len(block) or block.unlabelled:
            yield block


def begun(blocks: Iterator[Examples]) -> Iterator[Examples]:
    """The same blocks, the first of them read at once: what is wrong with a source is told before anything starts.

    Raises:
        DataError: As `RawInput.read`.
    """
    return chain([*islice(blocks, 1)], blocks)


def as_stored(values: Array, *, dtype: str) -> Array:
    """Values in the dtype of stored examples; what is too large for float32 becomes infinite, to be refused as that."""
    with np.errstate(over="ignore"):
        return values.astype(dtype, copy=False)
