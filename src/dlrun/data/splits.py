"""The splits of a dataset, and the hold-out of test and validation examples.

The same seed holds out the same examples. Classification data is stratified by class.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.division.folds import Fold, assign_folds, fold_size
from dlrun.data.division.grouping import hold_out_groups
from dlrun.data.mapped import drop_pages
from dlrun.errors import DataError
from dlrun.names import nearest

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]

# Each hold-out has its own random stream, so that changing `validation` does not change the test split.
_STREAMS = {"test": 1, "validation": 2}

_BLOCK = 1 << 20
_MOST_INT32 = 2**31  # from here on, row numbers need 8 bytes
_HASHED_BYTES = 2**24


@dataclass(frozen=True)
class Split:
    """The examples of one split, addressed by index.

    Shape:
        features: `(examples, *raw_shape)` in the stored dtype (uint8 images stay uint8).
        target: `(examples,)` integer class indices or float values, `(examples, values)` for several; None if there is
            none.
        sample_weight: `(examples,)` float32, a factor of the loss of each example alone; or None.
        weight: `(examples,)` float32, what each example counts in losses and metrics; None if all count once.
        origins: `(examples,)` strings: the beginning of the text, or the name of the file; otherwise None.
        lengths: `(examples,)` int32, the number of tokens of each text before truncation; None for other data.
        group: `(examples,)` integers, the same for examples of one group, which no two splits share; None if there are
            no groups. Only the hold-out needs them.
        rows: `(examples,)` integers, the number of each example in the data that it was read from, before any were held
            out: for a table, of its row in the files, counted from 0 through all of them. None for data that is not
            rows of a table, unless the validation split is a fold. It is not part of the fingerprint.
    """

    features: Array
    target: Array | None = None
    sample_weight: Array | None = None
    origins: Array | None = None
    lengths: Array | None = None
    group: Array | None = None
    rows: Array | None = None
    weight: Array | None = None

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.features)

    @property
    def example_weight(self) -> Array | None:
        """What each example counts in a choice by scores: its `weight`, or else its `sample_weight`."""
        return self.sample_weight if self.weight is None else self.weight

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """Return the examples at `indices`, in that order."""
        arrays: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        taken: dict[str, Any] = {name: None if array is None else array[indices] for name, array in arrays.items()}
        return Split(**taken)

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Yield the arrays of numbers with their names."""
        for name in ("features", "target", "sample_weight", "weight"):
            array = getattr(self, name)
            if array is not None:
                yield name, array


