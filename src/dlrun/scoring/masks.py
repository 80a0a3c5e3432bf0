"""Scores of masks, which are counts of pixels: a confusion matrix of each image, and intersection over union."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.classification import ClassCounts, ratio
from dlrun.scoring.weighted import WeightedStatistic

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]


def confusion_counts(truth: Array, predicted: Array, size: int) -> npt.NDArray[np.int64]:
    """Count the pixels of each image by true and predicted class.

    Args:
        truth: True classes; pixels of any other class, such as `IGNORED_CLASS`, are not counted.
        predicted: Predicted classes.
        size: Number of classes.

    Shape:
        truth, predicted: `(n, height, width)` whole numbers. Returns: `(n, size * size)`, the rows of each matrix one
        after another, with a row for each true class.
    """
    counts = np.zeros((len(truth), size * size), np.int64)
    for number, (true, found) in enumerate(zip(truth, predicted, strict=True)):
        counted = true < size
        pairs = true[counted].astype(np.int64) * size + found[counted]
        counts[number] = np.bincount(pairs, minlength=size * size)
    return counts


def counts_of(matrix: Array) -> ClassCounts:
    """Return hits, support and predictions of each class from a confusion matrix.

    Shape:
        matrix: `(..., size, size)`, with a row for each true class.
    """
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    return ClassCounts(hits, matrix.sum(axis=-1), matrix.sum(axis=-2))


def intersection_over_union(counts: ClassCounts) -> Float:
    """Return the intersection over union (the Jaccard index) of each class.

    Formula:
        hits / (support + predicted - hits); nan for a class that is neither there nor predicted

    Reference:
        Everingham et al., 2010, "The PASCAL Visual Object Classes (VOC) Challenge", section 4.1.3.
    """
    return ratio(counts.hits, counts.support + counts.predicted - counts.hits, otherwise=np.nan)


def mean_iou(counts: ClassCounts) -> Float:
    """Return the mean intersection over union of the classes that are there or predicted; nan if none is.

    Shape:
        The counts: `(..., classes)`. Returns: `(...)`.
    """
    of_class = intersection_over_union(counts)
    known = ~np.isnan(of_class)
    return ratio(np.where(known, of_class, 0.0).sum(axis=-1), known.sum(axis=-1), otherwise=np.nan)


def accuracy_of(counts: ClassCounts) -> Float:
    """Return the fraction of the pixels whose class is right; nan without pixels."""
    return ratio(counts.hits.sum(axis=-1), counts.support.sum(axis=-1), otherwise=np.nan)


def pixel_statistic(counts: ClassCounts, *, is_mean_iou: bool) -> WeightedStatistic:
    """Return mean intersection over union, or accuracy, as a function of the weights of images.

    Args:
        counts: The counts of each image, `(n, classes)`.
        is_mean_iou: Whether to return the mean intersection over union.
    """
    score = mean_iou if is_mean_iou else accuracy_of

    def compute(weights: Float, hits: Array, support: Array, predicted: Array) -> Float:
        return score(ClassCounts(weights @ hits, weights @ support, weights @ predicted))

    columns = (counts.hits, counts.support, counts.predicted)
    return WeightedStatistic(compute, tuple(column.astype(np.float64) for column in columns), True)
