"""Naive forecasts repeat the last value or the last season, and the training split decides which is the baseline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data import Dataset
from dlrun.data.series.naive import NaiveForecast, naive_forecasts, rows_back
from dlrun.data.series.source import Series
from dlrun.errors import DataError
from dlrun.signature import LAST_VALUE

WEEK = [10.0, 2.0, 8.0, 30.0]


def load(folder: Path, values: list[float], **keys: Any) -> Dataset:
    path = folder / "x.csv"
    path.write_text("\n".join(["load", *map(str, values)]) + "\n")
    known = {"path": str(path), "target": "load", "history": 6, "horizon": 3, "test": 8, "season": 4}
    return Series.model_validate({**known, **keys}).load()


def test_each_step_repeats_the_newest_value_of_its_place_in_the_season() -> None:
    assert rows_back(5, 1) == (1, 1, 1, 1, 1)
    assert rows_back(5, 3) == (3, 2, 1, 3, 2)
    known, starts = np.arange(20.0)[:, None], np.array([0, 4])
    found = NaiveForecast(3).values(known, starts, history=6, horizon=5)
    assert found.tolist() == [[3, 4, 5, 3, 4], [7, 8, 9, 7, 8]]


def test_the_baseline_is_the_forecast_with_the_smaller_error_on_the_training_split(tmp_path: Path) -> None:
    seasonal = load(tmp_path, [week + 0.01 * index for index in range(15) for week in WEEK])
    assert seasonal.naive_method == "the value one season before (4 rows)"
    assert list(seasonal.weaker_naive) == [LAST_VALUE]
    truth = seasonal.splits["test"].target
    assert truth is not None
    np.testing.assert_allclose(truth - seasonal.naive["test"], 0.01, rtol=1e-3)
    drifting = load(tmp_path, [round(row**1.1, 2) for row in range(60)])
    assert drifting.naive_method == LAST_VALUE
    assert load(tmp_path, WEEK * 15, season=None).weaker_naive == {}


def test_a_signal_in_the_test_split_does_not_choose_the_baseline() -> None:
    known = np.concatenate([np.arange(40.0), np.tile(WEEK, 10)])[:, None]
    starts = {"train": np.arange(30), "test": np.arange(44, 70)}
    truth = known[np.arange(30) + 6]
    assert naive_forecasts(known, starts, truth, history=6, horizon=1, season=4).best == NaiveForecast(1)


def test_a_file_is_scored_beside_the_naive_forecast_of_the_run(tmp_path: Path) -> None:
    dataset = load(tmp_path, [week + 0.01 * index for index in range(15) for week in WEEK])
    assert dataset.raw is not None
    (block,) = dataset.raw.read(str(tmp_path / "x.csv"), at_once=100, target=dataset.target)
    assert block.target is not None
    assert block.naive is not None
    np.testing.assert_allclose(block.target - block.naive, 0.01, rtol=1e-3)


def test_a_difference_lies_in_the_window_and_a_season_within_the_history(tmp_path: Path) -> None:
    dataset = load(tmp_path, WEEK * 15, difference="seasonal")
    assert dataset.target is not None
    assert [last.rows_back for last in dataset.target.last] == [4, 3, 2]
    (long,) = Series(path="x.csv", target="y", history=3, season=4).problems()
    assert (long.path, long.hint) == (("season",), "history: 4")
    (without,) = Series(path="x.csv", target="y", history=3, difference="seasonal").problems()
    assert without.path == ("difference",)
    with pytest.raises(DataError, match="is not a numeric feature"):
        load(tmp_path, WEEK * 15, difference="seasonal", categorical=("load",))
