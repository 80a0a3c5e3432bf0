"""Choose whole groups of examples, for a hold-out or for folds, so that no group is on two sides.

A group is what belongs together: the visits of a patient, the pictures of a place. A model that was trained on one part
of a group knows the other part already, and its scores would promise too much for a new group.

The choice is greedy, because the exact one is a knapsack problem. Sizes and shares of classes are therefore as near as
the groups allow, but not exact. All numbers are whole, so that every machine makes the same choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.errors import DataError

Indices = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]

_MOST_COUNTS = 20_000_000
"""Maximum size of the table of groups and classes; beyond it, only the sizes of the groups count."""

_MOST_TRIED = 50_000
"""Groups to try one by one, after those that fit anyway."""

_MOST_PAIRS = 1_000_000
_MOST_EXCHANGES = 200


@dataclass(frozen=True)
class _Groups:
    """The groups in random order, and the examples of each class in each group.

    Args:
        place: Place of the group of each example in that order, `(examples,)`.
        counts: Examples of each class, `(groups, classes)`.
        weights: What a missing or surplus example of each class costs, `(classes,)`: more in a rare class.
    """

    place: Indices
    counts: Counts
    weights: Counts

    @classmethod
    def of(cls, groups: npt.NDArray[Any], labels: npt.NDArray[Any] | None, generator: np.random.Generator) -> _Groups:
        number = int(np.unique(groups).size)
        inverse = np.unique(groups, return_inverse=True)[1].reshape(-1)
        place = generator.permutation(number)[inverse]
        classes, of_class = (1, np.zeros(len(place), np.int64))
        if labels is not None:
            found, of_class = np.unique(labels, return_inverse=True)
            classes, of_class = len(found), of_class.reshape(-1)
        if number * classes > _MOST_COUNTS:
            classes, of_class = 1, np.zeros(len(place), np.int64)
        flat = np.bincount(place * classes + of_class, minlength=number * classes)
        counts = flat.reshape(number, classes).astype(np.int64)
        return cls(place, counts, np.maximum(1, len(place) // counts.sum(axis=0)))

    def cost(self, surplus: Counts) -> Counts:
        """Return how far a choice is from what was asked for.

        Formula:
            sum_c N / n_c |surplus_c| + C |sum_c surplus_c|, for C classes of n_c of N examples: the relative error of
            each class, and that of the size as often as there are classes

        Shape:
            surplus: `(..., classes)`. Returns: `(...)`.
        """
        of_classes = (self.weights * np.abs(surplus)).sum(axis=-1)
        return np.asarray(of_classes + surplus.shape[-1] * np.abs(surplus.sum(axis=-1)), np.int64)


def hold_out_groups(
    groups: npt.NDArray[Any], count: int, *, seed: int, stream: int = 0, labels: npt.NDArray[Any] | None = None
) -> tuple[Indices, Indices]:
    """Choose whole groups at random, with about `count` examples.

    Args:
        groups: Group of each example, `(examples,)`.
        count: Number of examples to hold out.
        seed: Seed of the choice.
        stream: Number of the random stream. Choices of different streams are independent.
        labels: Class index of each example, to hold out about the same proportion of each class. No class loses its
            last example.

    Returns:
        The remaining indices and the held-out indices, both ascending; at least one group is held out.

    Raises:
        DataError: No group can be held out, because every group is the only one, or has the last examples of a class.
    """
    made = _Groups.of(groups, labels, np.random.Generator(np.random.PCG64([seed, stream])))
    total = made.counts.sum(axis=0)
    wanted = _shares(total, count)
    chosen = np.zeros(len(made.counts), bool)
    _fill(made, chosen, wanted)
    if not chosen.any():
        _take_nearest(made, chosen, wanted)
    _exchange(made, chosen, wanted)
    is_held_out = chosen[made.place]
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def fold_of_groups(
    groups: npt.NDArray[Any], folds: int, *, seed: int, stream: int = 0, labels: npt.NDArray[Any] | None = None
) -> Indices:
    """Distribute whole groups over folds of about the same size.

    Args:
        groups: Group of each example, `(examples,)`.
        folds: Number of folds.
        seed: Seed of the choice.
        stream: Number of the random stream. Choices of different streams are independent.
        labels: Class index of each example, for about the same proportion of each class in every fold.

    Returns:
        The fold of each example, from 0, `(examples,)`.

    Raises:
        DataError: There are fewer groups than folds.

    Reference:
        The largest group first, each to the fold that has least of its classes: Graham, 1969, "Bounds on
        Multiprocessing Timing Anomalies".
    """
    made = _Groups.of(groups, labels, np.random.Generator(np.random.PCG64([seed, stream])))
    if len(made.counts) < folds:
        what = f"{folds} folds of {len(made.counts):,} groups, which are not divided"
        raise DataError(what, expected=f"at most {len(made.counts):,} folds")
    sizes = made.counts.sum(axis=1)
    filled = np.zeros((folds, made.counts.shape[1]), np.int64)
    fold_of = np.zeros(len(sizes), np.int64)
    # By magnitude only: among groups of similar size, the order stays random, so that two streams differ.
    for number, group in enumerate(np.argsort(-np.floor(np.log2(sizes)), kind="stable").tolist()):
        counts = made.counts[group]
        # The growth of the sum of squares, which is least if all folds have equally many of each class.
        growth = filled @ (made.weights * counts) + filled.sum(axis=1) * sizes[group]
        # The largest groups take a fold each, because a fold without any group could not be scored.
        fold = number if number < folds else int(np.argmin(growth))
        filled[fold] += counts
        fold_of[group] = fold
    return np.asarray(fold_of[made.place], np.int64)


def _shares(total: Counts, count: int) -> Counts:
    """Return the number of examples of each class that add up to `count`, by the largest remainder method."""
    everything = int(total.sum())
    shares = np.array([size * count // everything for size in total.tolist()], np.int64)
    rest = [size * count % everything for size in total.tolist()]
    for index in sorted(range(len(rest)), key=lambda k: (-rest[k], k))[: count - int(shares.sum())]:
        shares[index] += 1
    return shares


def _fill(made: _Groups, chosen: npt.NDArray[np.bool_], wanted: Counts) -> None:
    """Choose groups in their random order as long as each brings the choice nearer to `wanted`."""
    # The first groups fit in any case, however many there are.
    fits = (np.cumsum(made.counts, axis=0) <= np.minimum(wanted, made.counts.sum(axis=0) - 1)).all(axis=1)
    first = len(fits) if fits.all() else int(np.argmin(fits))
    chosen[:first] = True
    surplus = made.counts[:first].sum(axis=0) - wanted
    most = made.counts.sum(axis=0) - 1 - wanted
    cost = made.cost(surplus)
    for group in range(first, min(len(chosen), first + _MOST_TRIED)):
        after = surplus + made.counts[group]
        if cost == 0:
            return
        if (after <= most).all() and (new := made.cost(after)) < cost:
            chosen[group], surplus, cost = True, after, new


def _take_nearest(made: _Groups, chosen: npt.NDArray[np.bool_], wanted: Counts) -> None:
    """Choose the one group that is nearest to `wanted`, if every group is much larger.

    Raises:
        DataError: No group can be spared.
    """
    spared = (made.counts < made.counts.sum(axis=0)).all(axis=1)
    if not spared.any():
        only = "there is only one group" if len(chosen) == 1 else "each group has all examples of some class"
        raise DataError(
            f"no whole group of {len(chosen):,} can be held out: {only}",
            expected="several groups with examples of every class",
            hint="another column as group, or a separate file: test_path",
        )
    cost = np.where(spared, made.cost(made.counts - wanted), np.iinfo(np.int64).max)
    chosen[int(np.argmin(cost))] = True


def _exchange(made: _Groups, chosen: npt.NDArray[np.bool_], wanted: Counts) -> None:
    """Exchange a chosen group for another one as long as that brings the choice nearer to `wanted`."""
    most = made.counts.sum(axis=0) - 1 - wanted
    if int(chosen.sum()) * int((~chosen).sum()) * len(wanted) > _MOST_PAIRS:
        return  # with so many groups the first pass is already near
    for _ in range(_MOST_EXCHANGES):
        surplus = made.counts[chosen].sum(axis=0) - wanted
        cost = made.cost(surplus)
        inside, outside = np.flatnonzero(chosen), np.flatnonzero(~chosen)
        after = surplus - made.counts[inside][:, None] + made.counts[outside][None]
        costs = np.where((after <= most).all(axis=-1), made.cost(after), cost)
        best = int(np.argmin(costs))
        if cost == 0 or costs.reshape(-1)[best] >= cost:
            return
        chosen[inside[best // len(outside)]] = False
        chosen[outside[best % len(outside)]] = True
