"""Scores of regression models, for each value: R2, MAE, RMSE, median absolute error and bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.classification import ratio, weighted_mean

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class RegressionScores:
    """Scores of each value, in its own unit.

    Args:
        r2: Fraction of the variance that is explained.
        mae: Mean absolute error.
        rmse: Root of the mean squared error.
        median_absolute_error: Median absolute error, which is robust to a few large errors.
        bias: Mean of prediction - truth, above 0 if predictions are too large.

    Shape:
        `(size,)` each.
    """

    r2: Float
    mae: Float
    rmse: Float
    median_absolute_error: Float
    bias: Float


def regression_scores(truth: Array, predicted: Array, weights: Array | None = None) -> RegressionScores:
    """Return the scores of each value; with weights, every sum, mean and median counts each example by its weight.

    Formula:
        with e = predicted - truth over the examples: R2 = 1 - sum(e^2) / sum((truth - mean(truth))^2), nan where the
        truth is constant; MAE = mean(|e|); RMSE = sqrt(mean(e^2)); median(|e|); bias = mean(e)

    Reference:
        R2: Draper and Smith, 1998, "Applied Regression Analysis", chapter 1.

    Shape:
        truth, predicted: `(n, size)`. weights: `(n,)`, or None for equal weights.
    """
    truth, predicted = truth.astype(np.float64), predicted.astype(np.float64)
    if weights is not None:
        # An example without weight would hide that the value is constant in all others.
        truth, predicted, weights = truth[weights > 0], predicted[weights > 0], weights[weights > 0]
    if not len(truth):
        nothing = np.full(truth.shape[1], np.nan)
        return RegressionScores(nothing, nothing, nothing, nothing, nothing)
    error = predicted - truth
    weight = None if weights is None else weights.astype(np.float64).reshape(-1, 1)
    squares = np.square(error)
    left = squares.sum(axis=0) if weight is None else (weight * squares).sum(axis=0)
    return RegressionScores(
        r2=1 - ratio(left, _spread(truth, weight), otherwise=np.nan),
        mae=weighted_mean(np.abs(error), weights),
        rmse=np.sqrt(weighted_mean(squares, weights)),
        median_absolute_error=_median(np.abs(error), weights),
        bias=weighted_mean(error, weights),
    )


def weighted_quantile(values: Array, part: float, weights: Array) -> float:
    """Return a quantile of values that count by their weights.

    Formula:
        the smallest value up to which the weights add up to `part` of their sum, or the mean of it and the next one if
        they add up to exactly that

    Reference:
        Hyndman and Fan, 1996, "Sample Quantiles in Statistical Packages", type 2.

    Shape:
        values, weights: `(n,)`, n > 0.
    """
    order = np.argsort(values, kind="stable")
    ordered, passed = values[order], np.cumsum(weights[order].astype(np.float64))
    # Sums of weights such as 0.1 carry rounding errors, which must not decide between one value and two.
    wanted, slack = part * passed[-1], 1e-12 * passed[-1]
    last = len(ordered) - 1
    low = min(last, int(np.searchsorted(passed, wanted - slack)))
    high = min(last, int(np.searchsorted(passed, wanted + slack, side="right")))
    return float((ordered[low] + ordered[high]) / 2)


def _median(values: Float, weights: Array | None) -> Float:
    if weights is None:
        return np.asarray(np.median(values, axis=0), np.float64)
    return np.array([weighted_quantile(column, 0.5, weights) for column in values.T])


def r2_score(truth: Array, predicted: Array, *, weights: Array | None = None, by_variance: bool = False) -> float:
    """Return R2 as one number, averaged over values.

    Formula:
        the mean of the R2 of all values; with `by_variance` weighted by their variance: 1 - sum(e^2) /
        sum((truth - mean)^2), both summed over all values

    Shape:
        truth, predicted: `(n, size)`. weights: `(n,)`.

    Returns:
        The score; nan if a value is constant, or with `by_variance` if all values are constant.
    """
    truth, predicted = truth.astype(np.float64), predicted.astype(np.float64)
    weight = np.ones((len(truth), 1)) if weights is None else weights.astype(np.float64).reshape(-1, 1)
    # An example without weight would hide that the value is constant in all others.
    used = weight[:, 0] > 0
    truth, predicted, weight = truth[used], predicted[used], weight[used]
    if not len(truth):
        return np.nan
    left, spread = (weight * np.square(predicted - truth)).sum(axis=0), _spread(truth, weight)
    if by_variance:
        left, spread = left.sum(keepdims=True), spread.sum(keepdims=True)
    return float((1 - ratio(left, spread, otherwise=np.nan)).mean())


def _spread(truth: Float, weight: Float | None = None) -> Float:
    """Return the sum of squared deviations of each value; exactly 0, without rounding error, for a constant value."""
    weight = np.ones((len(truth), 1)) if weight is None else weight
    mean = (weight * truth).sum(axis=0) / weight.sum()
    spread = (weight * np.square(truth - mean)).sum(axis=0)
    # The mean of equal values may differ from them in the last digit, which would make R2 huge instead of undefined.
    return np.where(truth.max(axis=0) == truth.min(axis=0), 0.0, spread)


def error_statistics(errors: npt.NDArray[Any], weights: Array | None = None) -> dict[str, float]:
    """Return the mean and quantiles of reconstruction errors, which show the usual error and when it is an anomaly.

    Formula:
        the mean, and quantiles with linear interpolation between neighbours (type 7 of Hyndman and Fan, 1996, "Sample
        Quantiles in Statistical Packages"); with weights, as in `weighted_quantile`

    Shape:
        errors: `(n,)`. weights: `(n,)`, or None for equal weights.

    Returns:
        `mean`, then `minimum`, `quantile_0.25`, `median`, ..., `maximum`.
    """
    names = {0.0: "minimum", 0.5: "median", 1.0: "maximum"}
    keys = [names.get(quantile, f"quantile_{quantile:g}") for quantile in QUANTILES]
    if not len(errors):
        return dict.fromkeys(("mean", *keys), np.nan)
    values = errors.astype(np.float64)
    if weights is not None:
        quantiles = [weighted_quantile(values, part, weights) for part in QUANTILES]
    else:
        quantiles = np.quantile(values, QUANTILES).tolist()
    return {"mean": float(weighted_mean(values, weights)), **dict(zip(keys, quantiles, strict=True))}
