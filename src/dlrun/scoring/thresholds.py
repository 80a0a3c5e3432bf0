"""Choose the threshold above which a class or label is predicted, by a score that it maximizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.decision import HALF
from dlrun.scoring.classification import ratio

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

_DIGITS = range(1, 17)


@dataclass(frozen=True)
class Outcomes:
    """Weights of the four outcomes of a yes-or-no prediction; with several thresholds, an array with one for each."""

    true_positive: Float
    false_positive: Float
    false_negative: Float
    true_negative: Float


Objective = Callable[[Outcomes], Float]
"""A score to maximize."""


def f1(found: Outcomes) -> Float:
    """Return the harmonic mean of precision and recall; 0 without a positive example or prediction.

    Formula:
        2 TP / (2 TP + FP + FN)
    """
    hits = 2 * found.true_positive
    return ratio(hits, hits + found.false_positive + found.false_negative, otherwise=0.0)


def balanced_accuracy(found: Outcomes) -> Float:
    """Return the mean of the recalls of both classes.

    Formula:
        (TP / (TP + FN) + TN / (TN + FP)) / 2
    """
    positive = ratio(found.true_positive, found.true_positive + found.false_negative, otherwise=0.0)
    return (positive + ratio(found.true_negative, found.true_negative + found.false_positive, otherwise=0.0)) / 2


def mean_cost(found: Outcomes, *, false_positive: float, false_negative: float) -> Float:
    """Return the mean cost of an example.

    Formula:
        (c_FP FP + c_FN FN) / (TP + FP + FN + TN)

    Reference:
        Elkan, 2001, "The Foundations of Cost-Sensitive Learning".
    """
    costs = false_positive * found.false_positive + false_negative * found.false_negative
    total = found.true_positive + found.false_positive + found.false_negative + found.true_negative
    return ratio(costs, total, otherwise=0.0)


def choose_threshold(
    probabilities: Array, is_positive: Array, weights: Array | None = None, *, objective: Objective
) -> float:
    """Return the threshold with the largest objective; of equal ones the nearest to 0.5.

    Candidates lie between neighboring probabilities, and are written with as few digits as fit there.

    Args:
        probabilities: Probability that each example is positive.
        is_positive: Whether it is.
        weights: Weight of each example; None for equal weights.
        objective: Score to maximize.

    Shape:
        probabilities, is_positive, weights: `(n,)`.
    """
    weight = np.ones(len(probabilities)) if weights is None else weights.astype(np.float64)
    known, place = np.unique(probabilities.astype(np.float64), return_inverse=True)
    positive = np.bincount(place.reshape(-1), weight * is_positive, len(known))
    negative = np.bincount(place.reshape(-1), weight * ~is_positive.astype(bool), len(known))
    missed, rejected = np.append(0.0, np.cumsum(positive)), np.append(0.0, np.cumsum(negative))
    scores = objective(Outcomes(positive.sum() - missed, negative.sum() - rejected, missed, rejected))
    # A threshold below all probabilities predicts each example as positive, and one above all of them none.
    below, above = np.append(0.0, known), np.append(known, 1.0)
    possible = above > below
    best = possible & (scores >= scores[possible].max() - 1e-12)
    # Between two probabilities every threshold gives the same predictions.
    nearest = np.clip(HALF, below[best], above[best])
    chosen = np.flatnonzero(best)[np.argmin(np.abs(nearest - HALF))]
    return _short(float(below[chosen]), float(above[chosen]))


def outcomes_at(
    probabilities: Array, is_positive: Array, weights: Array | None = None, *, threshold: float
) -> Outcomes:
    """Return the outcomes at one threshold.

    Shape:
        probabilities, is_positive, weights: `(n,)`.
    """
    weight = np.ones(len(probabilities)) if weights is None else weights.astype(np.float64)
    chosen, true = probabilities.astype(np.float64) > threshold, is_positive.astype(bool)
    cells = (chosen & true, chosen & ~true, ~chosen & true, ~chosen & ~true)
    return Outcomes(*(np.asarray(weight[cell].sum()) for cell in cells))


def _short(low: float, high: float) -> float:
    """Return the number with the fewest digits between two numbers, near their middle, or 0.5 if it is between them."""
    if low < HALF < high:
        return HALF
    middle = (low + high) / 2
    return next((short for digits in _DIGITS if low < (short := round(middle, digits)) < high), middle)
