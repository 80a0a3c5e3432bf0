"""A sample gets a normal distribution through its quantiles, exactly undone, in arrays and in tensors."""

import numpy as np
import pytest

from dlrun.monotone import MonotoneCurve, apply_curves, normal_scores

RANDOM = np.random.default_rng(0)
HEAVY = np.concatenate([RANDOM.pareto(1.5, 5000) * 1000, np.zeros(1500)])
SMALL = RANDOM.normal(-7, 1e-3, 40)


@pytest.mark.parametrize("values", [HEAVY, SMALL], ids=["heavy tail, many zeros", "few"])
def test_normal_scores_increase_and_are_undone_to_the_digit(values: np.ndarray) -> None:
    curve = normal_scores(values)
    assert all(np.diff(knots).min() > 0 for knots in (curve.x, curve.y))
    scores = curve(values)
    assert curve.x[0] == values.min()
    assert curve.x[-1] == values.max()
    np.testing.assert_allclose(curve.inverse()(scores), values, rtol=1e-9, atol=1e-9 * np.ptp(values))


def test_scores_of_a_sample_without_ties_are_normal() -> None:
    scores = normal_scores(RANDOM.pareto(1.5, 20_000))(RANDOM.pareto(1.5, 20_000))
    assert abs(scores.mean()) < 0.03
    assert abs(scores.std() - 1) < 0.03
    assert np.mean(np.abs(scores) < 1.96) == pytest.approx(0.95, abs=0.01)


def test_equal_values_share_a_knot_in_the_middle_of_their_levels() -> None:
    curve = normal_scores(HEAVY)  # zeros are below the level 1500 / 6500
    assert curve(np.zeros(1))[0] == pytest.approx(-1.20, abs=0.01)


def test_beyond_the_ends_the_slope_is_that_of_several_segments() -> None:
    steep_end = MonotoneCurve((0.0, 1.0, 2.0, 2.0001), (0.0, 1.0, 2.0, 30.0))
    assert steep_end.end_slopes[1] == pytest.approx(28 / 0.0001)  # four knots: only one segment
    x = (*np.arange(100.0), 99.0001)
    curve = MonotoneCurve(x, (*np.arange(100.0), 130.0))
    assert curve.end_slopes[1] < 10
    np.testing.assert_allclose(curve(np.array([-2.0, 99.0001])), [-2, 130])


@pytest.mark.tensorflow
def test_tensors_get_the_same_numbers_as_arrays_also_beyond_the_ends() -> None:
    import tensorflow as tf

    curves = (normal_scores(HEAVY), normal_scores(SMALL).inverse())  # with different numbers of knots
    values = np.stack([RANDOM.uniform(-1e3, 2e6, 200), RANDOM.normal(scale=4, size=200)], axis=1)
    expected = np.stack([curve(values[:, place]) for place, curve in enumerate(curves)], axis=1)
    np.testing.assert_allclose(apply_curves(tf.constant(values), curves), expected, rtol=1e-12, atol=1e-12)
    in_float32 = apply_curves(tf.constant(values, tf.float32), curves)
    np.testing.assert_allclose(in_float32, expected, rtol=1e-5, atol=1e-5)
