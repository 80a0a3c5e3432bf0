from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from dlrun.data.columns.scaling import QuantileScaling, RobustScaling
from dlrun.monotone import MonotoneCurve

KINDS = (RobustScaling, QuantileScaling)
NO_MARKS = np.zeros(1, bool)


def column(*values: float) -> Any:
    return np.array(values, np.float32)[:, None]


def test_robust_scaling_is_the_distance_from_the_median_in_quartile_ranges_with_a_smooth_clip() -> None:
    scaling = RobustScaling.measure(column(0, 10, 20, 30, 40), is_mark=NO_MARKS)
    z = np.array([-1.0, 0.0, 1.0, 49.0])  # (x - 20) / (30 - 10)
    found = scaling.apply(column(0, 20, 40, 1000))[:, 0]
    np.testing.assert_allclose(found, z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-6)


def test_robust_scaling_uses_half_the_range_where_the_quartiles_are_equal() -> None:
    scaling = RobustScaling.measure(column(0, 0, 0, 0, 0, 0, 8), is_mark=NO_MARKS)
    assert scaling.spread == (4.0,)


def test_quantile_scaling_gives_equal_values_the_middle_of_their_ranks() -> None:
    scaling = QuantileScaling.measure(column(0, 0, 0, 5), is_mark=NO_MARKS)
    inverse = NormalDist().inv_cdf
    np.testing.assert_allclose(scaling.apply(column(0, 5))[:, 0], [inverse(1.5 / 4), inverse(3.5 / 4)], atol=1e-5)


def test_quantile_scaling_makes_a_heavy_tail_normal_and_interpolates() -> None:
    values = np.exp(3 * np.random.default_rng(0).standard_normal((20_000, 1))).astype(np.float32)
    scaled = QuantileScaling.measure(values, is_mark=NO_MARKS).apply(values)
    assert abs(scaled.mean()) < 0.02
    assert scaled.std() == pytest.approx(1, abs=0.02)
    between = QuantileScaling((MonotoneCurve((0.0, 1.0, 3.0), (-1.0, 0.0, 2.0)),)).apply(column(-9, 0.5, 2, 99))[:, 0]
    np.testing.assert_allclose(between, [-5, -0.5, 1, 5], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_constants_outliers_and_huge_numbers_stay_finite_and_in_order(kind: Any) -> None:
    ordinary = np.linspace(-1, 1, 50)
    table = np.stack([np.full(50, 7.0), np.r_[ordinary[:-1], 1e18], ordinary * 1e18, ordinary * 1e-35], axis=1)
    table = table.astype(np.float32)
    with np.errstate(over="ignore"):
        scaled = kind.measure(table, is_mark=np.zeros(4, bool)).apply(table)
        beyond = kind.measure(table, is_mark=np.zeros(4, bool)).apply(np.array([[-1e18] * 4, [1e18] * 4], np.float32))
    assert np.isfinite(scaled).all()
    assert np.abs(scaled).max() < 6
    assert (scaled[:, 0] == 0).all()
    assert (np.diff(scaled[:, 1:3], axis=0) > 0).all()
    assert np.isfinite(beyond).all()


@pytest.mark.parametrize("kind", KINDS)
def test_marks_of_missing_values_stay_0_and_1(kind: Any) -> None:
    table = np.array([[1, 0], [2, 0], [3, 1], [9, 0]], np.float32)
    scaled = kind.measure(table, is_mark=np.array([False, True])).apply(table)
    assert scaled[:, 1].tolist() == [0, 0, 1, 0]


@pytest.mark.tensorflow
@pytest.mark.parametrize("kind", KINDS)
def test_keras_computes_the_same_as_numpy(kind: Any) -> None:
    import keras

    table = np.random.default_rng(0).standard_cauchy((300, 3)).astype(np.float32)
    scaling = kind.measure(table, is_mark=np.zeros(3, bool))
    inputs = keras.Input((3,))
    model = keras.Model(inputs, scaling.apply(inputs, keras.ops))
    np.testing.assert_allclose(model(table), scaling.apply(table), atol=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("kind", KINDS)
def test_one_window_of_one_number_is_scaled_without_operations_that_tensorflow_lite_lacks(kind: Any) -> None:
    import keras
    import tensorflow as tf

    table = np.random.default_rng(0).standard_normal((50, 1)).astype(np.float32)
    scaling = kind.measure(table, is_mark=NO_MARKS)
    step = tf.function(lambda window: scaling.apply(window, keras.ops))
    graph = step.get_concrete_function(tf.TensorSpec((1, 8, 1), tf.float32)).graph
    assert "BiasAdd" not in {operation.type for operation in graph.get_operations()}
