"""All scores of a target, overall and for each class, label or value, accumulated over blocks of predictions."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.decision import Decision
from dlrun.scoring.calibration import brier, outcomes, reliability
from dlrun.scoring.classification import (
    SMALLEST_PROBABILITY,
    ClassCounts,
    accuracy,
    confusions,
    label_scores,
    log_loss,
    roc_auc,
    true_ranks,
    weighted_mean,
)
from dlrun.scoring.deciding import decide
from dlrun.scoring.masks import accuracy_of, counts_of, intersection_over_union, mean_iou, pixel_statistic
from dlrun.scoring.regression import RegressionScores, error_statistics, regression_scores
from dlrun.scoring.slices import ColumnSlices, class_rates
from dlrun.scoring.weighted import (
    WeightedStatistic,
    macro_f1_statistic,
    mean_statistic,
    r2_statistic,
    roc_auc_statistic,
    root_mean_statistic,
)
from dlrun.signature import Target, TargetKind

Array = npt.NDArray[Any]
COUNTS = ("support", "predicted", "pixels", "predicted_pixels")
"""Names of the scores of a part that are counts, or sums of weights."""

_MANY_CLASSES, _TOP = 10, 5
_WHOLE_FROM = 1000
_MAIN_SCORES = ("iou", "f1", "r2")
"""The score of a part that ranks the parts: the first of these that it has."""


@dataclass(frozen=True)
class Breakdown:
    """The scores of a split or file, in addition to the metrics of the spec.

    Args:
        kind: Kind of the target.
        examples: Number of examples.
        overall: Scores over all examples, such as accuracy, log loss, means over classes, or quantiles of
            reconstruction errors.
        parts: Scores of each class, label or value by its name, in the order of the target.
        confusions: True class, predicted class and count for each pair that occurs. For classes, within each class
            column, and for the pixels of masks.
        columns: Name of each class column and the names of its classes without the column, in the order of `parts`.
        naive: Loss and metrics of a naive prediction; empty if there is none.
        weight: Sum of the weights of the examples, by which all scores and counts then are weighted; None if every
            example counts once.
        slices: Scores of groups of examples, for each column that they were grouped by.
        decision: Decision that the predictions follow; None for the most probable class, without calibration.
        undecided: `overall` without the decision; empty if there is none.
    """

    kind: TargetKind
    examples: int
    overall: Mapping[str, float]
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confusions: tuple[tuple[int, int, float], ...] = ()
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    naive: Mapping[str, float] = field(default_factory=dict)
    weight: float | None = None
    slices: tuple[ColumnSlices, ...] = ()
    decision: Decision | None = None
    undecided: Mapping[str, float] = field(default_factory=dict)

    @property
    def part_kind(self) -> str:
        """Kind of each part: class, label or target."""
        return {"classes": "class", "class_columns": "class", "labels": "label", "mask": "class"}.get(
            self.kind, "target"
        )

    @property
    def counted(self) -> str:
        """What the confusion matrix counts: examples, or pixels."""
        return "pixels" if self.kind == "mask" else "examples"

    def worst_parts(self, most: int) -> list[str]:
        """Return the names of the parts with the lowest main score, the worst first.

        Args:
            most: Maximum number of names.
        """
        columns = next(iter(self.parts.values()), {})
        by = next((score for score in _MAIN_SCORES if score in columns), "")
        # A score that is undefined cannot be ranked, and nan would break the order of the others.
        known = {name: score for name, part in self.parts.items() if not np.isnan(score := part.get(by, np.nan))}
        return sorted(known, key=lambda name: known[name])[:most]

    def matrices(self) -> Iterator[tuple[str, tuple[str, ...], Array]]:
        """Yield the name, the classes and the confusion matrix of each class column; the name is empty for classes."""
        matrix, first = self.matrix(), 0
        for name, classes in self.columns or (("", tuple(self.parts)),):
            own = slice(first, first + len(classes))
            yield name, classes, matrix[own, own]
            first = own.stop

    def matrix(self) -> Array:
        """Return the confusion matrix, with a row for each true class; whole numbers unless it is weighted."""
        matrix = np.zeros((len(self.parts),) * 2, np.int64 if self.weight is None else np.float64)
        for true, predicted, count in self.confusions:
            matrix[true, predicted] = count
        return matrix


def shown_count(count: float) -> str:
    """Return a number of examples for people; a sum of weights, with a few digits."""
    return f"{count:,.0f}" if float(count).is_integer() or count >= _WHOLE_FROM else f"{count:.4g}"


class Collector(abc.ABC):
    """Accumulator of predictions, which keeps only what the scores need from each example.

    Args:
        target: Target of the predictions.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self._kept: list[tuple[Array, ...]] = []
        self._weights: list[Array] = []

    def add(self, truth: Array, predictions: Array, weights: Array | None = None) -> None:
        """Add a block of examples.

        Args:
            truth: Truth of the examples; ignored for kinds `input` and `mask`.
            predictions: Their predictions; what they are compared to is in them for kinds `input` and `mask`.
            weights: Their weights, for every block or for none.

        Shape:
            truth: see `Split.target`. predictions: `(n, size)`; for kind `input`, the reconstruction errors `(n,)`; for
            kind `mask`, the counts of pixels `(n, size * size)` of `confusion_counts`. weights: `(n,)`.
        """
        self._kept.append(self._needed(truth, predictions))
        if weights is not None:
            self._weights.append(weights)

    @property
    def weights(self) -> Array | None:
        """The weights of all examples added so far, `(n,)`; None if they have none."""
        return np.concatenate(self._weights).astype(np.float64) if self._weights else None

    def breakdown(self) -> Breakdown:
        """Return the scores of all examples added so far."""
        weights = self.weights
        found = replace(self._scored(weights), decision=self.target.decision)
        return found if weights is None else replace(found, weight=float(weights.sum()))

    @abc.abstractmethod
    def _needed(self, truth: Array, predictions: Array) -> tuple[Array, ...]:
        """Return what the scores need of a block, one row for each example."""

    @abc.abstractmethod
    def _scored(self, weights: Array | None) -> Breakdown:
        """Return the scores of all examples added so far."""

    @abc.abstractmethod
    def statistics(self) -> Mapping[str, WeightedStatistic]:
        """Return the scores of all examples added so far as functions of their weights, to score groups of them.

        Returns:
            Scores by name, as in `Breakdown.overall`, and the rates of each class; see `class_rates`.
        """

    def _columns(self) -> tuple[Array, ...]:
        return tuple(np.concatenate(column) for column in zip(*self._kept, strict=True))


