"""Scores with their intervals, from stored predictions."""

import numpy as np
import pytest

from dlrun.report.findings import find
from dlrun.signature import Target
from run_folders import CLASSES, KINDS, predictions


def test_an_interval_holds_the_score_and_shrinks_with_more_examples() -> None:
    few, many = (np.tile(np.arange(40) % 3, times) for times in (1, 25))
    width = []
    for target in (few, many):
        outputs = np.eye(3, dtype=np.float32)[np.where(np.arange(len(target)) % 4 == 0, 0, target)]
        kept = predictions(examples=len(target), rows=np.arange(len(target)), outputs=outputs, target=target)
        accuracy = find(kept, CLASSES).scores[0]
        assert accuracy.name == "accuracy"
        assert accuracy.low < accuracy.value < accuracy.high
        width.append(accuracy.high - accuracy.low)
    assert width[1] < width[0] / 3


def test_a_forecast_is_scored_next_to_the_naive_forecast() -> None:
    target, kept = KINDS["forecast"]
    assert kept is not None
    scores = {score.name: score.value for score in find(kept, target).scores}
    assert scores["MAE"] == pytest.approx(1.0)
    assert scores["naive: MAE"] == pytest.approx(1.0)


def test_masks_are_scored_by_pixels_with_intervals_from_whole_images() -> None:
    right, wrong = [9, 1, 0, 0], [0, 0, 10, 0]
    kept = predictions(outputs=np.array([right] * 30 + [wrong] * 10, np.float32), target=np.zeros(0))
    found = find(kept, Target("mask", 2, ("a", "b")))
    assert found.header == ("class", "IoU", "Dice", "precision", "recall", "pixels", "predicted pixels")
    assert [row[:2] for row in found.rows] == [("a", "0.6750"), ("b", "0.0000")]
    assert [row[-2:] for row in found.rows] == [("300", "370"), ("100", "30")]
    mean, accuracy = found.scores
    assert (mean.name, accuracy.name) == ("mean IoU", "accuracy of pixels")
    assert mean.value == pytest.approx(0.3375)
    assert accuracy.value == pytest.approx(270 / 400)
    # As many images are drawn as there are, so the accuracy of a sample is 0.9 times a binomial fraction.
    assert accuracy.high - accuracy.low == pytest.approx(0.9 * 2 * 1.96 * (0.75 * 0.25 / 40) ** 0.5, rel=0.15)


def test_the_worst_of_very_many_classes_are_listed() -> None:
    size = 70
    counts = np.diag(np.arange(size)) + np.eye(size, k=1) * 10
    kept = predictions(outputs=np.tile(counts.reshape(1, -1), (40, 1)).astype(np.float32), target=np.zeros(0))
    rows = find(kept, Target("mask", size)).rows
    assert len(rows) == 60
    assert [row[0] for row in rows[:3]] == ["0", "1", "2"]
