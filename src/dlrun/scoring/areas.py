"""Exact areas under ROC, precision-recall and precision-recall-gain curves."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.scoring.classification import ratio, roc_auc

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

Curve = Literal["ROC", "PR", "PRGAIN"]
Summation = Literal["interpolation", "minoring", "majoring"]


def area_under_curve(
    is_positive: Array,
    scores: Array,
    *,
    weights: Array | None = None,
    curve: Curve = "ROC",
    summation: Summation = "interpolation",
) -> float:
    """Return the area under a curve that has a point for each threshold at which a prediction changes.

    Formula:
        ROC: true positive rate over false positive rate. PR: precision over recall. PRGAIN: precision gain over recall
        gain, 1 - (P / N) (FP / TP) over 1 - (P / N) (FN / TP). `interpolation` uses trapezoids, and for a PR curve
        interpolates true and false positives linearly between points; `minoring` uses the lower and `majoring` the
        upper rectangles.

    Reference:
        Davis and Goadrich, 2006, "The Relationship Between Precision-Recall and ROC Curves"; Flach and Kull, 2015,
        "Precision-Recall-Gain Curves".

    Args:
        is_positive: Whether each example is positive, `(n,)`, bool.
        scores: Score of each example, `(n,)`.
        weights: Weight of each example, `(n,)`; None for equal weights.
        curve: Kind of curve.
        summation: Rule that connects the points.

    Returns:
        The area; nan if it is undefined, that is, without positive examples, without negative ones (except for PR), or
        if a score is nan.
    """
    if curve == "ROC" and summation == "interpolation" and weights is None:
        return roc_auc(is_positive, scores)
    order = np.argsort(-scores, kind="stable")
    # Examples with equal scores pass a threshold together, so only the last of each group is a point of the curve.
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1) if len(order) else np.zeros(0, int)
    weight = np.ones(len(order)) if weights is None else weights[order].astype(np.float64)
    hits = np.append(0.0, np.cumsum(weight * is_positive[order])[ends])
    alarms = np.append(0.0, np.cumsum(weight * ~is_positive[order].astype(bool))[ends])
    positives, negatives = hits[-1], alarms[-1]
    if np.isnan(scores).any() or positives == 0 or (negatives == 0 and curve != "PR"):
        return np.nan
    if curve == "PR" and summation == "interpolation":
        return _interpolated_precision(hits, alarms)
    if curve == "PRGAIN":
        share = positives / negatives
        # Below a recall of P / (P + N) the gain is negative; the curve begins at 0.
        x = np.maximum(np.where(hits == 0, 0.0, 1 - share * ratio(positives - hits, hits, otherwise=0.0)), 0.0)
        y = np.where(hits == 0, 1.0, 1 - share * ratio(alarms, hits, otherwise=0.0))
    elif curve == "PR":
        x, y = hits / positives, ratio(hits, hits + alarms, otherwise=0.0)
    else:
        x, y = alarms / negatives, hits / positives
    lower, upper = np.minimum(y[1:], y[:-1]), np.maximum(y[1:], y[:-1])
    heights = {"interpolation": (lower + upper) / 2, "minoring": lower, "majoring": upper}[summation]
    return float((np.diff(x) * heights).sum())


def _interpolated_precision(hits: Float, alarms: Float) -> float:
    """Return the integral of precision over recall with hits that grow linearly in the number of predictions.

    Precision between two points is then a hyperbola rather than a line, so the integral contains a logarithm.
    """
    predicted = hits + alarms
    gained, more = np.diff(hits), np.diff(predicted)
    slope = ratio(gained, more, otherwise=0.0)
    intercept = hits[:-1] - slope * predicted[:-1]
    # Up to the first point the intercept is 0 and precision is constant, so there is no logarithm.
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(predicted[:-1] > 0, np.log(predicted[1:] / predicted[:-1]), 0.0)
    return float((slope * (gained + intercept * growth)).sum() / hits[-1])