class _ClassCollector(Collector):
    def _needed(self, truth: Array, predictions: Array) -> tuple[Array, ...]:
        truth = truth.astype(np.int64)
        own = predictions[np.arange(len(truth)), truth]
        # Keeping all probabilities would need too much memory with many classes; the rank is enough for top-k.
        last = predictions[:, 1] if self.target.size == 2 else true_ranks(truth, predictions)
        return truth, decide(predictions, self.target), own, last, *_trust(predictions, truth, self.target)

    def _scored(self, weights: Array | None) -> Breakdown:
        truth, predicted, own, last, *trust = self._columns()
        size = self.target.size
        counts = ClassCounts.of(truth, predicted, size, weights=weights)
        overall = {"accuracy": accuracy(truth, predicted, weights), "log_loss": log_loss(own, weights)}
        overall |= _trust_scores(*trust, weights=weights)
        if size == 2:
            overall["roc_auc"] = roc_auc(truth == 1, last, weights)
        elif size > _MANY_CLASSES:
            overall[f"top_{_TOP}_accuracy"] = float(weighted_mean(last < _TOP, weights)) if len(last) else np.nan
        columns = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
        for name, values in columns.items():
            overall[f"macro_{name}"] = counts.macro(values)
            overall[f"weighted_{name}"] = counts.weighted(values)
        parts = _parts(self.target, **columns, support=counts.support, predicted=counts.predicted)
        return Breakdown(
            "classes", len(truth), overall, parts, tuple(confusions(truth, predicted, size, weights=weights))
        )

    def statistics(self) -> Mapping[str, WeightedStatistic]:
        truth, predicted, own, last, *_ = self._columns()
        found = {
            "accuracy": mean_statistic(truth == predicted, larger_is_better=True),
            "log_loss": _log_loss(own),
        }
        if self.target.size == 2:
            found["roc_auc"] = roc_auc_statistic(truth == 1, last)
        found["macro_f1"] = macro_f1_statistic(truth, predicted)
        # Of two classes the second one counts as positive, as for the area under the ROC curve.
        names = dict(enumerate(self.target.output_names))
        positive = {1: names[1]} if self.target.size == 2 else names
        return found | class_rates(truth, predicted, positive)


