"""Scores as functions of the weights of examples, from which bootstrap samples of a score are computed all at once.

A bootstrap sample is the whole set of examples with other weights: how often each of them was drawn, times its own
weight. So one function gives the score, its value for weighted examples, and its samples, and these cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.classification import ratio

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

_NUMBERS_AT_ONCE = 1 << 22
_MOST_DRAWS = 20_000_000
_FEWEST_SAMPLES = 200
_NOTHING_LEFT = 1e-13
"""Relative size below which a difference of sums of squares is rounding error."""


@dataclass(frozen=True)
class WeightedStatistic:
    """A score of examples.

    Args:
        compute: Function from weights and the columns to the score of each row of weights; nan where it is undefined.
        columns: What the score needs of each example.
        larger_is_better: Whether a larger score is better; None if neither is.
        positives: Whether each example is one that the score is a fraction of; None if it is about all examples.

    Shape:
        weights: `(samples, n)`. columns, positives: `(n,)` each. The score: `(samples,)`.
    """

    compute: Callable[..., Float]
    columns: tuple[Array, ...]
    larger_is_better: bool | None = None
    positives: Array | None = None

    def of(self, weights: Float, rows: Array) -> Float:
        """Return the scores of some examples for several weightings.

        Args:
            weights: Weights, `(samples, k)`.
            rows: Indices of the examples, `(k,)`.
        """
        return self.compute(weights, *(column[rows] for column in self.columns))


def bootstrap_weights(
    examples: int, *, seed: tuple[int, ...], weight: Array | None = None, samples: int | None = None
) -> Iterator[Float]:
    """Yield the weights of bootstrap samples in blocks, to limit memory.

    By default there are 1,000 samples, and fewer for more than 20,000 examples, whose scores vary little.

    Args:
        examples: Number of examples.
        seed: Seed of the resampling.
        weight: Own weight of each example, `(examples,)`; None for equal weights.
        samples: Number of samples; None for the default.

    Formula:
        the number of times that each example occurs among `examples` drawn with replacement, times its own weight

    Reference:
        Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", chapter 6.

    Shape:
        Each block: `(samples, examples)`.
    """
    generator = np.random.default_rng(seed)
    samples = samples or max(_FEWEST_SAMPLES, min(1000, _MOST_DRAWS // max(1, examples)))
    at_once = max(1, _NUMBERS_AT_ONCE // max(1, examples))
    for start in range(0, samples, at_once):
        count = min(at_once, samples - start)
        drawn = generator.integers(0, examples, (count, examples))
        # The examples of each sample are numbered apart, so that a single bincount counts all samples.
        drawn += np.arange(count)[:, None] * examples
        counts = np.bincount(drawn.reshape(-1), minlength=count * examples).reshape(count, examples).astype(np.float64)
        yield counts if weight is None else counts * weight


def mean_statistic(values: Array, *, larger_is_better: bool | None) -> WeightedStatistic:
    """Return the weighted mean as a statistic.

    Shape:
        values: `(n,)`.
    """
    return WeightedStatistic(_mean, (values.astype(np.float64),), larger_is_better)


def root_mean_statistic(squares: Array) -> WeightedStatistic:
    """Return the root of the weighted mean, such as RMSE from squared errors; smaller is better.

    Shape:
        squares: `(n,)`.
    """
    return WeightedStatistic(
        lambda weights, values: np.sqrt(_mean(weights, values)), (squares.astype(np.float64),), False
    )


def rate_statistic(is_hit: Array, is_counted: Array, *, larger_is_better: bool | None = None) -> WeightedStatistic:
    """Return the weighted fraction of the counted examples that are hits, such as the true positive rate.

    Shape:
        is_hit, is_counted: `(n,)` bool.
    """

    def compute(weights: Float, hit: Array, counted: Array) -> Float:
        return ratio(weights @ hit, weights @ counted, otherwise=np.nan)

    columns = ((is_hit & is_counted).astype(np.float64), is_counted.astype(np.float64))
    return WeightedStatistic(compute, columns, larger_is_better, positives=is_counted)


def r2_statistic(truth: Array, predicted: Array) -> WeightedStatistic:
    """Return the weighted R2; see `r2_score`.

    Formula:
        1 - sum(w e^2) / (sum(w y^2) - sum(w y)^2 / sum(w)), with y less its mean, which keeps digits

    Shape:
        truth, predicted: `(n,)`.
    """
    truth, predicted = truth.astype(np.float64), predicted.astype(np.float64)

    def compute(weights: Float, y: Array, squared_error: Array) -> Float:
        centred = y - y.mean() if len(y) else y
        squares = weights @ np.square(centred)
        spread = squares - ratio(np.square(weights @ centred), weights.sum(axis=1), otherwise=0.0)
        spread = np.where(spread > _NOTHING_LEFT * squares, spread, 0.0)
        return 1 - ratio(weights @ squared_error, spread, otherwise=np.nan)

    return WeightedStatistic(compute, (truth, np.square(predicted - truth)), True)


def macro_f1_statistic(truth: Array, predicted: Array) -> WeightedStatistic:
    """Return the weighted macro F1: the mean F1 of the classes that occur; see `ClassCounts.f1`.

    Shape:
        truth, predicted: `(n,)` class indices.
    """

    def compute(weights: Float, true: Array, found: Array) -> Float:
        # Only classes that occur in these examples can occur in a sample of them.
        classes = np.union1d(true, found)
        is_true, is_found = (each[:, None] == classes for each in (true, found))
        whole = weights @ is_true.astype(np.float64) + weights @ is_found.astype(np.float64)
        scores = ratio(2 * (weights @ (is_true & is_found).astype(np.float64)), whole, otherwise=np.nan)
        occurs = ~np.isnan(scores)
        return ratio(np.where(occurs, scores, 0.0).sum(axis=1), occurs.sum(axis=1), otherwise=np.nan)

    return WeightedStatistic(compute, (truth.astype(np.int64), predicted.astype(np.int64)), True)


def roc_auc_statistic(is_positive: Array, scores: Array) -> WeightedStatistic:
    """Return the weighted area under the ROC curve; see `roc_auc`.

    Formula:
        sum over groups of equal scores of P_g (N_below + N_g / 2) / (P N), with P_g and N_g the weights of the group's
        positive and negative examples, and N_below the weight of all negative examples with smaller scores

    Shape:
        is_positive: `(n,)` bool. scores: `(n,)`.
    """

    def compute(weights: Float, positive: Array, of: Array) -> Float:
        if not len(of) or np.isnan(of).any():
            return np.full(len(weights), np.nan)
        order = np.argsort(of, kind="stable")
        starts = np.flatnonzero(np.diff(of[order], prepend=np.nan) != 0)
        weights, is_one = weights[:, order], positive[order].astype(np.float64)
        ones = np.add.reduceat(weights * is_one, starts, axis=1)
        zeros = np.add.reduceat(weights * (1 - is_one), starts, axis=1)
        below = np.cumsum(zeros, axis=1) - zeros / 2
        return ratio((ones * below).sum(axis=1), ones.sum(axis=1) * zeros.sum(axis=1), otherwise=np.nan)

    return WeightedStatistic(compute, (is_positive.astype(bool), scores.astype(np.float64)), True)


def _mean(weights: Float, values: Array) -> Float:
    return ratio(weights @ values, weights.sum(axis=1), otherwise=np.nan)
