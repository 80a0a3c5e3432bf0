"""Scores of masks are those of their pixels, whatever the blocks in which they come."""

import numpy as np
import pytest

from dlrun.scoring.breakdown import collector_of
from dlrun.scoring.classification import ClassCounts
from dlrun.scoring.masks import (
    accuracy_of,
    confusion_counts,
    counts_of,
    intersection_over_union,
    mean_iou,
    pixel_statistic,
)
from dlrun.signature import IGNORED_CLASS, Target

TARGET = Target("mask", 4, ("a", "b", "c", "unused"))
RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 3, (6, 5, 7), np.uint8)
TRUTH[1, :3] = TRUTH[4] = IGNORED_CLASS
PREDICTED = np.where(RNG.random(TRUTH.shape) < 0.6, TRUTH % 3, RNG.integers(0, 3, TRUTH.shape)).astype(np.uint8)
WEIGHTS = np.array([1, 0.5, 2, 0, 3, 0.25])


def by_hand(weights: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, list[float]]:
    """Accuracy, and the intersection over union of each class that is there."""
    of_pixel = np.broadcast_to(weights[:, None, None], TRUTH.shape) * (TRUTH != IGNORED_CLASS)
    both = [of_pixel[np.isin(TRUTH, each) & np.isin(PREDICTED, each)].sum() for each in range(3)]
    either = [of_pixel[np.isin(TRUTH, each) | np.isin(PREDICTED, each)].sum() for each in range(3)]
    return sum(both) / of_pixel.sum(), [a / b for a, b in zip(both, either, strict=True)]


def test_the_matrix_of_an_image_counts_its_pixels_by_true_and_predicted_class() -> None:
    truth = np.array([[[0, 0, 1], [2, IGNORED_CLASS, 1]]], np.uint8)
    predicted = np.array([[[0, 1, 1], [0, 2, 1]]], np.uint8)
    assert confusion_counts(truth, predicted, 3).tolist() == [[1, 1, 0, 0, 2, 0, 1, 0, 0]]
    counts = counts_of(confusion_counts(truth, predicted, 3).reshape(-1, 3, 3))
    assert counts.hits.tolist() == [[1, 2, 0]]
    assert counts.support.tolist() == [[2, 2, 1]]
    assert counts.predicted.tolist() == [[2, 3, 0]]
    np.testing.assert_allclose(intersection_over_union(counts), [[1 / 3, 2 / 3, 0]])
    assert mean_iou(counts) == pytest.approx(1 / 3)
    assert accuracy_of(counts) == pytest.approx(0.6)


def test_a_class_that_is_neither_there_nor_predicted_has_no_score_and_lowers_no_mean() -> None:
    counts = ClassCounts(np.array([2, 3, 0]), np.array([2, 4, 0]), np.array([3, 3, 0]))
    np.testing.assert_allclose(intersection_over_union(counts), [2 / 3, 3 / 4, np.nan])
    assert mean_iou(counts) == pytest.approx((2 / 3 + 3 / 4) / 2)
    nothing = ClassCounts(*(np.zeros(3) for _ in range(3)))
    assert np.isnan(mean_iou(nothing))
    assert np.isnan(accuracy_of(nothing))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("blocks", [(6,), (1, 3, 2)])
def test_scores_of_masks_are_those_of_all_their_pixels(
    weights: np.ndarray[tuple[int], np.dtype[np.float64]] | None, blocks: tuple[int, ...]
) -> None:
    collector, start = collector_of(TARGET), 0
    for count in blocks:
        rows = slice(start, start := start + count)
        counts = confusion_counts(TRUTH[rows], PREDICTED[rows], 4)
        collector.add(np.empty(0), counts, None if weights is None else weights[rows])
    found = collector.breakdown()
    accuracy, of_class = by_hand(np.ones(6) if weights is None else weights)
    assert (found.kind, found.part_kind, found.examples) == ("mask", "class", 6)
    assert found.weight == (None if weights is None else 6.75)
    assert found.overall["accuracy"] == pytest.approx(accuracy)
    assert found.overall["mean_iou"] == pytest.approx(np.mean(of_class))
    assert [part["iou"] for part in found.parts.values()][:3] == pytest.approx(of_class)
    assert [part["dice"] for part in found.parts.values()][:3] == pytest.approx([2 * x / (1 + x) for x in of_class])
    assert [*found.parts] == ["a", "b", "c", "unused"]
    assert np.trace(found.matrix()) / found.matrix().sum() == pytest.approx(accuracy)
    assert found.matrix().sum(axis=1) == pytest.approx([part["pixels"] for part in found.parts.values()])


def test_the_statistics_of_groups_of_images_are_their_scores() -> None:
    collector = collector_of(TARGET)
    collector.add(np.empty(0), confusion_counts(TRUTH, PREDICTED, 4))
    accuracy, of_class = by_hand(WEIGHTS)
    statistics = collector.statistics()
    assert statistics["accuracy"].compute(WEIGHTS, *statistics["accuracy"].columns) == pytest.approx(accuracy)
    iou = statistics["mean_iou"]
    assert iou.compute(WEIGHTS, *iou.columns) == pytest.approx(np.mean(of_class))
    assert iou.larger_is_better
    several = np.stack([WEIGHTS, np.ones(6)])
    assert iou.compute(several, *iou.columns) == pytest.approx([np.mean(of_class), np.mean(by_hand(np.ones(6))[1])])
    counts = ClassCounts(*(column.astype(int) for column in iou.columns))
    again = pixel_statistic(counts, is_mean_iou=False)
    assert again.compute(WEIGHTS, *again.columns) == pytest.approx(accuracy)
