"""True and predicted values in; R2, MAE, RMSE, median absolute error and bias out, for each value by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.ratio import ratio

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RegressionScores:
    """How far predictions are from the truth, in the unit of the values.

    Args:
        r2: Part of the variance that is explained.
        mae: Mean absolute error.
        rmse: Root of the mean squared error.
        median_absolute_error: Which a few large errors do not move.
        bias: Mean of prediction - truth: above 0 if too much is predicted.

    Shape:
        `(size,)` each.
    """

    r2: Float
    mae: Float
    rmse: Float
    median_absolute_error: Float
    bias: Float


def regression_scores(truth: Array, predicted: Array) -> RegressionScores:
    """Score.

    Formula:
        with e = predicted - truth over the examples: R2 = 1 - sum(e^2) / sum((truth - mean(truth))^2), nan where the
        truth never changes; MAE = mean(|e|); RMSE = sqrt(mean(e^2)); median(|e|); bias = mean(e)

    Reference:
        R2: Draper and Smith, 1998, "Applied Regression Analysis", chapter 1.

    Shape:
        truth, predicted: `(n, size)`.
    """
    truth, predicted = truth.astype(np.float64), predicted.astype(np.float64)
    if not len(truth):
        nothing = np.full(truth.shape[1], np.nan)
        return RegressionScores(nothing, nothing, nothing, nothing, nothing)
    error = predicted - truth
    squares = np.square(error)
    spread = np.square(truth - truth.mean(axis=0)).sum(axis=0)
    return RegressionScores(
        r2=1 - ratio(squares.sum(axis=0), spread, otherwise=np.nan),
        mae=np.abs(error).mean(axis=0),
        rmse=np.sqrt(squares.mean(axis=0)),
        median_absolute_error=np.median(np.abs(error), axis=0),
        bias=error.mean(axis=0),
    )
