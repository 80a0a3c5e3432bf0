"""The base class of raw input: how to read it as stored examples, with the statistics of training."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.errors import UsageError
from dlrun.scoring.dependence import ColumnGrid
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Examples:
    """A block of examples.

    Args:
        names: Names of the examples for people: the name of a file, `row 7`.
        stored: Examples in the form of `Split.features`.
        target: Targets in the form of `Split.target`; None if they were not requested.
        origin: The raw values in a form of the reader, for `RawInput.deployed`.
        left_out: A message about skipped or doubtful input; empty if there is none.
        unlabelled: Number of examples that were left out because their target is missing. A block with some may have
            no examples.
        blank: Number of examples whose features are all missing.
        kept: Values of columns to copy to the predictions, as text; None for a missing value.
        naive: Naive forecasts, if `target` was requested; only for series.
        weight: What each example counts in scores, if `target` was requested and the input has a column of weights.
        files: Path of the file for the prediction of each example, if files for predictions were requested.

    Shape:
        stored: `(n, *raw_shape)`. target: `(n,)`, or `(n, size)` for several values or labels. naive: `(n, size)`.
        weight: `(n,)` float32.
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
    weight: Array | None = None
    files: Sequence[str] = ()

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.stored)


class RawInput(abc.ABC):
    """A kind of raw input. A subclass is a frozen dataclass of plain values, saved as JSON with the checkpoints.

    There are two equivalent ways from raw input to stored examples: `read` for files, and the Keras model of `build`,
    with which an exported model starts.
    """

    type: str

    @property
    def reads_weights(self) -> bool:
        """Whether `read` with a target also reads the weights of examples."""
        return False

    @property
    def has_steps(self) -> bool:
        """Whether the examples are windows of a series."""
        return False

    @abc.abstractmethod
    def read(self, source: str, *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read the examples of a file, a folder, a glob, or `-` for standard input, in bounded memory.

        Args:
            source: The source given by the user.
            at_once: Maximum number of examples in a block.
            target: Target to read, too; None to read only features.

        Raises:
            DataError: The source cannot be read, or does not fit the training data.
        """

    def read_several(self, sources: Sequence[str], *, at_once: int, target: Target | None = None) -> Iterator[Examples]:
        """Read several sources one after another. The names of examples start with the name of their source.

        Raises:
            DataError: A source cannot be read, or does not fit the training data.
        """
        for source in sources:
            for block in self.read(source, at_once=at_once, target=target):
                yield replace(block, names=[f"{source}: {name}" for name in block.names])

    @abc.abstractmethod
    def build(self) -> keras.Model:
        """Build the Keras model of preprocessing layers from raw input to stored examples.

        Shape:
            Inputs: by name, as returned by `deployed`. Output: `(batch, *raw_shape)` in the data type of stored
            examples.
        """

    def build_packed(self) -> tuple[keras.Model, Mapping[str, tuple[str, ...]]]:
        """Build the same model with inputs that combine several inputs of `build`, which may be thousands.

        Returns:
            The model, and for each combined input the names of its parts, which are joined along the last axis.
        """
        return self.build(), {}

    @abc.abstractmethod
    def deployed(self, examples: Examples, index: int) -> Mapping[str, Array]:
        """Return one example as the inputs of the model of `build`, by name, with a batch axis of 1."""

    def deployed_several(self, examples: Examples, indices: Sequence[int]) -> Sequence[Mapping[str, Array]]:
        """Return several examples, each as in `deployed`."""
        return [self.deployed(examples, index) for index in indices]

    def read_as(self, dataset: Any) -> RawInput:  # noqa: ARG002
        """Return this input with the keys for reading of a dataset, which may have changed since training.

        Args:
            dataset: The `Source` of the spec.
        """
        return self

    def keeping(self, columns: Sequence[str]) -> RawInput:
        """Return this input with columns to copy to the predictions.

        Raises:
            UsageError: The input has no columns.
        """
        what = f"{', '.join(columns)} cannot be kept: this run does not predict rows of a table"
        raise UsageError(what, expected="a run on a table, on texts, or on images listed in a CSV file")

    def columns_of_stored(self) -> Mapping[str, tuple[int, ...]]:
        """Return the places of each column on the last axis of stored examples; empty if there are no columns."""
        return {}

    def grids_of_stored(self, stored: Array) -> Mapping[str, ColumnGrid]:  # noqa: ARG002
        """Return the values of each column at which to look at predictions; empty if there are no columns.

        Args:
            stored: Stored examples, from which the values are taken. Columns of texts have none.
        """
        return {}

    def names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the names behind the stored numbers, by what they name: equal numbers may mean something else.

        Examples: the columns, the categories of a column in the order of their ids, the vocabulary of a text.
        """
        return {}

    def watched(self, blocks: Iterator[Examples], *, tell: Callable[[str], object]) -> Iterator[Examples]:  # noqa: ARG002
        """Yield the same blocks, and report values that are unknown from training, if this input can detect them.

        Args:
            blocks: Blocks returned by `read`.
            tell: Function that receives a message after the last block if there are unknown values.
        """
        return blocks

    def shown(self, stored: Array) -> Mapping[str, str]:  # noqa: ARG002
        """Return the names and values of a stored example in readable form; empty for images and similar data.

        Shape:
            stored: `raw_shape`, without a batch axis.
        """
        return {}


def whole(blocks: Iterator[Examples], *, tell: Callable[[str], object] | None) -> Iterator[Examples]:
    """Yield the blocks with examples, including left-out ones, and report what was left out.

    Args:
        blocks: Blocks of examples.
        tell: Function that receives messages, or None.
    """
    for block in blocks:
        if block.left_out and tell is not None:
            tell(block.left_out)
        # A block without examples is passed on if it counts some that were left out, which the caller reports.
        if len(block) or block.unlabelled:
            yield block


def begun(blocks: Iterator[Examples]) -> Iterator[Examples]:
    """Return the same blocks, with the first already read, so that problems of a source are reported early.

    Raises:
        DataError: The first block cannot be read.
    """
    return chain([*islice(blocks, 1)], blocks)


def as_stored(values: Array, *, dtype: str) -> Array:
    """Return values in the data type of stored examples. Values too large for float32 become infinite."""
    with np.errstate(over="ignore"):
        return values.astype(dtype, copy=False)
