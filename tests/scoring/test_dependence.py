"""Partial dependence: the grids of columns, and mean predictions on them."""

import numpy as np
import pytest

from dlrun.scoring.dependence import MOST_CATEGORIES, MOST_POINTS, category_grid, number_grid, partial_dependence


def test_the_dependence_on_a_column_of_a_sum_is_its_own_part() -> None:
    stored = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    calls = []

    def predict(rows: np.ndarray) -> np.ndarray:
        calls.append(len(rows))
        return np.stack([rows[:, 0] ** 2 + rows[:, 1], rows[:, 2]], axis=1)

    found = partial_dependence(predict, stored, (0,), np.array([[0.0], [3.0]]))
    expected = [[stored[:, 1].mean(), stored[:, 2].mean()], [9 + stored[:, 1].mean(), stored[:, 2].mean()]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert calls == [100]


def test_the_points_of_numbers_are_values_of_examples_without_outliers() -> None:
    axis = np.append(np.arange(1000.0), 1e9)
    grid = number_grid("x", axis, np.stack([axis, axis * 2], axis=1))
    assert grid is not None
    assert len(grid.points) == MOST_POINTS
    assert (grid.points[0], grid.points[-1]) == (10, 990)
    assert (grid.cells == np.stack([grid.points, 2 * grid.points], axis=1)).all()
    assert len(grid.values) == 100
    assert number_grid("x", np.ones(5), np.ones((5, 1))) is None
    assert number_grid("x", np.ones(0), np.ones((0, 1))) is None


def test_equal_numbers_are_one_point() -> None:
    axis = np.array([0.0] * 60 + [1.0] * 40)
    grid = number_grid("x", axis, axis[:, None])
    assert grid is not None
    assert grid.points.tolist() == [0.0, 1.0]


def test_the_most_frequent_categories_come_first_with_their_parts() -> None:
    ids = np.repeat(np.arange(30), np.arange(30, 0, -1)).astype(np.float32)
    grid = category_grid("k", ids, "c{}".format)
    assert grid is not None
    assert grid.categories[:2] == ("c0", "c1")
    assert len(grid.categories) == MOST_CATEGORIES
    assert grid.points[0] == pytest.approx(30 / len(ids))
    assert grid.cells[:2].tolist() == [[0.0], [1.0]]
    assert category_grid("k", np.zeros(9), str) is None
