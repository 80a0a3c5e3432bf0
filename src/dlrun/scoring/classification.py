"""Scores of classes and of yes-or-no labels: confusion matrix, precision, recall, F1, ROC AUC, log loss, accuracies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""What a probability of 0 counts as in the log loss, which would be infinite: the smallest float32."""
THRESHOLD = 0.5
"""A label is predicted where its probability is above this."""


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any], *, otherwise: float) -> npt.NDArray[np.float64]:
    """`part / whole`, and `otherwise` where `whole` is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole == 0, otherwise, part / whole)


@dataclass(frozen=True)
class ClassCounts:
    """What is counted of each class.

    Args:
        hits: Examples of the class that were predicted as it: true positives.
        support: Examples of the class.
        predicted: Examples that were predicted as it.

    Shape:
        `(classes,)` int64, each.
    """

    hits: npt.NDArray[np.int64]
    support: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]

    @classmethod
    def of(cls, truth: Array, predicted: Array, size: int) -> ClassCounts:
        """Count.

        Shape:
            truth, predicted: `(n,)` class indices below `size`.
        """
        hits = np.bincount(truth[truth == predicted], minlength=size)
        return cls(hits, np.bincount(truth, minlength=size), np.bincount(predicted, minlength=size))

    @classmethod
    def of_labels(cls, truth: Array, predicted: Array) -> ClassCounts:
        """Count for several yes-or-no labels, each by itself.

        Shape:
            truth, predicted: `(n, labels)` of 0 and 1.
        """
        truth, predicted = truth.astype(bool), predicted.astype(bool)
        return cls((truth & predicted).sum(axis=0), truth.sum(axis=0), predicted.sum(axis=0))

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Whether the class occurs, as an example or as a prediction; only such classes count in a mean."""
        return (self.support > 0) | (self.predicted > 0)

    @property
    def precision(self) -> Float:
        """Of what was predicted as the class, how much is of it.

        Formula:
            hits / predicted; nan where nothing was predicted as the class
        """
        return ratio(self.hits, self.predicted, otherwise=np.nan)

    @property
    def recall(self) -> Float:
        """Of the class' examples, how many were found.

        Formula:
            hits / support; nan where the class has no examples
        """
        return ratio(self.hits, self.support, otherwise=np.nan)

    @property
    def f1(self) -> Float:
        """The harmonic mean of precision and recall.

        Formula:
            2 hits / (support + predicted); nan where the class does not occur

        Reference:
            van Rijsbergen, 1979, "Information Retrieval", chapter 7.
        """
        return ratio(2 * self.hits, self.support + self.predicted, otherwise=np.nan)

    def macro(self, of_class: Float) -> float:
        """The mean over the classes that occur, each of the same weight; what is undefined of one counts as 0 there."""
        return float(np.nan_to_num(of_class[self.present]).mean()) if self.present.any() else np.nan

    def weighted(self, of_class: Float) -> float:
        """The mean over the classes, each weighted by its number of examples; what is undefined of one counts as 0."""
        has = self.support > 0
        return float(np.average(np.nan_to_num(of_class[has]), weights=self.support[has])) if has.any() else np.nan


def confusions(truth: Array, predicted: Array, size: int) -> list[tuple[int, int, int]]:
    """The pairs of classes that occur, the diagonal included: all there is to know of a matrix that is too large.

    Shape:
        truth, predicted: `(n,)` class indices below `size`.

    Returns:
        True class, predicted class, and how often, in the matrix' order.
    """
    pairs, counts = np.unique(truth.astype(np.int64) * size + predicted, return_counts=True)
    found = zip(pairs.tolist(), counts.tolist(), strict=True)
    return [(pair // size, pair % size, count) for pair, count in found]


def accuracy(truth: Array, predicted: Array) -> float:
    """The part of all examples whose class was predicted."""
    return float(np.mean(truth == predicted)) if len(truth) else np.nan


def true_ranks(truth: Array, probabilities: Array) -> npt.NDArray[np.int64]:
    """How many classes are predicted before the true one: 0 where it is the most probable.

    Shape:
        truth: `(n,)`. probabilities: `(n, classes)`. Returns: `(n,)`.
    """
    own = probabilities[np.arange(len(truth)), truth][:, None]
    before = (probabilities == own) & (np.arange(probabilities.shape[1]) < truth[:, None])
    return np.asarray((probabilities > own).sum(axis=1) + before.sum(axis=1), np.int64)


def log_loss(true_probabilities: Array) -> float:
    """The mean surprise at the true class: cross entropy, in nats.

    Formula:
        -mean(log(p)), with p no smaller than `SMALLEST_PROBABILITY`

    Args:
        true_probabilities: `(n,)`: the probability that was predicted for each example's class.
    """
    if not len(true_probabilities):
        return np.nan
    clipped = np.maximum(true_probabilities.astype(np.float64), SMALLEST_PROBABILITY)
    return float(-np.log(clipped).mean())


def roc_auc(is_positive: Array, scores: Array) -> float:
    """How probable it is that a positive example gets a higher score than a negative one; a tie is half of it.

    Formula:
        (R - P (P + 1) / 2) / (P N), where R is the sum of the positive examples' ranks among all scores, equal scores
        having the mean of their ranks, and P and N are the numbers of positive and negative examples

    Reference:
        Hanley and McNeil, 1982, "The meaning and use of the area under a receiver operating characteristic (ROC)
        curve"; the statistic of Mann and Whitney, 1947.

    Shape:
        is_positive: `(n,)` bool. scores: `(n,)`. Returns: nan if one of the two is absent, or a score is.
    """
    is_positive = is_positive.astype(bool)
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if positives * negatives == 0 or np.isnan(scores).any():
        return np.nan
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_ranks[place.reshape(-1)[is_positive]].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


@dataclass(frozen=True)
class LabelScores:
    """How well labels are told, each by itself and all together.

    Args:
        counts: Of each label: precision, recall and F1 follow from them.
        accuracy: Part of the examples for which the label is right, `(labels,)`.
        roc_auc: Of each label, `(labels,)`; nan where all examples are alike.
        exact_match: Part of the examples for which every label is right.
    """

    counts: ClassCounts
    accuracy: npt.NDArray[np.float64]
    roc_auc: npt.NDArray[np.float64]
    exact_match: float


def label_scores(truth: Array, probabilities: Array) -> LabelScores:
    """Score.

    Reference:
        Zhang and Zhou, 2014, "A Review on Multi-Label Learning Algorithms".

    Shape:
        truth: `(n, labels)` of 0 and 1. probabilities: `(n, labels)`.
    """
    predicted = probabilities > THRESHOLD
    right = truth.astype(bool) == predicted
    aucs = [roc_auc(truth[:, label] > 0, probabilities[:, label]) for label in range(truth.shape[1])]
    return LabelScores(
        ClassCounts.of_labels(truth, predicted),
        accuracy=right.mean(axis=0) if len(truth) else np.full(truth.shape[1], np.nan),
        roc_auc=np.array(aucs),
        exact_match=float(right.all(axis=1).mean()) if len(truth) else np.nan,
    )
