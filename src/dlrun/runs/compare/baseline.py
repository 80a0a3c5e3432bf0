"""Compare the scores of a run with those of its baseline, a prediction that needs no model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dlrun.runs.record import RunRecord
from dlrun.signature import LAST_VALUE, SEASONAL_VALUE

_SPLITS = ("test", "validation", "train")
_DIGITS, _MOST_DIGITS = 4, 18
WHAT_TO_TRY = (
    "try model: {type: linear, solver: least_squares}, dataset.difference: true or seasonal, or a longer history; "
    "dlrun init --type series measures which of them suits the data, and writes the naive forecast if none does"
)
"""What to change if a model of a series is not better than a naive forecast."""

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


def is_forecast(method: str) -> bool:
    """Return whether a baseline is a naive forecast of a series."""
    return method == LAST_VALUE or method.startswith(SEASONAL_VALUE)


def compare_with_naive(
    record: RunRecord, split: str, directions: Mapping[str, str], *, weaker: str = ""
) -> tuple[BaselineComparison, ...]:
    """Compare all scores that are finite and have a known direction.

    The model's loss may include penalties on weights, which the baseline does not have. So if there are metrics, a loss
    is only included if it is better in spite of that.

    Args:
        record: The record of a run with its scores and those of the baseline.
        split: The name of the split.
        directions: `min` or `max` for each score.
        weaker: The method of another naive forecast; empty for the baseline.

    Returns:
        The comparisons, with metrics before the loss.
    """
    by_split = record.baseline.weaker.get(weaker, {}) if record.baseline and weaker else record.naive
    compared = list(_comparisons(record.result[split], by_split.get(split, {}), directions))
    metrics = [each for each in compared if each.name != "loss"]
    losses = [each for each in compared if each.name == "loss" and (each.gain > 0 or not metrics)]
    return (*metrics, *losses)


def warn_of_naive(record: RunRecord) -> str:
    """Return a warning about a model that is not better than the baseline, or a weaker one, in any metric.

    The weaker naive forecast of a series had a larger error on the training split, but may be better on this one.

    Args:
        record: The record of a complete run, with its scores and those of the baseline.

    Returns:
        The warning about the test split, or else the validation split; empty if some metric is better there, or nothing
        can be compared.
    """
    methods = ("", *(record.baseline.weaker if record.baseline else ()))
    # Validation, too: a model that fails only there was chosen badly, whatever luck it has on the test split.
    splits = [split for split in ("test", "validation") if record.result.get(split)] or [main_split(record)]
    messages = (_warning(record, split, weaker=method) for split in splits if split for method in methods)
    return next(filter(None, messages), "")


def _warning(record: RunRecord, split: str, *, weaker: str = "") -> str:
    compared = compare_with_naive(record, split, {"loss": "min", **record.directions}, weaker=weaker)
    metrics = [each for each in compared if each.name != "loss"] or list(compared)
    if not metrics or any(each.gain > 0 for each in metrics):
        return ""
    how = "worse" if any(each.gain < 0 for each in metrics) else "no better"
    method = weaker or naive_method(record)
    message = f"the model is {how} than predicting {method} on the {split} split: {_written(metrics)}"
    losses = [each for each in compared if each not in metrics]
    return f"{message}; only its loss is better: {_written(losses)}" if losses else message


def _comparisons(
    result: Mapping[str, float | None], naive: Mapping[str, float | None], directions: Mapping[str, str]
) -> Iterator[BaselineComparison]:
    for name, value in result.items():
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
