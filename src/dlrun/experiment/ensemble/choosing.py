"""Weigh the members of an ensemble: equally, or by greedy selection on their validation predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from dlrun.data import Dataset
from dlrun.data.ensemble.joining import shares_validation
from dlrun.errors import DataError, UsageError
from dlrun.experiment.ensemble.members import MemberRun
from dlrun.experiment.ensemble.out_of_fold import array_by_row, predictions_by_row
from dlrun.experiment.ensemble.weights import ROUNDS, select_greedily
from dlrun.scoring.importances import loss_of

Array = npt.NDArray[Any]
Weighting = Literal["mean", "greedy"]


@dataclass(frozen=True)
class MemberWeights:
    """The weights of the members.

    Args:
        method: How they were chosen.
        values: The weight of each member; they add up to 1.
        reason: Why they are these, in one sentence.
    """

    method: Weighting
    values: tuple[float, ...]
    reason: str


def check_weighting(name: str) -> Weighting:
    """Return the name of a way to choose weights.

    Raises:
        UsageError: There is no such way.
    """
    for known in get_args(Weighting):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise UsageError(f"--weights is {name!r}", expected="mean or greedy")


def equal_weights(count: int) -> MemberWeights:
    """Return the same weight for each member."""
    return MemberWeights("mean", (1 / count,) * count, f"the mean of {count} members with equal weights")


def greedy_weights(
    members: Sequence[MemberRun], datasets: Sequence[Dataset], predictions: Sequence[Array]
) -> MemberWeights:
    """Choose weights on validation data. Nothing else is looked at, least of all the test split.

    With one validation split, each member is a candidate. With different ones, the members that differ only in their
    fold are one candidate, whose predictions for each example come from the members that were not trained on it.

    Args:
        members: The members.
        datasets: The dataset of each member.
        predictions: The predictions of each member for its validation split.

    Raises:
        DataError: There is no validation split, or the folds of two candidates cover different examples.
    """
    if shares_validation(datasets):
        candidates: list[list[int]] = [[index] for index in range(len(members))]
        split, found = datasets[0].splits["validation"], list(predictions)
        truth, weights = np.asarray(split.target), split.example_weight
        what = f"the {len(split):,} validation examples"
    else:
        by_recipe: dict[str, list[int]] = {}
        for index, member in enumerate(members):
            by_recipe.setdefault(member.recipe, []).append(index)
        candidates = list(by_recipe.values())
        if len(candidates) == 1:
            equal = equal_weights(len(members))
            reason = "all members are folds of one config, which only the validation split of another could weigh"
            return MemberWeights("mean", equal.values, f"equal weights: {reason}")
        rows, found = _out_of_fold(members, datasets, predictions, candidates)
        truth, weights = array_by_row(datasets, "target", rows), None
        if all(dataset.splits["validation"].example_weight is not None for dataset in datasets):
            weights = array_by_row(datasets, "example_weight", rows)
        what = f"the predictions out of fold for {len(rows):,} examples"
    target = members[0].interface.target
    measure = loss_of(truth, target, weights=weights)
    chosen = select_greedily([each.astype(np.float64) for each in found], measure)
    values = [0.0] * len(members)
    for group, weight in zip(candidates, chosen.weights, strict=True):
        for index in group:
            values[index] = weight / len(group)
    single = "member" if len(found) == len(members) else "config"
    reason = (
        f"greedy selection in {sum(chosen.counts)} of {ROUNDS} rounds on {what}: {measure.name} {chosen.loss:.4g}, "
        f"where equal weights have {chosen.equal:.4g} and the best single {single} {chosen.single:.4g}"
    )
    return MemberWeights("greedy", tuple(values), reason)


def check_has_validation(members: Sequence[MemberRun], datasets: Sequence[Dataset]) -> None:
    """Check that every member has a validation split to choose weights on.

    Raises:
        DataError: A member has none, or it was validated on the test split.
    """
    for member, dataset in zip(members, datasets, strict=True):
        hint = "--weights mean needs none"
        if "validation" not in dataset.splits:
            raise DataError(
                f"{member.folder.id} has no validation split to choose weights on",
                expected="members with validation examples, since the test split is for the final score",
                hint=hint,
            )
        if member.spec.dataset.validation == "test":
            raise DataError(
                f"the validation split of {member.folder.id} is its test split",
                expected="validation examples that are not scored at the end",
                hint=hint,
            )


def _out_of_fold(
    members: Sequence[MemberRun],
    datasets: Sequence[Dataset],
    predictions: Sequence[Array],
    candidates: Sequence[Sequence[int]],
) -> tuple[list[int], list[Array]]:
    """Return the rows of the examples, and the predictions of each candidate for them.

    Raises:
        DataError: The folds of two candidates cover different examples.
    """
    tables = [
        predictions_by_row([datasets[index] for index in group], [predictions[index] for index in group])
        for group in candidates
    ]
    rows = sorted(tables[0])
    for group, table in zip(candidates, tables, strict=True):
        if sorted(table) != rows:
            one, other = members[candidates[0][0]].folder.id, members[group[0]].folder.id
            raise DataError(
                f"the folds of {one} and of {other} validate different examples ({len(rows):,} and {len(table):,})",
                expected="configs with the same folds",
                hint="--weights mean needs no common examples",
            )
    return rows, [np.stack([table[row] for row in rows]) for table in tables]
