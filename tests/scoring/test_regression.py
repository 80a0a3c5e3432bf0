"""Scores of values and reconstructions match the hand computation."""

import numpy as np
import pytest

from dlrun.scoring.regression import error_statistics, regression_scores


def test_regression_scores_match_the_hand_computation_in_the_unit_of_the_values() -> None:
    truth = np.array([[1.0, 10.0], [2.0, 10.0], [3.0, 10.0], [6.0, 10.0]])
    predicted = truth + np.array([[0.0, 1.0], [1.0, 1.0], [-1.0, 1.0], [2.0, 1.0]])
    scores = regression_scores(truth, predicted)
    assert scores.mae == pytest.approx([1, 1])
    assert scores.rmse == pytest.approx([np.sqrt(6 / 4), 1])
    assert scores.median_absolute_error == pytest.approx([1, 1])
    assert scores.bias == pytest.approx([0.5, 1])
    assert scores.r2[0] == pytest.approx(1 - 6 / 14)  # (1-3)^2 + (2-3)^2 + 0 + (6-3)^2 = 14
    assert np.isnan(scores.r2[1])  # the truth never changes


def test_large_values_keep_their_precision() -> None:
    truth = np.array([[1e7], [1e7 + 1], [1e7 + 2]], np.float32)
    scores = regression_scores(truth, truth + np.array([[1.0], [1.0], [1.0]], np.float32))
    assert scores.bias[0] == 1
    assert scores.r2[0] == pytest.approx(1 - 3 / 2)


def test_reconstruction_errors_have_a_mean_and_quantiles() -> None:
    found = error_statistics(np.arange(101, dtype=np.float32))
    assert found == {
        "mean": 50, "minimum": 0, "quantile_0.25": 25, "median": 50, "quantile_0.75": 75, "quantile_0.9": 90,
        "quantile_0.95": 95, "quantile_0.99": 99, "maximum": 100,
    }  # fmt: skip
