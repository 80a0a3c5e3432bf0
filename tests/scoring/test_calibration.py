"""Temperatures and curves are the optima of their formulas, and calibration errors are those computed by hand."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from dlrun.decision import MOST_POINTS
from dlrun.scoring.calibration import (
    brier,
    fit_isotonic,
    fit_temperature,
    outcomes,
    pool_adjacent_violators,
    reliability,
)
from dlrun.signature import Target

Float = npt.NDArray[np.float64]
RANDOM = np.random.default_rng(0)


def cross_entropy(logits: Float, truth: npt.NDArray[np.int64], weights: Float, temperature: float) -> float:
    scaled = logits / temperature
    logs = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return float(-(weights * logs[np.arange(len(truth)), truth]).sum())


def sharpened(temperature: float, count: int = 4000) -> tuple[Float, npt.NDArray[np.int64]]:
    """Logits whose softmax is right after a division by the temperature, with classes drawn by it."""
    true = RANDOM.normal(scale=1.5, size=(count, 4))
    shares = np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)
    truth = (RANDOM.random((count, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    return true * temperature, np.minimum(truth, 3)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_probabilities_were_sharpened_by_is_found(temperature: float) -> None:
    logits, truth = sharpened(temperature)
    assert fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.08)


def test_no_other_temperature_has_a_smaller_cross_entropy_with_weights_too() -> None:
    logits, truth = sharpened(3.0, 200)
    weights = RANDOM.exponential(size=200)
    found = fit_temperature(logits, truth, weights)
    assert found is not None
    assert found != pytest.approx(fit_temperature(logits, truth), rel=1e-3)
    least = cross_entropy(logits, truth, weights, found)
    for other in (found * 0.99, found * 1.01, 0.5, 8.0):
        assert least < cross_entropy(logits, truth, weights, other)


def test_an_example_of_weight_2_counts_like_two_examples() -> None:
    logits, truth = sharpened(2.0, 100)
    twice = np.arange(100) < 30
    weighted = fit_temperature(logits, truth, 1.0 + twice)
    repeated = fit_temperature(np.concatenate([logits, logits[twice]]), np.concatenate([truth, truth[twice]]))
    assert weighted == pytest.approx(repeated, rel=1e-9)


def test_without_a_mistake_there_is_no_best_temperature() -> None:
    assert fit_temperature(np.eye(3), np.arange(3)) is None
    assert fit_temperature(np.eye(3), np.array([0, 1, 1]), np.array([1.0, 1.0, 0.0])) is None


def test_pooling_finds_the_closest_rising_sequence_of_all() -> None:
    values, weights = np.array([0.3, 0.1, 0.2, 0.9, 0.4, 0.5]), np.array([1.0, 2.0, 1.0, 1.0, 3.0, 1.0])

    def distance(blocks: npt.NDArray[np.int64]) -> float:
        means = np.add.reduceat(values * weights, blocks) / np.add.reduceat(weights, blocks)
        if (np.diff(means) < 0).any():
            return np.inf
        fitted = np.repeat(means, np.diff(np.append(blocks, len(values))))
        return float((weights * np.square(fitted - values)).sum())

    # The closest one is constant between some of the places: try all of them.
    every = [
        np.array([0, *rest])
        for count in range(len(values))
        for rest in itertools.combinations(range(1, len(values)), count)
    ]
    found = pool_adjacent_violators(values, weights)
    assert found.tolist() == [0, 2, 3]
    assert distance(found) == pytest.approx(min(map(distance, every)))


def test_a_curve_corrects_probabilities_that_are_squared() -> None:
    logits = RANDOM.normal(scale=2, size=5000)
    shares = 1 / (1 + np.exp(-logits))
    is_positive = RANDOM.random(5000) < np.square(shares)
    curve = fit_isotonic(logits.astype(np.float32), is_positive)
    assert len(curve.logits) <= MOST_POINTS
    assert min(np.diff(curve.logits)) >= 0.1
    assert 0 < curve.probabilities[0] <= curve.probabilities[-1] < 1
    found = np.interp(logits, curve.logits, curve.probabilities)
    assert np.abs(found - np.square(shares)).mean() < 0.03
    assert reliability(found, is_positive).error < 0.4 * reliability(shares, is_positive).error


def test_the_weights_of_a_curve_count() -> None:
    logits, truth = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 1, 0, 1], bool)
    curve = fit_isotonic(logits, truth, np.array([3.0, 1.0, 1.0, 3.0]))
    assert curve.logits == (0.0, 1.0)
    assert curve.probabilities == pytest.approx((0.25, 0.75))
    assert fit_isotonic(np.zeros(2), np.ones(2, bool)).probabilities == (0.75,)  # 1 - 1 / (2 + 2)


def test_the_calibration_error_is_that_of_the_hand_computation() -> None:
    confidences = np.repeat([0.2, 0.6], 10)
    are_true = np.array([*([1] * 3 + [0] * 7), *([1] * 5 + [0] * 5)], bool)
    found = reliability(confidences, are_true, bins=2)
    assert found.confidence == pytest.approx([0.2, 0.6])
    assert found.frequency == pytest.approx([0.3, 0.5])
    assert found.error == pytest.approx(0.1)
    weights = np.repeat([1.0, 3.0], 10)
    assert reliability(confidences, are_true, weights, bins=4).share == pytest.approx([0.25, 0.75])


def test_the_order_of_examples_does_not_change_the_error() -> None:
    confidences, are_true = np.round(RANDOM.random(200), 1), RANDOM.random(200) < 0.5
    order = RANDOM.permutation(200)
    assert reliability(confidences, are_true).error == pytest.approx(
        reliability(confidences[order], are_true[order]).error
    )
    assert np.isnan(reliability(confidences[:0], are_true[:0]).error)


def test_what_is_measured_depends_on_the_target() -> None:
    two = np.array([[0.9, 0.1], [0.2, 0.8]])
    confidences, hits = outcomes(two, np.array([0, 0]), Target("classes", 2))
    assert (confidences.ravel().tolist(), hits.ravel().tolist()) == ([0.1, 0.8], [False, False])
    three = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
    confidences, hits = outcomes(three, np.array([0, 1]), Target("classes", 3))
    assert (confidences.ravel().tolist(), hits.ravel().tolist()) == ([0.7, 0.7], [True, False])
    columns = Target.of_columns({"kind": ("a", "b"), "wet": ("no", "yes")})
    confidences, hits = outcomes(np.array([[0.7, 0.3, 0.4, 0.6]]), np.array([[0, 0]]), columns)
    assert (confidences.tolist(), hits.tolist()) == ([[0.7, 0.6]], [[True, False]])


def test_brier_scores_are_squared_distances() -> None:
    assert brier(np.array([[0.9, 0.1]]), np.array([1]), Target("classes", 2)).tolist() == pytest.approx([0.81])
    three = brier(np.array([[0.7, 0.2, 0.1]]), np.array([1]), Target("classes", 3))
    assert three.tolist() == pytest.approx([0.49 + 0.64 + 0.01])
    labels = brier(np.array([[0.7, 0.2]]), np.array([[1, 1]]), Target("labels", 2))
    assert labels.tolist() == pytest.approx([(0.09 + 0.64) / 2])
