"""The scrambled Halton sequence."""

import math

import numpy as np
import pytest

from dlrun.search.samplers.qmc import halton


@pytest.mark.parametrize(("dimension", "base"), [(0, 2), (1, 3), (2, 5), (5, 13)])
def test_each_power_of_the_base_divides_the_interval_evenly(dimension: int, base: int) -> None:
    for power in (base, base**2):
        for first in (0, 5 * power):
            cells = {math.floor(halton(first + index, dimension, seed=7) * power) for index in range(power)}
            assert cells == set(range(power))


def test_coordinates_are_independent_and_depend_on_the_seed() -> None:
    points = np.array([[halton(index, dimension, seed=0) for dimension in range(8)] for index in range(200)])
    assert (points >= 0).all()
    assert (points < 1).all()
    correlations = np.corrcoef(points.T) - np.eye(8)
    assert np.abs(correlations).max() < 0.3
    assert halton(3, 1, seed=0) != halton(3, 1, seed=1)
