"""Bootstrap confidence intervals of scores, from resampling the examples with replacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.weighted import WeightedStatistic

Array = npt.NDArray[Any]
Statistic = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""A score of several samples at once: from indices of examples `(samples, n)` to scores `(samples,)`."""

_INDICES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a score."""

    low: float
    high: float


def bootstrap_interval(
    statistic: Statistic, examples: int, *, seed: int, samples: int = 1000, level: float = 0.95
) -> Interval:
    """Return the percentile bootstrap interval of a score.

    Args:
        statistic: Function that computes the score of samples.
        examples: Number of examples.
        seed: Seed of the resampling; the same seed gives the same interval.
        samples: Number of samples to draw.
        level: Confidence level of the interval, from 0 to 1.

    Formula:
        the (1 - level) / 2 and (1 + level) / 2 quantiles of the statistic over samples of `examples` examples each,
        drawn with replacement; samples with an undefined statistic (nan) are ignored

    Reference:
        Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    generator = np.random.default_rng(seed)
    # Draw several samples per call for speed, but limit the indices to 4 million (32 MiB) for memory.
    at_once = max(1, _INDICES_AT_ONCE // max(1, examples))
    found = [
        statistic(generator.integers(0, examples, (min(at_once, samples - start), examples)))
        for start in range(0, samples, at_once)
    ]
    values = np.concatenate(found)
    values = values[~np.isnan(values)]
    if not len(values):
        return Interval(np.nan, np.nan)
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high))


def mean_of(values: Array, weights: Array | None = None) -> Statistic:
    """Return the mean as a statistic, such as accuracy from hits or MAE from absolute errors.

    Shape:
        values: `(n,)`. weights: `(n,)`, or None for equal weights; a sample whose weights are all 0 is nan.
    """
    values = values.astype(np.float64)
    if weights is None:
        return lambda indices: values[indices].mean(axis=1)
    weight = weights.astype(np.float64)
    products = weight * values

    def weighted(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return np.asarray(products[indices].sum(axis=1) / weight[indices].sum(axis=1), np.float64)

    return weighted


def root_mean_of(squares: Array, weights: Array | None = None) -> Statistic:
    """Return the root of the mean as a statistic, such as RMSE from squared errors.

    Shape:
        squares: `(n,)`. weights: `(n,)`, or None for equal weights.
    """
    mean = mean_of(squares, weights)
    return lambda indices: np.sqrt(mean(indices))


def resampled(statistic: WeightedStatistic, weights: Array | None = None) -> Statistic:
    """Return a function of the weights of examples as a statistic of samples.

    Args:
        statistic: Function of the weights.
        weights: Own weight of each example, `(n,)`; None for equal weights.
    """

    def sampled(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        samples, examples = len(indices), len(statistic.columns[0])
        # The examples of each sample are numbered apart, so that a single bincount counts all samples.
        apart = (indices + np.arange(samples)[:, None] * examples).reshape(-1)
        counts = np.bincount(apart, minlength=samples * examples).reshape(samples, examples).astype(np.float64)
        return statistic.compute(counts if weights is None else counts * weights, *statistic.columns)

    return sampled


def macro_f1_of(truth: Array, predicted: Array, size: int, *, weights: Array | None = None) -> Statistic:
    """Return the macro F1 as a statistic: the mean F1 of the classes that occur in a sample.

    Shape:
        truth, predicted: `(n,)` class indices below `size`. weights: `(n,)`, or None for equal weights.
    """

    def counted(classes: Array, indices: npt.NDArray[np.int64]) -> Array:
        samples = len(indices)
        # Offset the classes of each sample, so that a single bincount counts all samples.
        offsets = np.arange(samples)[:, None] * (size + 1)
        weight = None if weights is None else weights[indices].reshape(-1)
        found = np.bincount((classes[indices] + offsets).reshape(-1), weight, minlength=samples * (size + 1))
        return found.reshape(samples, size + 1)[:, :size]

    # Wrong predictions count as an extra class after the last one, which `counted` cuts off.
    hits = np.where(truth == predicted, truth, size)

    def statistic(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        whole = counted(truth, indices) + counted(predicted, indices)
        # A class that does not occur in a sample is 0 / 0, which nanmean leaves out.
        with np.errstate(invalid="ignore"):
            return np.asarray(np.nanmean(2 * counted(hits, indices) / whole, axis=1), np.float64)

    return statistic
