"""The splits of a dataset, and how examples are held out of one for test and validation.

The same seed holds out the same examples; a class target is divided in proportion to its classes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.mapped import drop_pages
from dlrun.errors import DataError
from dlrun.names import nearest

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]

# Each held-out split draws from a stream of its own: another `validation` leaves the test split as it is.
_STREAMS = {"test": 1, "validation": 2}

_BLOCK = 1 << 20
_MOST_INT32 = 2**31  # beyond, row numbers take 8 bytes
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


def held_out_count(value: float, total: int) -> int:
    """How many of `total` examples a held-out fraction or number stands for.

    Formula:
        ceil(fraction total) for a float, where 0.07 means 7/100 and not the nearest binary number; the number itself
        for an int.
    """
    if isinstance(value, int):
        return value
    return math.ceil(Fraction(str(value)) * total)


def sizes_after(examples: Mapping[str, int], *, test: float = 0, validation: float | str = 0) -> dict[str, int]:
    """The size of each split once `arrange` has held out what it is told to; a part that does not fit is left out.

    Args:
        examples: The size of each split that the data brings.
        test: As in `arrange`.
        validation: As in `arrange`.
    """
    sizes = dict(examples)
    if "test" not in sizes:
        _move(sizes, "test", test)
    if isinstance(validation, str):
        if validation in sizes:
            sizes["validation"] = sizes[validation]
    elif validation:
        sizes.pop("validation", None)
        _move(sizes, "validation", validation)
    return sizes


def arrange(
    splits: Mapping[str, Split], *, test: float = 0, validation: float | str = 0, seed: int = 0, by_class: bool = False
) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Hold out test and validation examples of the training split, as far as they are asked for.

    Args:
        splits: What the data brings: `train`, and any others.
        test: Fraction or number of training examples that become the test split.
        validation: Fraction or number of the rest that become the validation split, or the name of a split.
        seed: Of the choice.
        by_class: Whether the target holds class indices; each class is then held out in proportion.

    Returns:
        `train`, and as far as they exist `validation` and `test`; and a note on each choice.

    Raises:
        DataError: Nothing would be left to train on, `test` is asked for though there is one, or no split has the name.
    """
    arranged, notes = dict(splits), []
    if test and "test" in arranged:
        said = f"test: {test} asks for held-out examples, and the data has a test split of its own"
        raise DataError(said, expected="one of them", hint="remove the key `test`")
    if test:
        notes.append(_hold_out_split(arranged, "test", test, seed=seed, by_class=by_class))
    if isinstance(validation, str):
        notes.append(_name_validation(arranged, validation))
    elif validation:
        if arranged.pop("validation", None) is not None:
            notes.append("validation: the data's own validation split is left aside, as examples are held out instead")
        notes.append(_hold_out_split(arranged, "validation", validation, seed=seed, by_class=by_class))
    return {name: arranged[name] for name in ("train", "validation", "test") if name in arranged}, tuple(notes)


def choose_held_out(
    total: int, count: int, *, seed: int, stream: int = 0, labels: npt.NDArray[Any] | None = None
) -> tuple[Indices, Indices]:
    """Choose `count` of `total` examples at random.

    Args:
        total: Number of examples.
        count: Number to hold out, below `total`.
        seed: Of the choice.
        stream: Choices of different streams are independent.
        labels: Class index of each example: every class is then held out in proportion (largest remainder), and one
            with two or more examples keeps at least one.

    Returns:
        The indices that stay and those held out, both ascending.

    Raises:
        DataError: A class would lose its last example.
    """
    generator = np.random.Generator(np.random.PCG64([seed, stream]))
    if labels is None:
        held_out = generator.permutation(total)[:count]
    else:
        classes, sizes = np.unique(labels, return_counts=True)
        quotas = np.array(_quotas(sizes.tolist(), count))
        # One shuffle of everything, then the first of each class: the choice for one class depends on no other's size.
        shuffled = generator.permutation(np.arange(total, dtype=np.int32 if total < _MOST_INT32 else np.int64))
        held_out = _first_of_each(shuffled, labels, classes=classes, quotas=quotas)
    stays = np.ones(total, dtype=bool)
    stays[held_out] = False
    return np.flatnonzero(stays), np.sort(held_out)


def _first_of_each(
    shuffled: npt.NDArray[Any], labels: npt.NDArray[Any], *, classes: npt.NDArray[Any], quotas: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """The first examples of each class, as many as its quota; block by block, as there may be many examples."""
    found, taken = [], np.zeros_like(quotas)
    for start in range(0, len(shuffled), _BLOCK):
        block = shuffled[start : start + _BLOCK]
        of_class = np.searchsorted(classes, labels[block])
        sizes = np.bincount(of_class, minlength=len(classes))
        by_class = np.argsort(of_class, kind="stable")
        turn = np.empty_like(by_class)
        turn[by_class] = np.arange(len(block)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        found.append(block[taken[of_class] + turn < quotas[of_class]])
        taken += sizes
    return np.concatenate(found)


def _quotas(counts: list[int], count: int) -> list[int]:
    """How many of each class make up `count`: in proportion, by the largest remainder."""
    total = sum(counts)
    most = total - sum(size > 1 for size in counts)
    if count > most:
        raise DataError(
            f"{count} of {total} training examples are held out",
            expected=f"at most {most}, so that each of the {len(counts)} classes keeps an example to train on",
        )
    quotas = [size * count // total for size in counts]
    order = sorted(range(len(counts)), key=lambda k: (-(counts[k] * count % total), -counts[k], k))
    # Classes of one example give it up only when the others cannot make up the number.
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
    stays, held_out = choose_held_out(total, count, seed=seed, stream=_STREAMS[name], labels=labels)
    splits["train"], splits[name] = train.take(stays), train.take(held_out)
    how = "stratified by class" if by_class else "at random"
    of_what = "examples" if name == "test" else "training examples"
    return f"{name}: {count:,} of {total:,} {of_what} held out, {how}, seed {seed}"


def _name_validation(splits: dict[str, Split], name: str) -> str:
    if name not in splits:
        near = nearest(name, splits)
        raise DataError(
            f"validation: there is no split {name!r}",
            expected="a fraction, a number, or one of " + ", ".join(splits),
            hint=f"did you mean {near!r}?" if near else "",
        )
    splits["validation"] = splits[name]
    independent = (
        ", so its scores after training are not independent of what was chosen by it" if name == "test" else ""
    )
    return f"validation: the {name} split serves as it{independent}"


def _move(sizes: dict[str, int], name: str, value: float) -> None:
    count = held_out_count(value, sizes["train"]) if value and "train" in sizes else 0
    if 0 < count < sizes.get("train", 0):
        sizes["train"] -= count
        sizes[name] = count
