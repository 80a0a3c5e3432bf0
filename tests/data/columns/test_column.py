"""The values of a column at which to look at predictions."""

import numpy as np
import pyarrow as pa

from dlrun.data.columns import CategoricalColumn, NumericColumn, TextColumn, column_grid
from dlrun.data.columns.dates import DateColumn


def test_missing_numbers_are_no_points_and_an_offset_is_added_again() -> None:
    column = NumericColumn("x", median=5.0, mean=0.0, variance=1.0, indicator=True, offset=1000.0)
    cells, _ = column.code(pa.array(["1001", None, "1003", "1002"]))
    grid = column_grid(column, cells)
    assert grid is not None
    assert grid.points.tolist() == [1001.0, 1002.0, 1003.0]
    assert grid.cells.tolist() == [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]


def test_categories_have_their_names_and_missing_ones_are_named() -> None:
    column = CategoricalColumn("k", ("red", "blue"), has_missing=True)
    cells, _ = column.code(pa.array(["red", "blue", "red", None, "red"]))
    grid = column_grid(column, cells)
    assert grid is not None
    assert grid.categories[0] == "red"
    assert set(grid.categories) == {"red", "blue", "missing"}
    assert column_grid(TextColumn("t", ("a",), 2, 4), np.zeros((3, 2))) is None


def test_dates_are_those_of_examples_in_their_order() -> None:
    column = DateColumn("d", "ymd", (2020.0, 6.0, 15.0, 3.0, 0.0), (2020.0,) * 5, (1.0,) * 5)
    cells, _ = column.code(pa.array(["2021-07-01", "2020-01-01", "2020-12-31"]))
    grid = column_grid(column, cells)
    assert grid is not None
    assert grid.cells[:, :3].tolist() == [[2020, 1, 1], [2020, 12, 31], [2021, 7, 1]]
    np.testing.assert_allclose(grid.points, [2020, 2021, 2021.5], atol=0.01)
