"""Scores of classifiers and of yes-or-no labels: confusion matrix, precision, recall, F1, ROC AUC and log loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""Replacement for a probability of 0 in the log loss, which would be infinite: the smallest normal float32."""


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any], *, otherwise: float) -> npt.NDArray[np.float64]:
    """Return `part / whole`, or `otherwise` where `whole` is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole == 0, otherwise, part / whole)


@dataclass(frozen=True)
class ClassCounts:
    """Counts for each class; with weights, their sums.

    Args:
        hits: Number of true positives.
        support: Number of examples of the class.
        predicted: Number of predictions of the class.

    Shape:
        `(classes,)` each, int64; float64 with weights.
    """

    hits: Array
    support: Array
    predicted: Array

    @classmethod
    def of(cls, truth: Array, predicted: Array, size: int, *, weights: Array | None = None) -> ClassCounts:
        """Count the examples and predictions of each class.

        Shape:
            truth, predicted: `(n,)` class indices below `size`. weights: `(n,)`.
        """
        right = truth == predicted
        hits = np.bincount(truth[right], None if weights is None else weights[right], minlength=size)
        support, found = (np.bincount(classes, weights, minlength=size) for classes in (truth, predicted))
        return cls(hits, support, found)

    @classmethod
    def of_labels(cls, truth: Array, predicted: Array, *, weights: Array | None = None) -> ClassCounts:
        """Count the examples and predictions of each of several yes-or-no labels.

        Shape:
            truth, predicted: `(n, labels)` of 0 and 1. weights: `(n,)`.
        """
        truth, predicted = truth.astype(bool), predicted.astype(bool)
        marks = (truth & predicted, truth, predicted)
        if weights is None:
            return cls(*(mark.sum(axis=0) for mark in marks))
        return cls(*(weights.astype(np.float64) @ mark for mark in marks))

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Whether the class occurs in the truth or the predictions; only such classes enter a mean."""
        return (self.support > 0) | (self.predicted > 0)

    @property
    def precision(self) -> Float:
        """Fraction of the predictions of the class that are correct.

        Formula:
            hits / predicted; nan if the class was never predicted
        """
        return ratio(self.hits, self.predicted, otherwise=np.nan)

    @property
    def recall(self) -> Float:
        """Fraction of the examples of the class that were found.

        Formula:
            hits / support; nan if the class has no examples
        """
        return ratio(self.hits, self.support, otherwise=np.nan)

    @property
    def f1(self) -> Float:
        """Harmonic mean of precision and recall.

        Formula:
            2 hits / (support + predicted); nan if the class does not occur

        Reference:
            van Rijsbergen, 1979, "Information Retrieval", chapter 7.
        """
        return ratio(2 * self.hits, self.support + self.predicted, otherwise=np.nan)

    def macro(self, of_class: Float) -> float:
        """Return the unweighted mean over the classes that occur; undefined scores count as 0."""
        return float(np.nan_to_num(of_class[self.present]).mean()) if self.present.any() else np.nan

    def weighted(self, of_class: Float) -> float:
        """Return the mean over the classes weighted by their number of examples; undefined scores count as 0."""
        has = self.support > 0
        return float(np.average(np.nan_to_num(of_class[has]), weights=self.support[has])) if has.any() else np.nan


