"""Results from stored predictions: scores with confidence intervals, and a table of classes, labels or values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.runs.predictions import StoredPredictions
from dlrun.scoring.bootstrap import Statistic, bootstrap_interval, macro_f1_of, mean_of, resampled, root_mean_of
from dlrun.scoring.breakdown import COUNTS, Breakdown, collector_of, shown_count
from dlrun.scoring.deciding import decide, name_of_accuracy
from dlrun.scoring.masks import counts_of, pixel_statistic
from dlrun.signature import Target

Array = npt.NDArray[Any]

_TITLES = {"iou": "IoU", "dice": "Dice"}
_SAMPLES = 500
_MOST_ROWS = 60


@dataclass(frozen=True)
class Score:
    """A score with its 95 % confidence interval."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Findings:
    """Results from the predictions of a split.

    Args:
        examples: Number of examples in the split.
        count: Number of these with a stored prediction.
        scores: Scores with intervals.
        breakdown: Scores of each class, label or value.
        header: Column names of `rows`.
        rows: The breakdown as a table; with very many classes, the worst of them.
    """

    examples: int
    count: int
    scores: tuple[Score, ...]
    breakdown: Breakdown
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def find(predictions: StoredPredictions, target: Target) -> Findings:
    """Compute the results from stored predictions.

    Args:
        predictions: Predictions of a split.
        target: Target of the predictions.
    """
    collector = collector_of(target)
    collector.add(predictions.target, predictions.outputs, predictions.example_weights)
    breakdown = collector.breakdown()
    scores = tuple(_scores(predictions, target))
    parts = list(breakdown.parts.items())
    if len(parts) > _MOST_ROWS:
        parts = [(name, breakdown.parts[name]) for name in breakdown.worst_parts(_MOST_ROWS)]
    header = (
        breakdown.part_kind,
        *(_TITLES.get(name, name.replace("_", " ")) for name in (parts[0][1] if parts else ())),
    )
    rows = tuple((name, *(_written(key, value) for key, value in values.items())) for name, values in parts)
    return Findings(predictions.examples, len(predictions.rows), scores, breakdown, header, rows)


def _scores(predictions: StoredPredictions, target: Target) -> Iterator[Score]:
    for name, statistic in _statistics(predictions, target):
        count = len(predictions.rows)
        interval = bootstrap_interval(statistic, count, seed=0, samples=_SAMPLES)
        # The same function gives the value and its interval, so that the two cannot disagree.
        value = float(statistic(np.arange(count)[None])[0])
        # A score may be undefined for these examples, or in every sample of them.
        if math.isfinite(value) and math.isfinite(interval.low):
            yield Score(name, value, interval.low, interval.high)


def _statistics(predictions: StoredPredictions, target: Target) -> Iterator[tuple[str, Statistic]]:
    outputs, truth, weights = predictions.outputs, predictions.target, predictions.example_weights
    if target.kind == "input":
        yield "reconstruction error", mean_of(outputs, weights)
        return
    if target.kind == "mask":
        counts = counts_of(outputs.reshape(-1, target.size, target.size).astype(np.float64))
        yield "mean IoU", resampled(pixel_statistic(counts, is_mean_iou=True), weights)
        yield "accuracy of pixels", resampled(pixel_statistic(counts, is_mean_iou=False), weights)
        return
    if target.kind == "classes":
        found = decide(outputs, target)
        yield name_of_accuracy(target), mean_of(found == truth, weights)
        yield "macro F1", macro_f1_of(truth.astype(np.int64), found, target.size, weights=weights)
        return
    if target.kind == "class_columns":
        each = decide(outputs, target)
        for number, part in enumerate(target.parts):
            found, name = each[:, number], part.name
            yield f"accuracy of {name}", mean_of(found == truth[:, number], weights)
            classes = truth[:, number].astype(np.int64)
            yield f"macro F1 of {name}", macro_f1_of(classes, found, part.target.size, weights=weights)
        return
    if target.kind == "labels":
        name = name_of_accuracy(target).replace("accuracy", "accuracy of labels", 1)
        yield name, mean_of((decide(outputs, target) == truth).mean(axis=1), weights)
        return
    errors = outputs - truth.reshape(outputs.shape)
    yield from _of_errors("", errors, target, weights)
    if predictions.naive.size:
        naive_errors = predictions.naive.reshape(outputs.shape) - truth.reshape(outputs.shape)
        yield from _of_errors("naive: ", naive_errors, target, weights)


def _of_errors(prefix: str, errors: Array, target: Target, weights: Array | None) -> Iterator[tuple[str, Statistic]]:
    for index in range(min(errors.shape[1], 4)):
        of = f" of {target.output_names[index]}" if errors.shape[1] > 1 else ""
        yield f"{prefix}MAE{of}", mean_of(np.abs(errors[:, index]), weights)
        yield f"{prefix}RMSE{of}", root_mean_of(np.square(errors[:, index]), weights)


def _written(name: str, value: float) -> str:
    if name in COUNTS:
        return shown_count(value)
    return f"{value:.4f}" if math.isfinite(value) else "-"
