"""A transformed target: loss in the learned space, everything that a user sees in the unit of the data."""

import numpy as np
import pytest

from dlrun.data.target_transform import fit_transform
from dlrun.signature import Target, Transform
from dlrun.value_transform import restore_tensor, restore_values, transform_tensor, transform_values

RANDOM = np.random.default_rng(0)
VALUES = np.stack([np.exp(RANDOM.normal(6, 2, 500)), RANDOM.pareto(2, 500) * 1e-6], axis=1)
TRANSFORMS: tuple[Transform, ...] = ("log1p", "quantile")


def fitted(transform: Transform) -> Target:
    return fit_transform(VALUES, Target("values", 2, encoding="value"), transform)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_values_are_standardized_after_the_transformation_and_restored(transform: Transform) -> None:
    target = fitted(transform)
    learned = (transform_values(VALUES, target) - target.mean) / target.scale
    np.testing.assert_allclose([learned.mean(axis=0), learned.std(axis=0)], [[0, 0], [1, 1]], atol=1e-9)
    np.testing.assert_allclose(restore_values(transform_values(VALUES, target), target), VALUES, rtol=1e-8, atol=1e-15)


@pytest.mark.tensorflow
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_tensors_are_transformed_and_restored_like_arrays(transform: Transform) -> None:
    import tensorflow as tf

    target = fitted(transform)
    learned = transform_values(VALUES, target)
    np.testing.assert_allclose(transform_tensor(tf.constant(VALUES), target), learned, rtol=1e-9, atol=1e-12)
    # In float32, too, the smallest values keep their digits.
    restored = restore_tensor(tf.constant(learned, tf.float32), target)
    np.testing.assert_allclose(restored, VALUES, rtol=1e-4, atol=1e-9)