def confusions(
    truth: Array, predicted: Array, size: int, *, weights: Array | None = None
) -> list[tuple[int, int, float]]:
    """Return the nonzero entries of the confusion matrix, which may be too large to store as a whole.

    Shape:
        truth, predicted: `(n,)` class indices below `size`. weights: `(n,)`.

    Returns:
        True class, predicted class and count (with weights, their sum), in the order of the matrix.
    """
    # One number for each pair, in int64 because the square of the number of classes may not fit into int32.
    pairs, place, counts = np.unique(truth.astype(np.int64) * size + predicted, return_inverse=True, return_counts=True)
    sums = counts if weights is None else np.bincount(place.reshape(-1), weights)
    found = zip(pairs.tolist(), sums.tolist(), strict=True)
    return [(pair // size, pair % size, count) for pair, count in found if count]


def accuracy(truth: Array, predicted: Array, weights: Array | None = None) -> float:
    """Return the fraction of examples, or of their weight, that was predicted correctly.

    Shape:
        truth, predicted: `(n,)` or `(n, columns)`. weights: `(n,)`.
    """
    if not len(truth):
        return np.nan
    right = truth == predicted
    return float(right.mean() if weights is None else weighted_mean(right, weights).mean())


def weighted_mean(values: Array, weights: Array | None) -> npt.NDArray[np.float64]:
    """Return the mean over the examples; nan if all weights are 0.

    Shape:
        values: `(n, ...)`, n > 0. weights: `(n,)`, or None for equal weights. Returns: `(...)`.
    """
    if weights is None:
        return np.asarray(values.mean(axis=0, dtype=np.float64))
    weights = weights.astype(np.float64)
    total = weights.sum()
    if not total:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(np.tensordot(weights, values.astype(np.float64), axes=(0, 0)) / total)


def true_ranks(truth: Array, probabilities: Array) -> npt.NDArray[np.int64]:
    """Return the rank of the true class, from 0 for the most probable.

    Shape:
        truth: `(n,)`. probabilities: `(n, classes)`. Returns: `(n,)`.
    """
    own = probabilities[np.arange(len(truth)), truth][:, None]
    # Of equal probabilities the first class counts as predicted, as with argmax, so rank 0 is exactly a hit.
    before = (probabilities == own) & (np.arange(probabilities.shape[1]) < truth[:, None])
    return np.asarray((probabilities > own).sum(axis=1) + before.sum(axis=1), np.int64)


def log_loss(true_probabilities: Array, weights: Array | None = None) -> float:
    """Return the mean cross-entropy in nats.

    Formula:
        -mean(log(p)), with p no smaller than `SMALLEST_PROBABILITY`

    Args:
        true_probabilities: Predicted probability of the true class of each example, `(n,)`.
        weights: Weight of each example, `(n,)`; None for equal weights.
    """
    if not len(true_probabilities):
        return np.nan
    clipped = np.maximum(true_probabilities.astype(np.float64), SMALLEST_PROBABILITY)
    losses = -np.log(clipped)
    return float(losses.mean() if weights is None else weighted_mean(losses, weights))


def roc_auc(is_positive: Array, scores: Array, weights: Array | None = None) -> float:
    """Return the area under the ROC curve: the probability that a positive example scores above a negative one.

    Formula:
        (R - P (P + 1) / 2) / (P N), where R is the sum of the ranks of positive examples among all scores, equal scores
        having the mean of their ranks, and P and N are the numbers of positive and negative examples; with weights,
        each pair of a positive and a negative example counts with the product of their weights

    Reference:
        Hanley and McNeil, 1982, "The meaning and use of the area under a receiver operating characteristic (ROC)
        curve"; the statistic of Mann and Whitney, 1947.

    Shape:
        is_positive: `(n,)` bool. scores, weights: `(n,)`. Result: a float; nan if either class is absent or a score is
        nan.
    """
    is_positive = is_positive.astype(bool)
    if weights is not None:
        return _weighted_auc(is_positive, scores, weights.astype(np.float64))
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if positives * negatives == 0 or np.isnan(scores).any():
        return np.nan
    # The rank of a group of equal scores is the mean of its first and last rank.
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_ranks[place.reshape(-1)[is_positive]].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def _weighted_auc(is_positive: Array, scores: Array, weights: Float) -> float:
    _, place = np.unique(scores, return_inverse=True)
    positive, negative = (np.bincount(place.reshape(-1), weights * mark) for mark in (is_positive, ~is_positive))
    pairs = positive.sum() * negative.sum()
    if pairs == 0 or np.isnan(scores).any():
        return np.nan
    # A pair of equal scores counts half.
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / pairs)


@dataclass(frozen=True)
class LabelScores:
    """Scores of each label and of all labels together.

    Args:
        counts: Counts of each label, from which precision, recall and F1 follow.
        accuracy: Fraction of examples with the correct label, `(labels,)`.
        roc_auc: ROC AUC of each label, `(labels,)`; nan if the label is the same in all examples.
        exact_match: Fraction of examples with all labels correct.
    """

    counts: ClassCounts
    accuracy: npt.NDArray[np.float64]
    roc_auc: npt.NDArray[np.float64]
    exact_match: float


def label_scores(truth: Array, probabilities: Array, predicted: Array, weights: Array | None = None) -> LabelScores:
    """Return the scores of several yes-or-no labels.

    Args:
        truth: Whether each label applies, as 0 and 1.
        probabilities: Probability of each label.
        predicted: Whether each label is predicted.
        weights: Weight of each example; None for equal weights.

    Reference:
        Zhang and Zhou, 2014, "A Review on Multi-Label Learning Algorithms".

    Shape:
        truth, probabilities, predicted: `(n, labels)`. weights: `(n,)`.
    """
    right = truth.astype(bool) == predicted
    aucs = [roc_auc(truth[:, label] > 0, probabilities[:, label], weights) for label in range(truth.shape[1])]
    return LabelScores(
        ClassCounts.of_labels(truth, predicted, weights=weights),
        accuracy=weighted_mean(right, weights) if len(truth) else np.full(truth.shape[1], np.nan),
        roc_auc=np.array(aucs),
        exact_match=float(weighted_mean(right.all(axis=1), weights)) if len(truth) else np.nan,
    )
