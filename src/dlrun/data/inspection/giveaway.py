"""Find columns that leak the target: they are known only together with it, or are a copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.dataset import Dataset
from dlrun.data.inspection.column_values import ColumnValues, column_values
from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.inspected import MOST_SAMPLED, Inspected, sampled_places
from dlrun.data.series.input import SeriesInput
from dlrun.signature import Target

TOO_GOOD = 0.98
"""Score of a single column (AUC, R2, or accuracy beyond chance) from which on it is too good to be true."""

PERFECT = 0.9995
"""Score of a column that determines the target in every row. With many rows, that is not chance."""

MANY = 200
"""Number of training examples from which on a perfect column is a failure. With fewer, it may be a good feature."""

GIVEAWAY = "target given away"
"""The name of the check."""

_FEWEST = 30
_MOST_BINS = 64
_EXAMPLES_OF_A_BIN = 10
_LARGEST_TABLE = 20_000_000
_SHOWN = 5

Array = npt.NDArray[Any]


def check_giveaway(inspected: Inspected, *, most: int = MOST_SAMPLED) -> Iterator[Finding]:
    """Find columns that predict the target nearly perfectly on their own.

    Args:
        inspected: The inspected dataset.
        most: Maximum number of training examples to use.
    """
    dataset = inspected.dataset
    train, target = dataset.splits["train"], dataset.target
    if target is None or train.target is None or target.kind == "input":
        return
    places = sampled_places(train.features, most=most)
    columns = column_values(dataset, np.asarray(train.features[places]))
    # With fewer rows, a column may score this high by chance.
    if not columns or len(places) < _FEWEST:
        return
    truth = np.asarray(train.target[places]).reshape(len(places), -1)
    scores = [(*_best_score(column, truth, target), column.name) for column in columns]
    known = _known_anyway(dataset, places, truth)
    found = sorted((each for each in scores if each[0] >= max(TOO_GOOD, known)), reverse=True)
    threshold = f"no column alone reaches an AUC, R2 or accuracy beyond chance of {TOO_GOOD}"
    advice = "if it is not yet known at the time of a prediction: ignore: [{name}]"
    for score, index, name in found[:_SHOWN]:
        of = f" {target.names[index]}" if truth.shape[1] > 1 and len(target.names) == truth.shape[1] else ""
        leak = f"{name} alone predicts the target{of} with {score:.4f}"
        column = next(column for column in columns if column.name == name)
        sure = _is_copy(column, truth[:, index]) or (score >= PERFECT and len(places) >= MANY)
        yield Finding("failure" if sure else "warning", GIVEAWAY, leak, threshold, advice.format(name=name))
    if not found:
        score, _, name = max(scores)
        best = f"the best of {len(columns):,} columns is {name} with {max(score, 0):.3f}"
        yield Finding("pass", GIVEAWAY, best, threshold)


def _is_copy(column: ColumnValues, answer: Array) -> bool:
    """Return whether values and targets correspond one to one: the column is the target in other words."""
    known = ~np.isnan(column.values.astype(np.float64))
    _, values = np.unique(column.values[known], return_inverse=True)
    _, answers = np.unique(answer[known], return_inverse=True)
    # A constant column and a constant target correspond one to one, too, but nothing is given away.
    if len(values) < _FEWEST or values.max() != answers.max() or not values.max():
        return False
    # Each pair becomes one number, because `np.unique` is much slower for rows of two.
    pairs = len(np.unique(values.astype(np.int64) * (int(answers.max()) + 1) + answers))
    return pairs == int(values.max()) + 1


def _known_anyway(dataset: Dataset, places: npt.NDArray[np.int64], truth: Array) -> float:
    """Return the score of the naive forecast of a series, which a suspicious column must exceed; 0 for other data."""
    if not isinstance(dataset.raw_input(), SeriesInput) or "train" not in dataset.naive:
        return 0.0
    last = dataset.naive["train"][places].reshape(len(places), -1)
    # In a slow series, all columns that follow the target score about as high as its last value; a leak scores
    # higher than that by a margin.
    return max(_r2(last[:, index], truth[:, index]) for index in range(truth.shape[1])) + (1 - TOO_GOOD) / 10


def _best_score(column: ColumnValues, truth: Array, target: Target) -> tuple[float, int]:
    """Return the score of a column for the target that it predicts best, and the index of that target."""
    scores = []
    for index in range(truth.shape[1]):
        answer = truth[:, index]
        if target.kind == "values":
            scores.append(_score_of_values(column, answer))
        else:
            scores.append(_score_of_classes(column, answer.astype(np.int64), 2 if target.kind == "labels" else 0))
    return max((score, index) for index, score in enumerate(scores))


def _score_of_classes(column: ColumnValues, answer: Array, classes: int) -> float:
    count = classes or int(answer.max()) + 1
    ids = column.values if column.kind == "categorical" else binned(column.values)
    scores = [skill(ids, answer, count)]
    if column.kind == "numeric" and count == 2:
        scores.append(auc(column.values, answer))
    return max(scores)


def _score_of_values(column: ColumnValues, answer: Array) -> float:
    if column.kind == "categorical":
        return _r2_by_category(column.values, answer.astype(np.float64))
    known = ~np.isnan(column.values)
    values, answer = column.values[known], answer[known].astype(np.float64)
    if len(values) < _FEWEST:
        return 0.0
    # Ranks also find a monotonic copy, such as the logarithm of the target.
    return max(_r2(values, answer), _r2(ranks(values), ranks(answer)))


def auc(values: Array, answer: Array) -> float:
    """Return the area under the ROC curve of a column as a score of class 1, in either direction.

    Formula:
        max(a, 1 - a), where a = (sum of the ranks of class 1 - n1 (n1 + 1) / 2) / (n0 n1)
    """
    known = ~np.isnan(values)
    values, answer = values[known], answer[known]
    ones = int(answer.sum())
    if not 0 < ones < len(answer):
        return 0.0
    area = (ranks(values)[answer == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(answer) - ones))
    return float(max(area, 1 - area))


def ranks(values: Array) -> npt.NDArray[np.float64]:
    """Return the rank of each value, from 1. Equal values have their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place], np.float64)


