"""Scores of groups of examples (slices) with bootstrap intervals, and the gaps between the groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.weighted import WeightedStatistic, bootstrap_weights, rate_statistic

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

FEWEST_EXAMPLES, FEWEST_POSITIVES = 30, 10
"""A slice with fewer examples is too small to judge. A rate of fewer than the second number is not compared."""
MOST_CATEGORIES = 20
"""The most frequent categories of a column have slices of their own; the others share one."""
MISSING, OTHER = "(missing)", "(other)"
TRUE_POSITIVE_RATE, POSITIVE_RATE, PRECISION = "true_positive_rate", "positive_rate", "precision"
_CRITERIA = {TRUE_POSITIVE_RATE: "equal-opportunity", POSITIVE_RATE: "demographic-parity"}

_FEW_NUMBERS = 10
_MOST_CLASSES = 10
_NAME_CHARACTERS = 60
_QUARTILES = (0.25, 0.5, 0.75)
_LEVEL = 0.95


@dataclass(frozen=True)
class Grouping:
    """Which slice each example belongs to.

    Args:
        column: Name of the column.
        names: Names of the slices: categories with the most frequent first, or numbers in ascending order.
        members: Index of the slice of each example, `(n,)`.
        note: What was summarized, and how; may be empty.
    """

    column: str
    names: tuple[str, ...]
    members: npt.NDArray[np.int64]
    note: str = ""


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % confidence interval; None where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Slice:
    """The scores of a group of examples.

    Args:
        name: Name of the group: a category, or a range of numbers.
        examples: Number of examples.
        is_small: Whether it has too few examples to judge.
        scores: Scores by name.
    """

    name: str
    examples: int
    is_small: bool
    scores: Mapping[str, Estimate]

    def score(self, name: str) -> Estimate:
        """Return a score; undefined if the slice does not have it."""
        return self.scores.get(name, Estimate(None))


@dataclass(frozen=True)
class Gap:
    """The largest difference of a score between two slices of a column.

    Args:
        score: Name of the score.
        difference: The difference, and its interval for these two slices.
        lowest: Slice with the smallest score.
        highest: Slice with the largest score.
        values: The score of the two, the smallest first.
        worse: Which of the two the model serves worse; empty for a score without a better direction.
    """

    score: str
    difference: Estimate
    lowest: str
    highest: str
    values: tuple[float, float]
    worse: str = ""

    @property
    def title(self) -> str:
        """What the gap is called: the score, or the fairness criterion that it measures."""
        for rate, criterion in _CRITERIA.items():
            if self.score.startswith(f"{rate} of "):
                return f"{criterion} difference for {self.score.removeprefix(f'{rate} of ')}"
        return f"gap of {self.score}"


@dataclass(frozen=True)
class ColumnSlices:
    """The slices of a column.

    Args:
        column: Name of the column.
        main: Name of the score that matters most.
        slices: The slices; see `Grouping.names` for their order.
        gaps: The gap of the main score first, then those of the other scores.
        note: See `Grouping.note`.
    """

    column: str
    main: str
    slices: tuple[Slice, ...]
    gaps: tuple[Gap, ...] = ()
    note: str = ""

    @property
    def summary(self) -> str:
        """The gap of the main score in a sentence, or why there is none."""
        gap = next((gap for gap in self.gaps if gap.score == self.main), None)
        if gap is None:
            return f"no comparison, because fewer than two groups have {FEWEST_EXAMPLES} examples with this score"
        ends = [(gap.lowest, gap.values[0]), (gap.highest, gap.values[1])]
        # The group that is served worse is named first.
        first, second = (
            f"{_written(value)} for {name}" for name, value in ends[:: -1 if gap.worse == gap.highest else 1]
        )
        between = f"{_written(gap.difference.low)} to {_written(gap.difference.high)}"
        return f"{self.main} {first}, {second}: a difference of {_written(gap.difference.value)} ({between})"

    @property
    def fairness(self) -> str:
        """The differences of the fairness criteria in words, if only one class counts as positive; otherwise empty."""
        found = [gap for gap in self.gaps if gap.score.startswith(tuple(f"{rate} of " for rate in _CRITERIA))]
        if len(found) > len(_CRITERIA):
            return ""
        return ", ".join(f"{gap.title} {_written(gap.difference.value)} (lowest for {gap.lowest})" for gap in found)


def group_examples(column: str, values: Array) -> Grouping:
    """Return the slices of a column.

    Args:
        column: Name of the column.
        values: Numbers, nan if missing, which are divided at their quartiles unless they are few whole numbers; or
            texts, empty if missing, each of which is a slice.

    Shape:
        values: `(n,)`.
    """
    return _group_numbers(column, values) if values.dtype.kind == "f" else _group_texts(column, values)


def class_rates(truth: Array, predicted: Array, names: Mapping[int, str]) -> dict[str, WeightedStatistic]:
    """Return the rates that fairness is judged by, for each class that counts as positive, one against the rest.

    Args:
        truth: True class of each example.
        predicted: Predicted class of each example.
        names: Names of the classes that count as positive, by their index.

    Formula:
        true positive rate: P(predicted | true) · rate of positive predictions: P(predicted) · precision:
        P(true | predicted)

    Shape:
        truth, predicted: `(n,)`.

    Returns:
        `true_positive_rate of NAME`, `positive_rate of NAME` and `precision of NAME`; none with more than 10 classes.
    """
    found: dict[str, WeightedStatistic] = {}
    for index, name in names.items() if len(names) <= _MOST_CLASSES else ():
        is_true, is_found = truth == index, predicted == index
        found[f"{TRUE_POSITIVE_RATE} of {name}"] = rate_statistic(is_found, is_true, larger_is_better=True)
        everyone = np.ones(len(truth), bool)
        found[f"{POSITIVE_RATE} of {name}"] = rate_statistic(is_found, everyone)
        found[f"{PRECISION} of {name}"] = rate_statistic(is_true, is_found, larger_is_better=True)
    return found


def is_class_rate(score: str) -> bool:
    """Return whether a score is one of `class_rates`."""
    return score.startswith(tuple(f"{rate} of " for rate in (TRUE_POSITIVE_RATE, POSITIVE_RATE, PRECISION)))


def score_slices(
    statistics: Mapping[str, WeightedStatistic], grouping: Grouping, *, main: str, weight: Array | None = None
) -> ColumnSlices:
    """Return the scores of each slice with their intervals, and the gaps between slices.

    Args:
        statistics: Scores by name, of all examples.
        grouping: The slice of each example.
        main: Name of the score that matters most.
        weight: Weight of each example; None for equal weights.

    Formula:
        The interval of a score has the 2.5 % and 97.5 % quantiles of bootstrap samples of the slice. The gap of a score
        is its largest value minus its smallest one over the slices that are not too small. For the true positive rate
        P(predicted | true) that is the difference of equal opportunity, for the rate of positive predictions
        P(predicted) that of demographic parity.

    Reference:
        Hardt, Price and Srebro, 2016, "Equality of Opportunity in Supervised Learning"; Dwork et al., 2012, "Fairness
        through Awareness"; Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", chapter 13.

    Shape:
        weight: `(n,)`.
    """
    slices, samples, counted = [], [], []
    for index, name in enumerate(grouping.names):
        rows = np.flatnonzero(grouping.members == index)
        own = np.ones(len(rows)) if weight is None else weight[rows].astype(np.float64)
        blocks = bootstrap_weights(len(rows), seed=(0, index), weight=own)
        drawn = [{key: statistic.of(block, rows) for key, statistic in statistics.items()} for block in blocks]
        of_slice = {key: np.concatenate([block[key] for block in drawn]) for key in statistics}
        scores = {
            key: _estimate(float(statistic.of(own[None], rows)[0]), of_slice[key])
            for key, statistic in statistics.items()
        }
        slices.append(Slice(name, len(rows), len(rows) < FEWEST_EXAMPLES, scores))
        samples.append(of_slice)
        counted.append({key: _count(statistic, rows) for key, statistic in statistics.items()})
    gaps = [
        gap
        for key in (main, *(key for key in statistics if key != main))
        if key in statistics
        and (gap := _gap(key, statistics[key], slices, samples=samples, counted=counted)) is not None
    ]
    return ColumnSlices(grouping.column, main, tuple(slices), tuple(gaps), grouping.note)


def choose_main_score(statistics: Mapping[str, WeightedStatistic], wanted: Sequence[str]) -> str:
    """Return the score that matters most: the first of the wanted ones that exists, otherwise the first of all.

    Args:
        statistics: Scores by name.
        wanted: Types of the metrics of the spec, the watched one first.
    """
    scores = (_SCORE_OF_METRIC.get(metric, metric) for metric in wanted)
    return next((score for score in scores if score in statistics), next(iter(statistics)))


_SCORE_OF_METRIC = {
    "auc": "roc_auc",
    "binary_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "f1_score": "macro_f1",
    "mean_absolute_error": "mae",
    "mean_io_u": "mean_iou",
    "one_hot_mean_io_u": "mean_iou",
    "mean_squared_error": "rmse",
    "r2_score": "r2",
    "root_mean_squared_error": "rmse",
    "binary_crossentropy": "log_loss",
    "categorical_crossentropy": "log_loss",
    "sparse_categorical_crossentropy": "log_loss",
}
"""The score of a slice that ranks groups as a metric or loss of a spec does, by the type of the metric."""


def _group_numbers(column: str, values: Array) -> Grouping:
    known = np.isfinite(values)
    numbers = values[known]
    distinct = np.unique(numbers)
    members = np.zeros(len(values), np.int64)
    names: list[str]
    if len(distinct) <= _FEW_NUMBERS and (distinct == np.floor(distinct)).all():
        members[known] = np.searchsorted(distinct, numbers)
        names, note = [f"{value:.15g}" for value in distinct], ""
    else:
        # A value at an edge belongs to the slice below it, so equal values are never divided.
        edges = np.unique(np.quantile(numbers, _QUARTILES, method="higher"))
        edges = edges[edges < distinct[-1]]
        members[known] = np.searchsorted(edges, numbers, side="left")
        first = (
            f"{distinct[0]:.6g} to {edges[0]:.6g}" if len(edges) and edges[0] > distinct[0] else f"{distinct[0]:.6g}"
        )
        names = [
            first,
            *(f"over {low:.6g} to {high:.6g}" for low, high in zip(edges, [*edges[1:], distinct[-1]], strict=True)),
        ]
        note = f"{len(distinct):,} different numbers, divided at the quartiles of these examples"
    if not known.all():
        members[~known] = len(names)
        names.append(MISSING)
    return Grouping(column, tuple(names), members, note)


def _group_texts(column: str, values: Array) -> Grouping:
    texts, inverse, counts = np.unique(values.astype(str), return_inverse=True, return_counts=True)
    known = [index for index in np.argsort(-counts, kind="stable").tolist() if texts[index]]
    # A slice for a single other category would be one more name for that category.
    most = len(known) if len(known) <= MOST_CATEGORIES + 1 else MOST_CATEGORIES
    names = [str(texts[index])[:_NAME_CHARACTERS] for index in known[:most]]
    slice_of = np.full(len(texts), most, np.int64)
    slice_of[known[:most]] = np.arange(most)
    note = ""
    if most < len(known):
        names.append(OTHER)
        note = f"{len(known):,} categories: the {most} most frequent ones, and all others as {OTHER}"
    if not texts[:1].any() and len(texts):  # the empty text, which sorts first, marks missing values
        slice_of[0] = len(names)
        names.append(MISSING)
    return Grouping(column, tuple(names), slice_of[inverse.reshape(-1)], note)


def _estimate(value: float, samples: Float) -> Estimate:
    known = samples[~np.isnan(samples)]
    if math.isnan(value) or not len(known):
        return Estimate(None if math.isnan(value) else value)
    low, high = np.quantile(known, ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
    return Estimate(value, float(low), float(high))


def _count(statistic: WeightedStatistic, rows: Array) -> int:
    """Return the number of examples that a score is about, if it is a fraction of some; otherwise of all."""
    return len(rows) if statistic.positives is None else int(np.count_nonzero(statistic.positives[rows]))


def _gap(
    key: str,
    statistic: WeightedStatistic,
    slices: Sequence[Slice],
    *,
    samples: Sequence[Mapping[str, Float]],
    counted: Sequence[Mapping[str, int]],
) -> Gap | None:
    """Return the gap of a score; None if fewer than two slices can be compared."""
    compared = [*_comparable(key, slices, counted)]
    if len(compared) < 2:
        return None
    # Of equal scores the first is the lowest and the last the highest, so the two are never the same slice.
    (least, low), (most, high) = min(compared), max(compared)
    count = min(len(samples[low][key]), len(samples[high][key]))
    # The samples of two slices are independent, so their differences are samples of the difference.
    drawn = samples[high][key][:count] - samples[low][key][:count]
    better, names = statistic.larger_is_better, (slices[low].name, slices[high].name)
    worse = "" if better is None else names[0 if better else 1]
    return Gap(key, _estimate(most - least, drawn), *names, (least, most), worse)


def _comparable(key: str, slices: Sequence[Slice], counted: Sequence[Mapping[str, int]]) -> Iterator[tuple[float, int]]:
    for index, each in enumerate(slices):
        value = each.scores[key].value
        if value is not None and not each.is_small and counted[index][key] >= FEWEST_POSITIVES:
            yield value, index


def _written(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