def fingerprint_of(splits: Mapping[str, Split]) -> str:
    """Hash every split: equal data in equal splits has the same fingerprint.

    Returns:
        Sha256 over the names, dtypes, shapes and bytes of the arrays of every split, in hexadecimal.
    """
    digest = hashlib.sha256()
    for split_name in sorted(splits):
        for name, array in splits[split_name].arrays():
            # Equal bytes may be different arrays, so the shape and data type are hashed, too.
            digest.update(f"{split_name}/{name} {array.dtype.str} {array.shape}\n".encode())
            # Hash in blocks, so that a memory-mapped array or a view of windows is never copied as a whole.
            rows = max(1, _HASHED_BYTES // max(1, array[:1].nbytes))
            for start in range(0, len(array), rows):
                digest.update(np.ascontiguousarray(array[start : start + rows]).data)
                drop_pages((array,))
    return digest.hexdigest()


def held_out_count(value: float, total: int) -> int:
    """Return the number of examples of a hold-out.

    Formula:
        ceil(fraction total) for a float, where 0.07 is exactly 7/100, not the nearest binary number; the number itself
        for an int.
    """
    if isinstance(value, int):
        return value
    return math.ceil(Fraction(str(value)) * total)


def sizes_after(
    examples: Mapping[str, int], *, test: float = 0, validation: float | str = 0, fold: Fold | None = None
) -> dict[str, int]:
    """Return the size of each split after `arrange`. A hold-out that is too large is ignored.

    Args:
        examples: Size of each split of the data.
        test: Hold-out for the test split, as in `arrange`.
        validation: Hold-out for the validation split, as in `arrange`.
        fold: The fold that is the validation split, as in `arrange`.
    """
    sizes = dict(examples)
    # In the order of `arrange`: a validation fraction refers to what the test split leaves.
    if "test" not in sizes:
        _move(sizes, "test", test)
    if fold is not None:
        sizes.pop("validation", None)
        _move(sizes, "validation", fold_size(fold, sizes.get("train", 0)))
    elif isinstance(validation, str):
        if validation in sizes:
            sizes["validation"] = sizes[validation]
    elif validation:
        sizes.pop("validation", None)
        _move(sizes, "validation", validation)
    return sizes


def arrange(
    splits: Mapping[str, Split],
    *,
    test: float = 0,
    validation: float | str = 0,
    fold: Fold | None = None,
    seed: int = 0,
    by_class: bool = False,
) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Hold out test and validation examples of the training split.

    Args:
        splits: Splits of the data: `train`, and any others.
        test: Fraction or number of training examples for the test split.
        validation: Fraction or number of the remaining examples for the validation split, or the name of a split.
        fold: The fold of the remaining examples that is the validation split, instead of `validation`.
        seed: Seed of the choice.
        by_class: Whether the target consists of class indices, to hold out the same proportion of each class.

    Returns:
        `train`, and `validation` and `test` if they exist; and a note on each choice.

    Raises:
        DataError: No examples would be left for training, `test` is given but the data has a test split, there is no
            split with the given name, or all weights of a split are 0.
    """
    arranged, notes = dict(splits), []
    if fold is not None:  # before any example is held out, so that the positions are those in the data
        arranged["train"] = replace(splits["train"], rows=np.arange(len(splits["train"])))
    if test and "test" in arranged:
        what = f"test: {test} would hold out examples, but the data already has a test split"
        raise DataError(what, expected="only one of them", hint="remove the key `test`")
    if test:
        notes.append(_hold_out_split(arranged, "test", test, seed=seed, by_class=by_class))
    if (validation or fold is not None) and not isinstance(validation, str) and "validation" in arranged:
        del arranged["validation"]
        notes.append("validation: the validation split of the data is ignored, because examples are held out instead")
    if fold is not None:
        notes.append(_hold_out_fold(arranged, fold, by_class=by_class))
    elif isinstance(validation, str):
        notes.append(_name_validation(arranged, validation))
    elif validation:
        notes.append(_hold_out_split(arranged, "validation", validation, seed=seed, by_class=by_class))
    for name, split in arranged.items():
        if split.weight is not None and not split.weight.any():
            what = f"the weights of all {len(split):,} examples of the {name} split are 0"
            raise DataError(what, expected="a weight above 0", hint="without weights (no key weight) all count once")
    return {name: arranged[name] for name in ("train", "validation", "test") if name in arranged}, tuple(notes)


def choose_held_out(
    total: int, count: int, *, seed: int, stream: int = 0, labels: npt.NDArray[Any] | None = None
) -> tuple[Indices, Indices]:
    """Choose `count` of `total` examples at random.

    Args:
        total: Number of examples.
        count: Number of examples to hold out, less than `total`.
        seed: Seed of the choice.
        stream: Number of the random stream. Choices of different streams are independent.
        labels: Class index of each example, for stratification by the largest remainder method. A class with two or
            more examples keeps at least one.

    Returns:
        The remaining indices and the held-out indices, both ascending.

    Raises:
        DataError: A class would lose its last example.
    """
    generator = np.random.Generator(np.random.PCG64([seed, stream]))
    if labels is None:
        held_out = generator.permutation(total)[:count]
    else:
        classes, sizes = np.unique(labels, return_counts=True)
        quotas = np.array(_quotas(sizes.tolist(), count))
        # Shuffle everything once and take the first of each class, so that classes do not influence each other.
        shuffled = generator.permutation(np.arange(total, dtype=np.int32 if total < _MOST_INT32 else np.int64))
        held_out = _first_of_each(shuffled, labels, classes=classes, quotas=quotas)
    stays = np.ones(total, dtype=bool)
    stays[held_out] = False
    return np.flatnonzero(stays), np.sort(held_out)


def _first_of_each(
    shuffled: npt.NDArray[Any], labels: npt.NDArray[Any], *, classes: npt.NDArray[Any], quotas: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Return the first examples of each class up to its quota, in blocks to limit memory."""
    found, taken = [], np.zeros_like(quotas)
    for start in range(0, len(shuffled), _BLOCK):
        block = shuffled[start : start + _BLOCK]
        of_class = np.searchsorted(classes, labels[block])
        sizes = np.bincount(of_class, minlength=len(classes))
        by_class = np.argsort(of_class, kind="stable")
        # The position of each example among those of its class in this block; the stable sort keeps the shuffled order.
        turn = np.empty_like(by_class)
        turn[by_class] = np.arange(len(block)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        found.append(block[taken[of_class] + turn < quotas[of_class]])
        taken += sizes
    return np.concatenate(found)


def _quotas(counts: list[int], count: int) -> list[int]:
    """Return the number of examples of each class that add up to `count`, by the largest remainder method."""
    total = sum(counts)
    most = total - sum(size > 1 for size in counts)
    if count > most:
        raise DataError(
            f"{count} of {total} training examples are held out",
            expected=f"at most {most}, so that each of the {len(counts)} classes keeps an example to train on",
        )
    quotas = [size * count // total for size in counts]
    # Remainders of whole numbers are exact, so that ties are the same on every machine.
    order = sorted(range(len(counts)), key=lambda k: (-(counts[k] * count % total), -counts[k], k))
    # Take the only example of a class only if the other classes do not have enough.
    for spare in (1, 0):
        while sum(quotas) < count:
            open_classes = [k for k in order if quotas[k] < counts[k] - (spare or counts[k] > 1)]
            if not open_classes:
                break
            for k in open_classes[: count - sum(quotas)]:
                quotas[k] += 1
    return quotas


def _hold_out_split(splits: dict[str, Split], name: str, value: float, *, seed: int, by_class: bool) -> str:
    train = splits["train"]
    total, count = len(train), held_out_count(value, len(train))
    if count >= total:
        raise DataError(
            f"{name}: {value} holds out {count:,} of {total:,} training examples",
            expected=f"fewer than {total:,}, so that some examples are left for training",
            hint=f"a fraction, such as {name}: 0.1",
        )
    labels = train.target if by_class else None
    how = "stratified by class" if by_class else "at random"
    of_what = "examples" if name == "test" else "training examples"
    if train.group is None:
        stays, held_out = choose_held_out(total, count, seed=seed, stream=_STREAMS[name], labels=labels)
        found = f"{count:,} of {total:,} {of_what}"
    else:
        stays, held_out = hold_out_groups(train.group, count, seed=seed, stream=_STREAMS[name], labels=labels)
        asked = "" if len(held_out) == count else f" ({count:,} asked for)"
        groups = len(np.unique(train.group[held_out]))
        found = f"{len(held_out):,} of {total:,} {of_what} in {groups:,} whole group{'s' if groups > 1 else ''}{asked}"
    splits["train"], splits[name] = train.take(stays), train.take(held_out)
    return f"{name}: {found} held out, {how}, seed {seed}"


def _hold_out_fold(splits: dict[str, Split], fold: Fold, *, by_class: bool) -> str:
    train = splits["train"]
    labels = train.target if by_class else None
    is_held_out = assign_folds(len(train), fold, labels=labels, groups=train.group) == fold.index
    stays, held_out = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    splits["train"], splits["validation"] = train.take(stays), train.take(held_out)
    how = "stratified by class" if by_class else "at random"
    how = how if train.group is None else f"in whole groups, {how}"
    return f"validation: {fold.label}, {len(held_out):,} of {len(train):,} examples, {how}, seed {fold.seed}"


def _name_validation(splits: dict[str, Split], name: str) -> str:
    if name not in splits:
        near = nearest(name, splits)
        raise DataError(
            f"validation: there is no split {name!r}",
            expected="a fraction, a number, or one of " + ", ".join(splits),
            hint=f"did you mean {near!r}?" if near else "",
        )
    splits["validation"] = splits[name]
    independent = ", so test scores are not independent of choices made by validation" if name == "test" else ""
    return f"validation: the {name} split is used{independent}"


def _move(sizes: dict[str, int], name: str, value: float) -> None:
    count = held_out_count(value, sizes["train"]) if value and "train" in sizes else 0
    if 0 < count < sizes.get("train", 0):
        sizes["train"] -= count
        sizes[name] = count
