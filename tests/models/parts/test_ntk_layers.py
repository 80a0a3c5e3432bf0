"""The first weights of a dense layer suit its inputs."""

import numpy as np
import pytest

from dlrun.models.parts.ntk_layers import scaled_start


def test_each_unit_has_variance_1_and_is_0_inside_the_range_of_its_inputs() -> None:
    random = np.random.default_rng(0)
    inputs = (50 + 7 * random.normal(size=(300, 4))).astype(np.float32)
    kernel, bias = scaled_start(inputs, random.normal(size=(4, 200)), np.random.default_rng(1))
    products = inputs @ kernel / 2
    np.testing.assert_allclose(products.std(axis=0), 1, rtol=1e-6)
    assert ((products.min(axis=0) < -bias) & (-bias < products.max(axis=0))).all()
    # The mean of 5 rows with random weights: its deviation is that of the rows by sqrt(E sum p^2) = sqrt(1 / 3).
    assert (products.mean(axis=0) + bias).std() == pytest.approx(np.sqrt(1 / 3), rel=0.15)
    again = scaled_start(inputs, kernel, np.random.default_rng(1))
    np.testing.assert_allclose(again[1], bias, rtol=1e-5)


def test_a_unit_without_variance_keeps_its_kernel() -> None:
    inputs = np.full((9, 3), 0.1, np.float32)
    kernel, bias = scaled_start(inputs, np.ones((3, 2)), np.random.default_rng(0))
    np.testing.assert_array_equal(kernel, np.ones((3, 2)))
    np.testing.assert_allclose(bias, -0.3 / np.sqrt(3), rtol=1e-6)