class _ClassColumnCollector(Collector):
    def _needed(self, truth: Array, predictions: Array) -> tuple[Array, ...]:
        truth = truth.astype(np.int64)
        rows, parts = np.arange(len(truth)), self.target.parts
        own = [predictions[rows, part.first + truth[:, number]] for number, part in enumerate(parts)]
        trust = _trust(predictions, truth, self.target)
        return truth, decide(predictions, self.target), np.stack(own, axis=1), *trust

    def _scored(self, weights: Array | None) -> Breakdown:
        truth, predicted, own, *trust = self._columns()
        right, parts, size = truth == predicted, self.target.parts, self.target.size
        firsts = np.array([part.first for part in parts])
        # Offset the classes of each column, so that no class is confused with one of another column.
        every = None if weights is None else np.repeat(weights, len(parts))
        counts = ClassCounts.of((truth + firsts).reshape(-1), (predicted + firsts).reshape(-1), size, weights=every)
        overall = {
            "accuracy": accuracy(truth, predicted, weights),
            "exact_match": float(weighted_mean(right.all(axis=1), weights)) if len(right) else np.nan,
            "log_loss": log_loss(own.reshape(-1), every),
            **_trust_scores(*trust, weights=weights),
        }
        for number, part in enumerate(parts):
            overall[f"accuracy_{part.name}"] = accuracy(truth[:, number], predicted[:, number], weights)
        columns = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
        overall |= {f"macro_{name}": counts.macro(values) for name, values in columns.items()}
        found = confusions((truth + firsts).reshape(-1), (predicted + firsts).reshape(-1), size, weights=every)
        scores = _parts(self.target, **columns, support=counts.support, predicted=counts.predicted)
        named = tuple((part.name, part.target.output_names) for part in parts)
        return Breakdown("class_columns", len(truth), overall, scores, tuple(found), named)

    def statistics(self) -> Mapping[str, WeightedStatistic]:
        truth, predicted, own, *_ = self._columns()
        right = truth == predicted
        found = {
            "accuracy": mean_statistic(right.mean(axis=1), larger_is_better=True),
            "exact_match": mean_statistic(right.all(axis=1), larger_is_better=True),
            "log_loss": _log_loss(own),
        }
        for number, part in enumerate(self.target.parts):
            found[f"accuracy_{part.name}"] = mean_statistic(right[:, number], larger_is_better=True)
        for number, part in enumerate(self.target.parts):
            names = dict(enumerate(self.target.output_names[part.places]))
            found |= class_rates(truth[:, number], predicted[:, number], names)
        return found


class _Labels(Collector):
    def _needed(self, truth: Array, predictions: Array) -> tuple[Array, ...]:
        return truth, predictions

    def _scored(self, weights: Array | None) -> Breakdown:
        truth, predictions = self._columns()
        scores = label_scores(truth, predictions, decide(predictions, self.target), weights)
        counts = scores.counts
        columns = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
        overall = {"accuracy": float(scores.accuracy.mean()), "exact_match": scores.exact_match}
        overall |= _trust_scores(*_trust(predictions, truth, self.target), weights=weights)
        overall |= {f"macro_{name}": counts.macro(values) for name, values in columns.items()}
        parts = _parts(
            self.target,
            **columns,
            accuracy=scores.accuracy,
            roc_auc=scores.roc_auc,
            support=counts.support,
            predicted=counts.predicted,
        )
        return Breakdown("labels", len(truth), overall, parts)

    def statistics(self) -> Mapping[str, WeightedStatistic]:
        truth, predictions = self._columns()
        is_one, predicted = truth.astype(bool), decide(predictions, self.target)
        right = is_one == predicted
        found = {
            "accuracy": mean_statistic(right.mean(axis=1), larger_is_better=True),
            "exact_match": mean_statistic(right.all(axis=1), larger_is_better=True),
            "log_loss": _log_loss(np.where(is_one, predictions, 1 - predictions)),
        }
        for number, name in enumerate(self.target.output_names):
            found |= class_rates(is_one[:, number], predicted[:, number], {1: name})
        return found


class _Values(Collector):
    def _needed(self, truth: Array, predictions: Array) -> tuple[Array, ...]:
        return truth.reshape(len(truth), -1), predictions.reshape(len(predictions), -1)

    def _scored(self, weights: Array | None) -> Breakdown:
        truth, predictions = self._columns()
        scores = regression_scores(truth, predictions, weights)
        parts = _parts(self.target, **_regression_columns(scores))
        overall = {"r2": float(scores.r2.mean())}
        if self.target.size == 1:  # several values may have different units, so only R2 can be averaged
            overall = {name: float(values[0]) for name, values in _regression_columns(scores).items()}
        return Breakdown("values", len(truth), overall, parts)

    def statistics(self) -> Mapping[str, WeightedStatistic]:
        truth, predictions = self._columns()
        errors, found = predictions.astype(np.float64) - truth, {}
        for index, name in enumerate(self.target.output_names):
            of = "" if self.target.size == 1 else f" of {name}"
            found[f"rmse{of}"] = root_mean_statistic(np.square(errors[:, index]))
            found[f"mae{of}"] = mean_statistic(np.abs(errors[:, index]), larger_is_better=False)
            found[f"r2{of}"] = r2_statistic(truth[:, index], predictions[:, index])
            found[f"bias{of}"] = mean_statistic(errors[:, index], larger_is_better=None)
        return found


