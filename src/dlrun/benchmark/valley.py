"""Suggest a learning rate from the losses of range tests, in which it rises exponentially from step to step.

Reference:
    Smith (2017), "Cyclical Learning Rates for Training Neural Networks", WACV, section 3.3, for the range test.
    https://arxiv.org/abs/1506.01186 A step on the longest fall is the suggestion *valley* of fastai's `lr_find`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

SMOOTHING = 0.9
LOWEST, HIGHEST = 1e-7, 10.0
STEPS = 100
DIVERGED = 4.0
"""A range test ends when the smoothed loss is so many times the smallest one."""
_FEWEST_STEPS = 8
"""A shorter fall is noise."""
_SKIPPED = 10
"""The first means are of few losses, and noisy."""
_LEAST_FALL = 0.03
"""A fall by a smaller part of the first loss is noise."""
_FLAT = 0.1
"""The part of a fall at each of its ends that does not count."""
_PART = 1 / 3
_LARGEST_SPREAD = 10.0
_DIGITS = 2


def rates(steps: int = STEPS) -> list[float]:
    """Return the learning rates of a range test, from the lowest to the highest at equal ratios."""
    ratio = (HIGHEST / LOWEST) ** (1 / (steps - 1))
    return [LOWEST * ratio**step for step in range(steps)]


def smoothed(losses: Sequence[float], *, beta: float = SMOOTHING) -> list[float]:
    """Return the exponential moving average of losses, without the pull towards 0 at its start.

    Formula:
        m_t = (1 - beta) sum over s <= t of beta^(t - s) x_s, divided by 1 - beta^(t + 1).
    """
    found, mean = [], 0.0
    for step, loss in enumerate(losses):
        mean = beta * mean + (1 - beta) * loss
        found.append(mean / (1 - beta ** (step + 1)))
    return found


@dataclass(frozen=True)
class Valley:
    """The longest fall of a loss.

    Args:
        start: The step where it starts.
        end: The step where it ends.
        fall: How far the loss falls, as a part of what it was.
    """

    start: int
    end: int
    fall: float

    @property
    def suggested_step(self) -> int:
        """The step whose learning rate is the suggestion."""
        return self.start + round((self.end - self.start) * _PART)

    @property
    def is_clear(self) -> bool:
        """Whether it is longer and deeper than noise."""
        return self.end - self.start >= _FEWEST_STEPS and self.fall >= _LEAST_FALL


def longest_valley(losses: Sequence[float]) -> Valley:
    """Return the span of the longest falling subsequence of smoothed losses, without its flat ends.

    Noise lets a flat loss fall a little over many steps. So the valley starts after the last step, and ends with the
    first one, whose loss is within a tenth of the whole fall from that of its end.

    Args:
        losses: At least one loss.
    """
    length, before = [1] * len(losses), [-1] * len(losses)
    for end in range(len(losses)):
        for start in range(end):
            if losses[end] < losses[start] and length[start] >= length[end]:
                length[end], before[end] = length[start] + 1, start
    steps = [max(range(len(losses)), key=lambda step: length[step])]
    while before[steps[0]] >= 0:
        steps.insert(0, before[steps[0]])
    high, low = losses[steps[0]], losses[steps[-1]]
    margin = _FLAT * (high - low)
    start = max(step for step in steps if losses[step] >= high - margin)
    end = min(step for step in steps if losses[step] <= low + margin)
    return Valley(start, max(start, end), (high - low) / (abs(high) or 1.0))


@dataclass(frozen=True)
class RangeTest:
    """The losses of one range test.

    Args:
        seed: The seed of weights and order.
        losses: The loss of each step until it diverged.
    """

    seed: int
    losses: tuple[float, ...]

    @property
    def curve(self) -> list[tuple[float, float]]:
        """Learning rate and smoothed loss of each step."""
        return list(zip(rates(), smoothed(self.losses), strict=False))

    def suggestion(self) -> float | None:
        """Return the learning rate of its valley; None if there is no clear one."""
        means = smoothed(self.losses)[_SKIPPED:]
        if len(means) < _FEWEST_STEPS:
            return None
        valley = longest_valley(means)
        return rates()[_SKIPPED + valley.suggested_step] if valley.is_clear else None


@dataclass(frozen=True)
class RateSuggestion:
    """What the range tests suggest.

    Args:
        rate: The learning rate, with two digits; None if the tests do not tell.
        reason: Why.
        lowest: The smallest suggestion of a seed; None if there is none.
        highest: The largest.
    """

    rate: float | None
    reason: str
    lowest: float | None = None
    highest: float | None = None


def suggest(tests: Sequence[RangeTest]) -> RateSuggestion:
    """Return the median of what the range tests suggest, if most of them have a clear valley, and alike ones.

    Args:
        tests: The tests, one for each seed.
    """
    found = [rate for test in tests if (rate := test.suggestion()) is not None]
    if len(found) * 2 <= len(tests):
        return RateSuggestion(
            None, f"no clear valley: the loss falls clearly in {len(found)} of {len(tests)} range tests"
        )
    lowest, highest = min(found), max(found)
    if highest > _LARGEST_SPREAD * lowest:
        reason = f"the seeds suggest {lowest:.2g} to {highest:.2g}, too far apart to choose"
        return RateSuggestion(None, reason, lowest, highest)
    rate = rounded(math.exp(median(map(math.log, found))))
    reason = f"one third down the longest fall of the loss; {len(found)} of {len(tests)} seeds: {lowest:.2g} to "
    return RateSuggestion(rate, f"{reason}{highest:.2g}", lowest, highest)


def rounded(number: float) -> float:
    """Return a positive number with two digits."""
    return float(f"{number:.{_DIGITS - 1}e}")
