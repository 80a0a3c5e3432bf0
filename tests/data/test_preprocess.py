from typing import Any

import numpy as np
import pytest

from dlrun.data.preprocess import ArrayPreprocess, measure_columns

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(500, 3), (20_000, 2), (40, 5, 3), (30, 4, 4, 1)])
def test_statistics_of_columns_match_numpy(shape: tuple[int, ...]) -> None:
    values = (GENERATOR.normal(1000, 3, shape)).astype(np.float32)
    mean, variance = measure_columns(values, scale=0.5)
    exact = values.astype(np.float64) * 0.5
    axes = tuple(range(len(shape) - 1))
    assert np.allclose(mean, exact.mean(axis=axes), rtol=1e-12)
    assert np.allclose(variance, exact.var(axis=axes), rtol=1e-9)


def test_bytes_do_not_overflow() -> None:
    values = np.full((100_000, 1), 255, np.uint8)
    values[::2] = 0
    assert measure_columns(values) == ((127.5,), (127.5**2,))


def test_a_column_that_never_changes_has_variance_1() -> None:
    values = np.full((1000, 2), 0.1, np.float32)
    values[:, 1] = GENERATOR.normal(size=1000)
    _, variance = measure_columns(values, scale=3.0)
    assert variance[0] == 1.0
    assert variance[1] != 1.0


def _apply(preprocess: ArrayPreprocess, values: Any) -> Any:
    return np.asarray(preprocess.build()(values))


@pytest.mark.tensorflow
def test_scaling_and_standardizing_are_the_stated_arithmetic() -> None:
    values = GENERATOR.integers(0, 256, (6, 4, 4, 2)).astype(np.uint8)
    mean, variance = measure_columns(values, scale=1 / 255)
    out = _apply(ArrayPreprocess((4, 4, 2), scale=1 / 255, mean=mean, variance=variance), values)
    exact = (values / 255 - np.array(mean)) / np.sqrt(variance)
    assert out.dtype == np.float32
    assert np.abs(out - exact).max() < 1e-5
    assert np.abs(out.mean(axis=(0, 1, 2))).max() < 1e-5
    assert np.abs(out.var(axis=(0, 1, 2)) - 1).max() < 1e-5


@pytest.mark.tensorflow
def test_a_single_column_and_a_sequence_are_standardized_too() -> None:
    for shape in ((50, 1), (20, 7, 3)):
        values = GENERATOR.normal(5, 2, shape).astype(np.float32)
        mean, variance = measure_columns(values)
        out = _apply(ArrayPreprocess(shape[1:], mean=mean, variance=variance), values)
        assert out.shape == shape
        assert abs(out.mean()) < 1e-5


@pytest.mark.tensorflow
def test_resizing_is_bilinear_and_comes_before_scaling() -> None:
    out = _apply(ArrayPreprocess((2, 2, 1), resize=(4, 4), scale=0.5), np.array([[[[0], [8]], [[0], [8]]]], np.uint8))
    assert out.shape == (1, 4, 4, 1)
    assert out[0, 0, :, 0].tolist() == [0, 1, 3, 4]


@pytest.mark.tensorflow
def test_without_any_step_values_are_unchanged() -> None:
    values = GENERATOR.normal(size=(3, 5)).astype(np.float32)
    assert (_apply(ArrayPreprocess((5,)), values) == values).all()
    ids = _apply(ArrayPreprocess((4,), dtype="int32"), np.array([[1, 2, 3, 2**31 - 1]], np.int32))
    assert ids.dtype == np.int32
    assert ids.tolist() == [[1, 2, 3, 2**31 - 1]]


@pytest.mark.tensorflow
def test_it_works_in_a_graph_on_stored_bytes() -> None:
    import tensorflow as tf

    built = ArrayPreprocess((2, 2, 1), scale=1 / 255).build()
    stored = tf.constant(np.full((5, 2, 2, 1), 255, np.uint8))
    out = tf.function(lambda indices: built(tf.gather(stored, indices)))(tf.constant([0, 3]))
    assert out.dtype == tf.float32
    assert out.numpy().tolist() == np.ones((2, 2, 2, 1)).tolist()
