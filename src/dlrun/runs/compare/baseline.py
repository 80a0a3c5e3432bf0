"""Compare the scores of a run with those of its baseline, a prediction that needs no model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dlrun.runs.record import RunRecord

LAST_VALUE = "the last value"
_SPLITS = ("test", "validation", "train")
_DIGITS, _MOST_DIGITS = 4, 18
_ROUNDING = 1e-5
"""Scores that differ by a smaller fraction than this are equal: both are sums of many numbers in float32."""


@dataclass(frozen=True)
class BaselineComparison:
    """A score of the model, next to that of the baseline.

    Args:
        name: The name of the score.
        value: The score of the model.
        naive: The score of the baseline.
        gain: By how much the model is better; negative if it is worse.
    """

    name: str
    value: float
    naive: float
    gain: float

    def __str__(self) -> str:
        """Return both scores, with as many digits as it takes to see a difference."""
        for digits in range(_DIGITS, _MOST_DIGITS):
            value, naive = (_number(each, digits) for each in (self.value, self.naive))
            if value != naive or self.gain == 0:
                break
        return f"{self.name} {value} against {naive}"


def main_split(record: RunRecord) -> str:
    """Return the split whose scores are the result: the test split if there is one; empty without scores."""
    return next((split for split in _SPLITS if record.result.get(split)), "")


def naive_method(record: RunRecord) -> str:
    """Return the description of the baseline."""
    return record.baseline.method if record.baseline else LAST_VALUE  # earlier versions had baselines of series only


def compare_with_naive(record: RunRecord, split: str, directions: Mapping[str, str]) -> tuple[BaselineComparison, ...]:
    """Compare all scores that are finite and have a known direction.

    The model's loss may include penalties on weights, which the baseline does not have. So if there are metrics, a loss
    is only included if it is better in spite of that.

    Args:
        record: The record of a run with its scores and those of the baseline.
        split: The name of the split.
        directions: `min` or `max` for each score.

    Returns:
        The comparisons, with metrics before the loss.
    """
    compared = list(_comparisons(record, split, directions))
    metrics = [each for each in compared if each.name != "loss"]
    losses = [each for each in compared if each.name == "loss" and (each.gain > 0 or not metrics)]
    return (*metrics, *losses)


def warn_of_naive(record: RunRecord) -> str:
    """Return a warning about a model that is not better than the baseline in any metric.

    Args:
        record: The record of a complete run, with its scores and those of the baseline.

    Returns:
        The warning; empty if some metric is better, or nothing can be compared.
    """
    split = main_split(record)
    compared = compare_with_naive(record, split, {"loss": "min", **record.directions}) if split else ()
    metrics = [each for each in compared if each.name != "loss"] or list(compared)
    if not metrics or any(each.gain > 0 for each in metrics):
        return ""
    how = "worse" if any(each.gain < 0 for each in metrics) else "no better"
    message = f"the model is {how} than predicting {naive_method(record)} on the {split} split: {_written(metrics)}"
    losses = [each for each in compared if each not in metrics]
    return f"{message}; only its loss is better: {_written(losses)}" if losses else message


def _comparisons(record: RunRecord, split: str, directions: Mapping[str, str]) -> Iterator[BaselineComparison]:
    naive = record.naive.get(split, {})
    for name, value in record.result[split].items():
        base, direction = naive.get(name), directions.get(name)
        if value is None or base is None or direction is None or not math.isfinite(value - base):
            continue
        gain = 0.0 if math.isclose(value, base, rel_tol=_ROUNDING) else value - base
        yield BaselineComparison(name, value, base, gain if direction == "max" else -gain)


def _written(compared: Iterable[BaselineComparison]) -> str:
    return ", ".join(map(str, compared))


def _number(value: float, digits: int) -> str:
    is_large = 10**digits <= abs(value) < 10**_MOST_DIGITS
    return f"{value:,.0f}" if is_large else f"{value:.{digits}g}"
