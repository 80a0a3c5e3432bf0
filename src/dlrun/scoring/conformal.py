"""Split conformal intervals: how far the truth of new examples may be from the prediction, at a given probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.errors import UsageError

Array = npt.NDArray[Any]
_MOST_RANKS, _LAST_RANKS = 2000, 200
"""Of very many scores, so many are kept, and the largest without a gap."""
_ROUNDING = 1e-12
"""Relative tolerance for sums of weights, so that equal weights give what no weights give."""


@dataclass(frozen=True)
class ConformalScores:
    """Sorted conformity scores of examples that the network was not fitted to.

    Weighted examples count as fewer equal ones, by Kish's effective size. Their score at a rank is a weighted quantile,
    so everything else is as for equal weights. A new example is assumed to weigh what an example drawn by the weights
    weighs on average, because its own weight is not known.

    Args:
        examples: The number of these examples; of weighted ones, as how many equal ones they count.
        ranks: The ranks of the kept scores, ascending from 1; all ranks if the examples are few.
        scores: The score at each rank, for each pair and each value: `scores[pair][value][rank]`.
        pairs: The places of the lower and the upper level of each pair of quantiles that the model predicts, from the
            outermost inwards. Empty if the scores are absolute errors, which count as one pair.
        levels: The nominal probability between the quantiles of each pair.
        is_weighted: Whether the examples have weights.

    Formula:
        absolute errors: |y - f(x)|; of quantiles: max(q_low(x) - y, y - q_high(x))
        weights: m = floor((sum of w)^2 / sum of w^2) examples, and the score of rank r is the smallest one up to which
        the scores have r/m of the weight

    Reference:
        Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, 2018, "Distribution-Free Predictive Inference for Regression".
        Romano, Patterson and Candès, 2019, "Conformalized Quantile Regression", arXiv:1905.03222.
        Tibshirani, Barber, Candès and Ramdas, 2019, "Conformal Prediction Under Covariate Shift", arXiv:1904.06019.
    """

    examples: int
    ranks: tuple[int, ...]
    scores: tuple[tuple[tuple[float, ...], ...], ...]
    pairs: tuple[tuple[int, int], ...] = ()
    levels: tuple[float, ...] = ()
    is_weighted: bool = False

    @classmethod
    def measure(
        cls,
        truth: Array,
        predicted: Array,
        *,
        levels: Sequence[float] = (),
        main: int = 0,
        weight: Array | None = None,
    ) -> ConformalScores:
        """Measure the scores of examples.

        Args:
            truth: The true values.
            predicted: The predictions of each value, at each level.
            levels: The levels of predicted quantiles; empty if there are none.
            main: The place of the prediction itself among them.
            weight: What each example counts; None if all count once. Only ratios matter, and not all may be 0.

        Shape:
            truth: `(n, size)`. predicted: `(n, levels, size)`, with one level if there are no quantiles. weight:
            `(n,)`.
        """
        pairs = tuple((place, len(levels) - 1 - place) for place in range(len(levels) // 2))
        if pairs:
            found = [np.maximum(predicted[:, low] - truth, truth - predicted[:, high]) for low, high in pairs]
        else:
            found = [np.abs(truth - predicted[:, main])]
        examples = len(truth) if weight is None else _effective_size(weight)
        ranks = _kept_ranks(examples)
        scores = tuple(
            tuple(tuple(_ranked(column, ranks, examples, weight).tolist()) for column in each.astype(np.float64).T)
            for each in found
        )
        nominal = tuple(round(levels[high] - levels[low], 12) for low, high in pairs)
        return cls(examples, tuple(ranks.tolist()), scores, pairs, nominal, weight is not None)

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.scores[0])

    def allows(self, level: float) -> bool:
        """Return whether there are enough scores for an interval of a level."""
        return self._rank(level) <= self.examples

    def check_level(self, level: float) -> None:
        """Check that there are enough scores for an interval.

        Args:
            level: The probability that the truth is within the interval.

        Raises:
            UsageError: There are too few.
        """
        if not self.allows(level):
            needed = math.ceil(1 / (1 - _exact(level))) - 1
            largest = math.floor(1000 * self.examples / (self.examples + 1)) / 1000
            weighted = ", as many as its weighted ones count" if self.is_weighted else ""
            raise UsageError(
                f"an interval of {level:g} needs at least {needed:,} validation examples, and the run has "
                f"{self.examples:,}{weighted}",
                expected=f"a level of at most {largest:g}",
                hint="train with a larger dataset.validation for a higher level",
            )

    def offsets(self, level: float, *, pair: int = 0) -> tuple[float, ...]:
        """Return the distance of the bounds of each value from the prediction, or from a pair of quantiles.

        Args:
            level: The probability, which `check_level` accepts.
            pair: The place of the pair.
        """
        place = int(np.searchsorted(self.ranks, self._rank(level)))  # rounded up to a rank that is kept
        return tuple(column[place] for column in self.scores[pair])

    def bounds(self, predicted: Array, level: float, *, main: int = 0) -> tuple[Array, Array]:
        """Return the lower and upper bound of each value.

        A new example is within them with at least this probability, if it is drawn like the examples of the scores.

        Args:
            predicted: The predictions, as for `measure`.
            level: The probability, which `check_level` accepts.
            main: The place of the prediction itself among the levels.

        Formula:
            f(x) +- s, or q_low(x) - s and q_high(x) + s, where s is the score of rank ceil((n + 1) level)

        Shape:
            predicted: `(n, levels, size)`. Returns: `(n, size)` each.
        """
        # Of several pairs, the one whose quantiles need the smallest correction.
        pair = min(range(len(self.pairs)), key=lambda place: abs(self.levels[place] - level), default=0)
        low, high = self.pairs[pair] if self.pairs else (main, main)
        offset = np.array(self.offsets(level, pair=pair))
        lower, upper = predicted[:, low] - offset, predicted[:, high] + offset
        # A negative correction may exchange the bounds of a narrow interval.
        middle = (lower + upper) / 2
        return np.minimum(lower, middle), np.maximum(upper, middle)

    def _rank(self, level: float) -> int:
        return math.ceil((self.examples + 1) * _exact(level))


def check_probability(level: float) -> None:
    """Check the level of an interval.

    Raises:
        UsageError: It is not between 0 and 1.
    """
    if not 0 < level < 1:
        hint = f"--intervals {level / 100:g}" if 1 < level < 100 else "--intervals 0.9"
        raise UsageError(f"an interval of {level:g} is not possible", expected="a number between 0 and 1", hint=hint)


def _exact(level: float) -> Fraction:
    return Fraction(str(float(level)))  # 0.9 is 9/10, not the nearest binary number


def _effective_size(weight: Array) -> int:
    """Return the number of equal examples that estimate a mean as well as weighted ones do.

    Reference:
        Kish, 1965, "Survey Sampling".
    """
    values = weight.astype(np.float64) / float(weight.max())  # so that no square overflows
    return math.floor(float(values.sum()) ** 2 / float(np.square(values).sum()) * (1 + _ROUNDING))


def _ranked(scores: Array, ranks: npt.NDArray[np.int64], examples: int, weight: Array | None) -> Array:
    """Return the scores at some ranks of `examples` in total."""
    if weight is None:
        return np.asarray(np.sort(scores)[ranks - 1])
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(weight[order].astype(np.float64))
    places = np.searchsorted(below, ranks / examples * below[-1] * (1 - _ROUNDING))
    return np.asarray(scores[order][places])


def _kept_ranks(count: int) -> npt.NDArray[np.int64]:
    if count <= _MOST_RANKS:
        return np.arange(1, count + 1)
    spread = np.linspace(1, count, _MOST_RANKS - _LAST_RANKS).round().astype(np.int64)
    return np.unique(np.concatenate([spread, np.arange(count - _LAST_RANKS + 1, count + 1)]))
