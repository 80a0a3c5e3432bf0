"""The scores of a search as one scale, on which few very bad trials do not hide the differences between good ones."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dlrun.search.outcome import Objective

_TIMES_AS_BAD = 8
"""A score that is this many times as far from the best as the median is, is outside."""
_OF_VALIDATION = "val_"
_WIDE = 20
"""The ratio of the largest and the smallest value from which a scale is logarithmic."""


@dataclass(frozen=True)
class ScoreScale:
    """The part of the values of an objective that plots show.

    Args:
        objective: The objective.
        low: The smallest value shown.
        high: The largest value shown.
        outside: How many scores are worse than that; plots show them at the edge.
    """

    objective: Objective
    low: float
    high: float
    outside: int = 0

    @property
    def title(self) -> str:
        """The name of the objective, with an arrow in the direction of better values."""
        return self.objective.name + (" ↑" if self.objective.larger_is_better else " ↓")

    @property
    def is_log(self) -> bool:
        """Whether it is a cost whose values are so different that only their logarithms can be compared."""
        return not self.objective.name.startswith(_OF_VALIDATION) and self.low > 0 and self.high / self.low > _WIDE

    def clip(self, value: float) -> float:
        """Return the value, or the edge that it lies beyond."""
        return min(max(value, self.low), self.high)

    def is_outside(self, value: float) -> bool:
        """Return whether plots show the value at the edge."""
        return not self.low <= value <= self.high

    def place(self, value: float) -> float:
        """Return where a value lies on the scale, from 0 for the smallest to 1 for the largest."""
        value = self.clip(value)
        if self.high <= self.low:
            return 0.5
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def limits(self) -> tuple[float, float]:
        """Return the ends of an axis, with a margin."""
        if self.is_log:
            margin = (self.high / self.low) ** 0.06
            return self.low / margin, self.high * margin
        margin = 0.06 * (self.high - self.low) or 0.05 * abs(self.high) or 0.05
        return self.low - margin, self.high + margin


def score_scale(objective: Objective, values: Iterable[float | None]) -> ScoreScale | None:
    """Return the scale of an objective.

    Args:
        objective: The objective.
        values: The scores to show; None for undefined ones.

    Returns:
        The scale; None if no score is defined.
    """
    known = np.array([value for value in values if value is not None and math.isfinite(value)])
    if not len(known):
        return None
    low, high, middle = float(known.min()), float(known.max()), float(np.median(known))
    # A cost such as the number of parameters differs by its nature, and good trials may have a large one.
    if objective.name.startswith(_OF_VALIDATION) and len(known) > 2:
        if objective.larger_is_better and high > middle:
            low = float(known[known >= high - _TIMES_AS_BAD * (high - middle)].min())
        elif not objective.larger_is_better and low < middle:
            high = float(known[known <= low + _TIMES_AS_BAD * (middle - low)].max())
    return ScoreScale(objective, low, high, outside=int(((known < low) | (known > high)).sum()))
