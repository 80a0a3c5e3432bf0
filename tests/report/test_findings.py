"""Scores with their intervals, from stored predictions."""

import numpy as np
import pytest

from dlrun.report.findings import find
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
