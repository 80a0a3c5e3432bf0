"""Predictions out of fold: for each example, those of the members that were not trained on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data import Dataset
from dlrun.errors import DataError
from dlrun.experiment.intervals import learned_values, scores_of
from dlrun.scoring.conformal import ConformalScores
from dlrun.signature import Target

Array = npt.NDArray[Any]


def array_by_row(datasets: Sequence[Dataset], name: str, rows: Sequence[int]) -> Array:
    """Return an array of the validation splits of all members, for some rows.

    Args:
        datasets: The dataset of each member.
        name: The name of the array in `Split`.
        rows: The numbers of the examples, each of which is in the validation split of some member.
    """
    found: dict[int, Any] = {}
    for dataset in datasets:
        split = dataset.splits["validation"]
        found.update(zip(_rows(split.rows), np.asarray(getattr(split, name)), strict=True))
    return np.stack([found[row] for row in rows])


def predictions_by_row(
    datasets: Sequence[Dataset], predictions: Sequence[Array], weights: Sequence[float] | None = None
) -> Mapping[int, Array]:
    """Return the prediction for each row, the weighted mean of those of the members that it validates.

    Args:
        datasets: The dataset of each member.
        predictions: The predictions of each member for its validation split.
        weights: The weight of each member; None for equal weights.

    Raises:
        DataError: The rows are unknown.
    """
    sums: dict[int, list[Array]] = {}
    of_members: dict[int, list[float]] = {}
    for dataset, predicted, weight in zip(datasets, predictions, weights or [1.0] * len(datasets), strict=True):
        for row, each in zip(_rows(dataset.splits["validation"].rows), predicted, strict=True):
            sums.setdefault(row, []).append(each)
            of_members.setdefault(row, []).append(weight)
    if weights is None:
        return {row: np.mean(found, axis=0) for row, found in sums.items()}
    return {row: np.average(found, axis=0, weights=of_members[row]) for row, found in sums.items()}


def out_of_fold_scores(
    datasets: Sequence[Dataset], predictions: Sequence[Array], weights: Sequence[float], *, target: Target
) -> ConformalScores | None:
    """Return the conformity scores of an ensemble whose members were validated on different examples.

    The score of an example comes from the members that were not trained on it, as in CV+. The interval is around the
    prediction of the whole ensemble, which has more members and is on average nearer to the truth than those few, so
    it tends to be wider than it had to be. CV+ itself would need the prediction of each member for each new example.

    Args:
        datasets: The dataset of each member, with a validation split.
        predictions: The predictions of each member for its validation split, in the unit of the data.
        weights: The weight of each member, above 0.
        target: What the ensemble predicts.

    Returns:
        The scores; None if a prediction is not finite.

    Raises:
        DataError: The rows are unknown.

    Formula:
        |y_i - sum over m of w_m f_m(x_i) / sum over m of w_m|, over the members m that x_i validates

    Reference:
        Barber, Candès, Ramdas and Tibshirani, 2021, "Predictive inference with the jackknife+", arXiv:1905.02928.

    Shape:
        predictions: `(n, levels, size)` each.
    """
    by_row = predictions_by_row(datasets, predictions, weights)
    rows = sorted(by_row)
    found = np.stack([by_row[row] for row in rows])
    learned = np.stack([learned_values(found[:, level], target) for level in range(found.shape[1])], axis=1)
    truth = learned_values(array_by_row(datasets, "target", rows), target)
    has_weights = all(dataset.splits["validation"].weight is not None for dataset in datasets)
    weight = array_by_row(datasets, "weight", rows) if has_weights else None
    return scores_of(truth, learned, target=target, weight=weight)


def _rows(rows: Array | None) -> list[int]:
    """Return the rows of a split.

    Raises:
        DataError: They are unknown.
    """
    if rows is None:
        raise DataError(
            "the members were validated on different examples, and are not folds of one batch",
            expected="runs with the same validation split, or the runs of a batch with folds",
        )
    return [int(row) for row in rows]
