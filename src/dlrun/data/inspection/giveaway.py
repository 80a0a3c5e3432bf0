"""Columns that give the target away: what is known only once the answer is, or the answer under another name."""

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
"""AUC, or part of what is not known beforehand that one column explains, from which on it is too good to be true."""

PERFECT = 0.9995
"""The same of a column that says the answer in every row, but for rounding: with many rows that is no chance."""

MANY = 200
"""Training examples from which on a perfect column is the answer under another name; of fewer it may be a good one."""

GIVEAWAY = "target given away"
"""What the check is called."""

_FEWEST = 30
_MOST_BINS = 64
_EXAMPLES_OF_A_BIN = 10
_LARGEST_TABLE = 20_000_000
_TOLD = 5

Array = npt.NDArray[Any]


def check_giveaway(inspected: Inspected, *, most: int = MOST_SAMPLED) -> Iterator[Finding]:
    """Each column by itself, as a predictor of the target.

    Args:
        inspected: The data.
        most: Training examples to look at.
    """
    dataset = inspected.dataset
    train, target = dataset.splits["train"], dataset.target
    if target is None or train.target is None or target.kind == "input":
        return
    places = sampled_places(train.features, most=most)
    columns = column_values(dataset, np.asarray(train.features[places]))
    if not columns or len(places) < _FEWEST:
        return
    truth = np.asarray(train.target[places]).reshape(len(places), -1)
    scores = [(*_best_score(column, truth, target), column.name) for column in columns]
    known = _known_anyway(dataset, places, truth)
    found = sorted((each for each in scores if each[0] >= max(TOO_GOOD, known)), reverse=True)
    threshold = f"no column alone has an AUC, an R2 or an accuracy beyond chance of {TOO_GOOD}"
    advice = "if it is not known yet when a prediction is made: ignore: [{name}]"
    for score, index, name in found[:_TOLD]:
        of = f" {target.names[index]}" if truth.shape[1] > 1 and len(target.names) == truth.shape[1] else ""
        said = f"{name} alone predicts the target{of} with {score:.4f}"
        column = next(column for column in columns if column.name == name)
        sure = _is_copy(column, truth[:, index]) or (score >= PERFECT and len(places) >= MANY)
        yield Finding("failure" if sure else "warning", GIVEAWAY, said, threshold, advice.format(name=name))
    if not found:
        score, _, name = max(scores)
        said = f"the best of {len(columns):,} columns is {name} with {max(score, 0):.3f}"
        yield Finding("pass", GIVEAWAY, said, threshold)


def _is_copy(column: ColumnValues, answer: Array) -> bool:
    """Whether each value of a column stands for one answer and each answer for one value: the target, renamed."""
    known = ~np.isnan(column.values.astype(np.float64))
    _, values = np.unique(column.values[known], return_inverse=True)
    _, answers = np.unique(answer[known], return_inverse=True)
    if len(values) < _FEWEST or values.max() != answers.max() or not values.max():
        return False
    pairs = len(np.unique(values.astype(np.int64) * (int(answers.max()) + 1) + answers))
    return pairs == int(values.max()) + 1


def _known_anyway(dataset: Dataset, places: npt.NDArray[np.int64], truth: Array) -> float:
    """Of a series, what its last value predicts; a column is suspect only if it predicts more than the past does."""
    if not isinstance(dataset.raw_input(), SeriesInput) or "train" not in dataset.naive:
        return 0.0
    last = dataset.naive["train"][places].reshape(len(places), -1)
    return max(_r2(last[:, index], truth[:, index]) for index in range(truth.shape[1])) + (1 - TOO_GOOD) / 10


def _best_score(column: ColumnValues, truth: Array, target: Target) -> tuple[float, int]:
    """How well a column predicts that of the targets which it predicts best, and the number of that."""
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
    return max(_r2(values, answer), _r2(ranks(values), ranks(answer)))


def auc(values: Array, answer: Array) -> float:
    """The area under the ROC curve of a column as a score of class 1, whichever way it points.

    Formula:
        (sum of the ranks of class 1 - n1 (n1 + 1) / 2) / (n0 n1), and 1 less it where that is larger.
    """
    known = ~np.isnan(values)
    values, answer = values[known], answer[known]
    ones = int(answer.sum())
    if not 0 < ones < len(answer):
        return 0.0
    area = (ranks(values)[answer == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(answer) - ones))
    return float(max(area, 1 - area))


def ranks(values: Array) -> npt.NDArray[np.float64]:
    """The rank of each value from 1 on; equal ones have the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place], np.float64)


def binned(values: Array) -> npt.NDArray[np.int64]:
    """Numbers as ids: each value its own where they are few, else by quantiles; what is missing has one too."""
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    bins = min(_MOST_BINS, max(2, len(known) // _EXAMPLES_OF_A_BIN))
    if len(distinct) > bins:
        distinct = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
    ids = np.searchsorted(distinct, values, side="right")
    return np.where(np.isnan(values), len(distinct) + 1, ids)


def skill(ids: Array, answer: Array, classes: int) -> float:
    """How much better than the most frequent class the most frequent class of each id is, on other examples.

    Formula:
        (accuracy - a) / (1 - a), a the accuracy of always the most frequent class: 1 is perfect, 0 says nothing. The
        classes of ids are counted on every second example, and the accuracy is that of the others.
    """
    size = int(ids.max()) + 1
    if size * classes > _LARGEST_TABLE:
        return 0.0
    learnt, tested = slice(0, None, 2), slice(1, None, 2)
    counts = np.bincount(ids[learnt] * classes + answer[learnt], minlength=size * classes).reshape(size, classes)
    most = int(counts.sum(axis=0).argmax())
    said = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), most)[ids[tested]]
    base = float((answer[tested] == most).mean())
    return (float((said == answer[tested]).mean()) - base) / (1 - base) if base < 1 else 0.0


def _r2(values: Array, answer: Array) -> float:
    """The square of the correlation."""
    if not (np.ptp(values) > 0 and np.ptp(answer) > 0):
        return 0.0
    return float(np.corrcoef(values.astype(np.float64), answer.astype(np.float64))[0, 1] ** 2)


def _r2_by_category(ids: Array, answer: Array) -> float:
    """1 - the squared errors of the mean of each category by those of the mean of all, on other examples."""
    learnt, tested = slice(0, None, 2), slice(1, None, 2)
    size, mean = int(ids.max()) + 1, float(answer[learnt].mean())
    counts = np.bincount(ids[learnt], minlength=size)
    sums = np.bincount(ids[learnt], weights=answer[learnt], minlength=size)
    said = np.where(counts > 0, sums / np.maximum(counts, 1), mean)[ids[tested]]
    whole = float(np.square(answer[tested] - mean).sum())
    return 1 - float(np.square(answer[tested] - said).sum()) / whole if whole else 0.0