def binned(values: Array) -> npt.NDArray[np.int64]:
    """Return numbers as ids: one for each value if they are few, else by quantile; one more for missing values."""
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    bins = min(_MOST_BINS, max(2, len(known) // _EXAMPLES_OF_A_BIN))
    if len(distinct) > bins:
        distinct = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
    ids = np.searchsorted(distinct, values, side="right")
    return np.where(np.isnan(values), len(distinct) + 1, ids)


def skill(ids: Array, answer: Array, classes: int) -> float:
    """Return how well ids predict classes: 1 is perfect, 0 is no better than the most frequent class.

    Formula:
        (accuracy - a) / (1 - a), where a is the accuracy of the most frequent class. The prediction for an id is its
        most frequent class in every second example, and the accuracy is measured on the other examples.
    """
    size = int(ids.max()) + 1
    if size * classes > _LARGEST_TABLE:
        return 0.0
    # Learned and measured on different examples, because ids that occur once would predict themselves perfectly.
    learnt, tested = slice(0, None, 2), slice(1, None, 2)
    counts = np.bincount(ids[learnt] * classes + answer[learnt], minlength=size * classes).reshape(size, classes)
    most = int(counts.sum(axis=0).argmax())
    predicted = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), most)[ids[tested]]
    base = float((answer[tested] == most).mean())
    return (float((predicted == answer[tested]).mean()) - base) / (1 - base) if base < 1 else 0.0


def _r2(values: Array, answer: Array) -> float:
    """Return the squared correlation."""
    if not (np.ptp(values) > 0 and np.ptp(answer) > 0):
        return 0.0
    return float(np.corrcoef(values.astype(np.float64), answer.astype(np.float64))[0, 1] ** 2)


def _r2_by_category(ids: Array, answer: Array) -> float:
    """Return R2 of predicting the mean of each category, measured on examples other than those of the means."""
    learnt, tested = slice(0, None, 2), slice(1, None, 2)
    size, mean = int(ids.max()) + 1, float(answer[learnt].mean())
    counts = np.bincount(ids[learnt], minlength=size)
    sums = np.bincount(ids[learnt], weights=answer[learnt], minlength=size)
    predicted = np.where(counts > 0, sums / np.maximum(counts, 1), mean)[ids[tested]]
    whole = float(np.square(answer[tested] - mean).sum())
    return 1 - float(np.square(answer[tested] - predicted).sum()) / whole if whole else 0.0