class _Input(Collector):
    def _needed(self, truth: Array, predictions: Array) -> tuple[Array, ...]:
        del truth
        return (predictions,)

    def _scored(self, weights: Array | None) -> Breakdown:
        (errors,) = self._columns()
        return Breakdown("input", len(errors), error_statistics(errors, weights))

    def statistics(self) -> Mapping[str, WeightedStatistic]:
        (errors,) = self._columns()
        return {"mean": mean_statistic(errors, larger_is_better=False)}


class _MaskCollector(Collector):
    """Keeps the counts of each class in each image, and one confusion matrix of all of them."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._matrix = np.zeros((target.size, target.size))

    def add(self, truth: Array, predictions: Array, weights: Array | None = None) -> None:
        super().add(truth, predictions, weights)
        every = np.ones(len(predictions)) if weights is None else weights.astype(np.float64)
        self._matrix += (every @ predictions).reshape(self._matrix.shape)

    def _needed(self, truth: Array, predictions: Array) -> tuple[Array, ...]:
        del truth
        counts = counts_of(predictions.reshape(-1, self.target.size, self.target.size))
        return counts.hits, counts.support, counts.predicted

    def _scored(self, weights: Array | None) -> Breakdown:
        counts, examples = counts_of(self._matrix), sum(len(columns[0]) for columns in self._kept)
        of_class = intersection_over_union(counts)
        overall = {
            "accuracy": float(accuracy_of(counts)),
            "mean_iou": float(mean_iou(counts)),
            "mean_dice": counts.macro(counts.f1),
        }
        columns = {"iou": of_class, "dice": counts.f1, "precision": counts.precision, "recall": counts.recall}
        whole = np.int64 if weights is None else np.float64
        parts = _parts(
            self.target, **columns, pixels=counts.support.astype(whole), predicted_pixels=counts.predicted.astype(whole)
        )
        pairs = [(int(true), int(found)) for true, found in zip(*np.nonzero(self._matrix), strict=True)]
        found = tuple(
            (true, predicted, self._matrix.astype(whole)[true, predicted].item()) for true, predicted in pairs
        )
        return Breakdown("mask", examples, overall, parts, found)

    def statistics(self) -> Mapping[str, WeightedStatistic]:
        counts = ClassCounts(*self._columns())
        return {
            "mean_iou": pixel_statistic(counts, is_mean_iou=True),
            "accuracy": pixel_statistic(counts, is_mean_iou=False),
        }


def collector_of(target: Target) -> Collector:
    """Return the collector for a kind of target."""
    kinds: dict[TargetKind, type[Collector]] = {
        "classes": _ClassCollector,
        "class_columns": _ClassColumnCollector,
        "labels": _Labels,
        "values": _Values,
        "input": _Input,
        "mask": _MaskCollector,
    }
    return kinds[target.kind](target)


def _trust(predictions: Array, truth: Array, target: Target) -> tuple[Array, Array, Array]:
    """Return what the calibration scores need of each example: confidences, whether they are true, Brier scores."""
    confidences, hits = outcomes(predictions, truth, target)
    return confidences, hits, brier(predictions, truth, target)


def _trust_scores(confidences: Array, hits: Array, scores: Array, *, weights: Array | None) -> dict[str, float]:
    every = None if weights is None else np.repeat(weights, confidences.shape[1])
    error = reliability(confidences.reshape(-1), hits.reshape(-1), every).error
    return {"ece": error, "brier": float(weighted_mean(scores, weights)) if len(scores) else np.nan}


def _log_loss(own: Array) -> WeightedStatistic:
    """Return the log loss as a statistic; the mean over the columns of an example if there are several."""
    losses = -np.log(np.maximum(own.astype(np.float64), SMALLEST_PROBABILITY))
    return mean_statistic(
        losses.reshape(len(losses), -1).mean(axis=1) if len(losses) else losses, larger_is_better=False
    )


def _regression_columns(scores: RegressionScores) -> dict[str, Array]:
    names = ("r2", "mae", "rmse", "median_absolute_error", "bias")
    return {name: getattr(scores, name) for name in names}


def _parts(target: Target, **columns: Array) -> dict[str, dict[str, float]]:
    plain = {name: values.tolist() for name, values in columns.items()}
    return {
        part: {name: values[index] for name, values in plain.items()} for index, part in enumerate(target.output_names)
    }
