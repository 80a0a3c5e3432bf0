"""Calibrate probabilities: fit a temperature or an isotonic curve, and measure how far probabilities are from truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.decision import MOST_POINTS, CalibrationCurve
from dlrun.scoring.classification import ratio
from dlrun.signature import Target

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

BINS = 15
_LEAST_IN_BIN = 5
_LOG_TEMPERATURES = (np.log(0.01), np.log(100.0))
_HALVINGS = 50
_LEAST_DISTANCE = 0.1


@dataclass(frozen=True)
class Reliability:
    """Confidence and frequency of the true outcome in bins with equally many examples.

    Args:
        confidence: Mean predicted probability of each bin.
        frequency: Fraction of its examples that have the outcome.
        share: Share of all examples, or of their weight.

    Shape:
        `(bins,)`, each.
    """

    confidence: Float
    frequency: Float
    share: Float

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of confidence and frequency. nan without examples.

        Formula:
            sum over bins of share |confidence - frequency|

        Reference:
            Guo, Pleiss, Sun and Weinberger, 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599; with
            equally many examples per bin: Nguyen and O'Connor, 2015, "Posterior calibration and exploratory analysis".
        """
        return float((self.share * np.abs(self.confidence - self.frequency)).sum()) if len(self.share) else np.nan


def outcomes(probabilities: Array, truth: Array, target: Target) -> tuple[Float, Array]:
    """Return the probabilities whose calibration is measured, and whether each outcome is true.

    For two classes these are the probabilities of the second class, for labels those of every label, and for more
    classes those of the most probable class (of each column), as in Guo et al.

    Shape:
        probabilities: `(n, size)`. truth: see `Split.target`. Returns: two of `(n, k)`, float64 and bool; k is the
        number of labels or class columns, otherwise 1.
    """
    if target.kind == "labels":
        return probabilities.astype(np.float64), truth.reshape(probabilities.shape) > 0
    if target.kind == "classes" and target.size == 2:
        return probabilities[:, 1:].astype(np.float64), truth[:, None] == 1
    truths, confidences, hits = truth.reshape(len(truth), -1), [], []
    for number, part in enumerate(target.parts):
        own = probabilities[:, part.places]
        confidences.append(own.max(axis=1))
        hits.append(own.argmax(axis=1) == truths[:, number])
    return np.stack(confidences, axis=1).astype(np.float64), np.stack(hits, axis=1)


def brier(probabilities: Array, truth: Array, target: Target) -> Float:
    """Return the Brier score of each example.

    Formula:
        two classes, and the mean over labels: (p - y)^2; more classes, and the mean over columns: sum of (p_k - y_k)^2

    Reference:
        Brier, 1950, "Verification of forecasts expressed in terms of probability".

    Shape:
        probabilities: `(n, size)`. truth: see `Split.target`. Returns: `(n,)`.
    """
    if target.kind == "labels" or target.size == 2:
        confidences, hits = outcomes(probabilities, truth, target)
        return np.asarray(np.square(confidences - hits).mean(axis=1))
    rows, truths = np.arange(len(truth)), truth.reshape(len(truth), -1).astype(np.int64)
    squares = np.square(probabilities.astype(np.float64)).sum(axis=1)
    for number, part in enumerate(target.parts):
        # (p - 1)^2 instead of p^2 for the true class.
        squares += 1 - 2 * probabilities[rows, part.first + truths[:, number]].astype(np.float64)
    return np.asarray(squares / truths.shape[1])


