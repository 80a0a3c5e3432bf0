"""Folds: divide the examples into parts, each of which is the validation split of one run of a cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dlrun.component import Fields
from dlrun.data.division.grouping import fold_of_groups
from dlrun.errors import DataError

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]

MOST_FOLDS, MOST_REPEATS = 1000, 1000
_LEAST_OF_CLASS = 2
_FIRST_STREAM = 3  # of the first repeat; `splits` has 1 and 2, for the test and the validation split


class Fold(Fields):
    """One of several folds: the examples of this fold are the validation split, and all others are trained on."""

    index: int = Field(ge=0, description="Which fold is the validation split, counted from 0.")
    count: int = Field(ge=2, le=MOST_FOLDS, description="Number of folds.")
    repeat: int = Field(
        default=0, ge=0, description="Which division into folds, counted from 0. Each one is drawn anew from seed."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the divisions.")

    @property
    def label(self) -> str:
        """Text such as `fold 2 of 0 to 4`."""
        repeated = f", repeat {self.repeat}" if self.repeat else ""
        return f"fold {self.index} of 0 to {self.count - 1}{repeated}"


class Folds(Fields):
    """Cross-validation: train one run for each fold, in which the examples of that fold are the validation split."""

    count: int = Field(
        ge=2,
        le=MOST_FOLDS,
        description="Number of folds. Classes are divided evenly, and groups stay together. Test examples are held out "
        "first and are the same for all folds.",
    )
    repeats: int = Field(
        default=1,
        ge=1,
        le=MOST_REPEATS,
        description="Number of times to divide the examples anew. Each takes count runs.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the divisions.")

    @property
    def label(self) -> str:
        """Text such as `5 folds, repeated 2 times: 10 runs`."""
        repeated = f", repeated {self.repeats} times" if self.repeats > 1 else ""
        return f"{self.count} folds{repeated}: {self.count * self.repeats} runs"

    @property
    def folds(self) -> tuple[Fold, ...]:
        """Every fold of every repeat: one run each."""
        return tuple(
            Fold(index=index, count=self.count, repeat=repeat, seed=self.seed)
            for repeat in range(self.repeats)
            for index in range(self.count)
        )


class FoldsError(DataError):
    """The examples cannot be divided into this many folds."""


def fold_size(fold: Fold, total: int) -> int:
    """Return the number of examples in a fold of `total` examples."""
    return total // fold.count + (fold.index < total % fold.count)


def assign_folds(total: int, fold: Fold, *, labels: Array | None = None, groups: Array | None = None) -> Indices:
    """Assign every example to one fold, at random.

    Without groups, the sizes of two folds differ by one example at most, and so does the number of each class in them.

    Args:
        total: Number of examples.
        fold: Any fold of the division: its number of folds, repeat and seed determine the result, and its index does
            not. The divisions of two repeats are independent.
        labels: Class of each example, to give each fold the same proportion of each class; None for no classes.
        groups: Group of each example, to keep the examples of a group in one fold; None for no groups.

    Returns:
        The fold of each example, from 0.

    Raises:
        FoldsError: There are too few examples, groups, or examples of a class.

    Shape:
        labels, groups and result: `(total,)`.
    """
    stream = _FIRST_STREAM + fold.repeat
    if groups is not None:
        return _assign_groups(groups, fold, labels=labels, stream=stream)
    generator = np.random.Generator(np.random.PCG64([fold.seed, stream]))
    coded = np.zeros(total, np.int64) if labels is None else np.unique(labels, return_inverse=True)[1]
    _check_rarest(labels)
    if total < fold.count:
        what = f"{total} examples cannot be divided into {fold.count} folds"
        raise FoldsError(what, expected=f"at most {total} folds")
    # In the order of the classes, shuffled within each class, the examples are dealt out to the folds in turn. Each
    # class then takes consecutive turns, so it is divided as evenly as all examples are.
    shuffled = generator.permutation(total)
    dealt = shuffled[np.argsort(coded[shuffled], kind="stable")]
    assigned = np.empty(total, np.int64)
    assigned[dealt] = np.arange(total) % fold.count
    return assigned


def _assign_groups(groups: Array, fold: Fold, *, labels: Array | None, stream: int) -> Indices:
    try:
        folds = fold_of_groups(groups, fold.count, seed=fold.seed, stream=stream, labels=labels)
    except DataError as error:
        raise FoldsError(error.what, expected=error.expected, hint=error.hint) from error
    # A class whose examples are all in one fold has none to train on in the run of that fold.
    classes = () if labels is None else np.unique(labels)
    alone = [each for each in classes if len(np.unique(folds[labels == each])) == 1]
    if alone:
        what = f"all examples of {len(alone)} of the classes are in a single fold, because their groups stay together"
        raise FoldsError(what, expected="each class in several groups", hint="leave out or join rare classes")
    return folds


def _check_rarest(labels: Array | None) -> None:
    """Refuse a class whose examples are all in one fold: the run of that fold would have none to train on.

    A class may have fewer examples than there are folds. It is then missing in the validation split of some.
    """
    if labels is not None and (np.unique(labels, return_counts=True)[1] < _LEAST_OF_CLASS).any():
        raise FoldsError(
            "the rarest class has 1 of the examples to divide, and the run of its fold would have none to train on",
            expected=f"at least {_LEAST_OF_CLASS} examples of every class",
            hint="leave out or join rare classes",
        )