def reliability(confidences: Array, are_true: Array, weights: Array | None = None, *, bins: int = BINS) -> Reliability:
    """Return confidence and frequency in bins with equally many examples.

    Equal confidences are in one bin, so that the result does not depend on the order of the examples.

    Args:
        confidences: Predicted probability of each outcome.
        are_true: Whether the outcome is true.
        weights: Weight of each outcome; None for equal weights.
        bins: Number of bins; fewer for less than five examples per bin.

    Shape:
        confidences, are_true, weights: `(n,)`.
    """
    weight = np.ones(len(confidences)) if weights is None else weights.astype(np.float64)
    kept = weight > 0
    weight, confidences, are_true = weight[kept], confidences[kept], are_true[kept]
    if not len(confidences):
        return Reliability(*(np.zeros(0) for _ in range(3)))
    bins = max(1, min(bins, len(confidences) // _LEAST_IN_BIN))
    order = np.argsort(confidences, kind="stable")
    weight, ordered = weight[order], confidences[order].astype(np.float64)
    masses = np.cumsum(weight)
    # Up to rounding, so that an example of weight 2 counts like two examples.
    last = np.searchsorted(masses, masses[-1] * (np.arange(1, bins + 1) / bins - 1e-9))
    ends = np.unique(np.searchsorted(ordered, ordered[last], side="right"))
    total, confidence, frequency = (
        np.diff(np.append(0.0, np.cumsum(each)[ends - 1]))
        for each in (weight, weight * ordered, weight * are_true[order])
    )
    return Reliability(confidence / total, frequency / total, total / masses[-1])


def fit_temperature(logits: Array, truth: Array, weights: Array | None = None) -> float | None:
    """Return the temperature with the smallest cross-entropy.

    Formula:
        T that minimizes -sum_i w_i log softmax(z_i / T)[y_i]

    Reference:
        Guo et al., 2017, arXiv:1706.04599, section 4.2.

    Args:
        logits: Logits of the classes.
        truth: Index of the true class.
        weights: Weight of each example; None for equal weights.

    Returns:
        The temperature, from 0.01 to 100; None if there is no best one, because every example with a weight is
        predicted correctly, so that the cross-entropy falls without end as the temperature does.

    Shape:
        logits: `(n, classes)`. truth, weights: `(n,)`.
    """
    rows, weight = np.arange(len(truth)), np.ones(len(truth)) if weights is None else weights.astype(np.float64)
    own = logits.astype(np.float64) - logits[rows, truth.astype(np.int64)].astype(np.float64)[:, None]
    own, weight = own[weight > 0], weight[weight > 0]
    if not (own > 0).any():
        return None

    def slope(log_temperature: float) -> float:
        """Derivative of the cross-entropy by 1 / T, which is convex in 1 / T: the mean of z under softmax(z / T)."""
        scaled = own * np.exp(-log_temperature)
        shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return float((weight * (shares * own).sum(axis=1) / shares.sum(axis=1)).sum())

    low, high = _LOG_TEMPERATURES
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        # At too low a temperature the cross-entropy grows with 1 / T.
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return float(np.exp((low + high) / 2))


def fit_isotonic(logits: Array, is_positive: Array, weights: Array | None = None) -> CalibrationCurve:
    """Return the calibration curve that isotonic regression finds.

    The points of the curve are the centers of the blocks that pooling adjacent violators leaves, joined by straight
    lines. So it rises where the logit does, and keeps the order of the predictions, except beyond its ends.

    Formula:
        blocks: the nondecreasing q that minimizes sum_i w_i (q_i - y_i)^2; probabilities at most 1 - 1 / (n + 2) and at
        least 1 / (n + 2), with n the (effective) number of examples

    Reference:
        Zadrozny and Elkan, 2002, "Transforming classifier scores into accurate multiclass probability estimates"; Oron
        and Flournoy, 2017, "Centered Isotonic Regression".

    Shape:
        logits, is_positive, weights: `(n,)`, n > 0.
    """
    weight = np.ones(len(logits)) if weights is None else weights.astype(np.float64)
    positions, place = np.unique(logits.astype(np.float64), return_inverse=True)
    masses, hits = (np.bincount(place.reshape(-1), each).astype(np.float64) for each in (weight, weight * is_positive))
    kept = masses > 0
    blocks = pool_adjacent_violators(ratio(hits[kept], masses[kept], otherwise=0.0), masses[kept])
    sums = [np.add.reduceat(each[kept], blocks) for each in (masses, masses * positions, hits)]
    distance = _LEAST_DISTANCE
    while len((merged := _join_close(sums, distance))[0]) > MOST_POINTS:
        distance *= 2
    centers, frequencies = merged[1] / merged[0], merged[2] / merged[0]
    least = 1 / (np.square(weight.sum()) / np.square(weight).sum() + 2)
    # Rounding may leave a mean of merged blocks a bit below that of the one before.
    rising = np.maximum.accumulate(np.clip(frequencies, least, 1 - least))
    return CalibrationCurve(tuple(centers.tolist()), tuple(rising.tolist()))


def pool_adjacent_violators(values: Float, weights: Float) -> npt.NDArray[np.int64]:
    """Return the first index of each block of the closest nondecreasing sequence; in a block it is constant.

    Formula:
        the sequence q, with q_1 <= q_2 <= ..., that minimizes sum_i w_i (q_i - v_i)^2

    Reference:
        Ayer, Brunk, Ewing, Reid and Silverman, 1955, "An Empirical Distribution Function for Sampling with Incomplete
        Information".

    Shape:
        values, weights: `(n,)`, weights above 0. Returns: `(blocks,)`.
    """
    firsts: list[int] = []
    means: list[float] = []
    masses: list[float] = []
    for index, (mean, mass) in enumerate(zip(values.tolist(), weights.tolist(), strict=True)):
        first = index
        # A block that is not above the one before it is joined with it; their mean may in turn violate the order.
        while means and means[-1] >= mean:
            mean = (mean * mass + means.pop() * masses[-1]) / (mass + masses[-1])  # noqa: PLW2901  the block grows
            mass += masses.pop()  # noqa: PLW2901
            first = firsts.pop()
        firsts.append(first)
        means.append(mean)
        masses.append(mass)
    return np.array(firsts, np.int64)


def _join_close(sums: list[Float], distance: float) -> list[Float]:
    """Join neighboring blocks whose centers are closer than `distance`, from the lowest to the highest.

    A steeper curve would turn the rounding of float32 into visible differences between an exported model and dlrun.

    Args:
        sums: For each block the sum of its weights, of weighted positions, and of weighted outcomes.
        distance: Smallest distance of two centers.
    """
    merged: list[tuple[float, float, float]] = []
    for mass, moment, hits in zip(*(each.tolist() for each in sums), strict=True):
        block = (mass, moment, hits)
        while merged and block[1] / block[0] - merged[-1][1] / merged[-1][0] < distance:
            before = merged.pop()
            block = (block[0] + before[0], block[1] + before[1], block[2] + before[2])
        merged.append(block)
    return [np.array(column) for column in zip(*merged, strict=True)]
