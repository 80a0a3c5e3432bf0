"""Series: windows by time, what is left out, what a forecast without a model is, and reading for predictions."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data import Dataset
from dlrun.data.mapped import Windows, gather
from dlrun.data.series.input import SeriesInput
from dlrun.data.series.source import Series
from dlrun.data.series.splits import cut_by_time, known_before
from dlrun.errors import DataError, SpecError
from dlrun.spec.parse import read_spec

ROWS = [f"{2020 + hour // 10},{hour % 10},{'NA' if hour in (3, 31) else hour},{'ab'[hour % 2]}" for hour in range(40)]
HOUR = 1
"""Its place among the columns."""


def write(path: Path, rows: list[str] = ROWS) -> Path:
    path.write_text("\n".join(["year,hour,load,wind", *rows]) + "\n")
    return path


def load(path: Path, **keys: Any) -> Dataset:
    known = {"path": str(path), "target": "load", "history": 4, "horizon": 2, "test": 8, "validation": 6}
    return Series.model_validate({**known, **keys}).load()


def test_a_window_holds_the_rows_before_the_values_that_it_predicts(tmp_path: Path) -> None:
    loaded = load(write(tmp_path / "x.csv"))
    # 35 windows; the last 8 begin in rows 27 to 34, and the first of these would predict row 31, which is not known.
    hours = np.asarray(loaded.splits["test"].features)[:, :, HOUR]
    assert hours[:, 0].tolist() == [hour % 10 for hour in range(28, 35)]
    target = loaded.splits["test"].target
    assert target is not None
    np.testing.assert_array_equal(target[-1], [38, 39])
    assert (target[:, 1] == target[:, 0] + 1).all()
    assert 31 not in target


def test_no_window_of_a_split_predicts_a_value_of_another(tmp_path: Path) -> None:
    loaded = load(write(tmp_path / "x.csv"))
    values = {name: set(np.ravel(split.target).tolist()) for name, split in loaded.splits.items()}  # type: ignore[arg-type]
    assert max(values["train"]) < min(values["validation"])
    assert max(values["validation"]) < min(values["test"])


def test_statistics_are_measured_on_the_training_span_only(tmp_path: Path) -> None:
    rows = [row if index < 25 else row.replace(",a", ",new").replace(",b", ",new") for index, row in enumerate(ROWS)]
    loaded = load(write(tmp_path / "x.csv", rows))
    raw = loaded.raw
    assert isinstance(raw, SeriesInput)
    wind = next(column for column in raw.columns if column.name == "wind")
    assert set(wind.vocabulary) == {"a", "b"}  # type: ignore[union-attr]
    target = loaded.target
    assert target is not None
    train_rows = cut_by_time(40, history=4, horizon=2, test=8, validation=6).train_rows
    seen = [hour for hour in range(train_rows) if hour not in (3, 31)]
    assert target.mean == pytest.approx((np.mean(seen),) * 2)
    assert target.names == ("load +1", "load +2")


def test_windows_without_a_target_are_left_out_with_a_note_or_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv")
    assert any("1 of 8 windows of the test split" in note for note in load(path).notes)
    with pytest.raises(DataError, match="missing_target: drop"):
        load(path, missing_target="error")


def test_the_forecast_without_a_model_is_the_last_known_value(tmp_path: Path) -> None:
    loaded = load(write(tmp_path / "x.csv"))
    test, naive = loaded.splits["test"], loaded.naive["test"]
    assert test.target is not None
    assert naive.shape == test.target.shape
    last = test.target[:, 0] - 1
    np.testing.assert_array_equal(naive[:, 0], np.where(last == 31, 30, last))
    np.testing.assert_array_equal(naive[:, 0], naive[:, 1])
    assert known_before(np.array([[np.nan], [2.0], [np.nan]])).tolist() == [[2], [2], [2]]


def test_the_predicted_times_are_known_if_a_time_is_one_number(tmp_path: Path) -> None:
    rows = [f"2024-01-{day:02d},{day}" for day in range(1, 31)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["day,load", *rows]) + "\n")
    dated = load(path, time="day")
    assert dated.times["test"].dtype == np.int64
    first = dated.splits["test"].target
    assert first is not None
    days = dated.times["test"].astype("datetime64[s]").astype("datetime64[D]").astype(object)
    assert [day.day for day in days] == first[:, 0].tolist()
    assert load(write(tmp_path / "y.csv")).times == {}


def test_a_time_that_goes_back_is_refused_with_both_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", [*ROWS[:20], ROWS[5], *ROWS[20:]])
    with pytest.raises(DataError, match=r"x.csv:22.*2020 5 comes after 2021 9"):
        load(path, time=("year", "hour"))
    load(path)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"history": 100}, "40 rows"),
        ({"test": 34}, "some examples left for training"),
        ({"target": "wind"}, "contains 'a'"),
        ({"text": ("wind",)}, "free text"),
    ],
)
def test_data_that_cannot_be_a_series_is_a_data_error(tmp_path: Path, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        load(write(tmp_path / "x.csv"), **keys)


def test_a_misspelt_column_has_its_place_in_the_spec(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        f"dataset: {{type: series, path: {write(tmp_path / 'x.csv')}, target: laod, history: 4}}\n"
        "model: {type: lstm, units: [4]}\nloss: mean_squared_error\n"
    )
    with pytest.raises(SpecError, match="did you mean 'load'"):
        read_spec(path)


def test_windows_are_those_of_numpy_without_making_them() -> None:
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    windows = Windows(rows, np.array([0, 5, 17]), steps=3)
    expected = np.stack([rows[start : start + 3] for start in (0, 5, 17)])
    np.testing.assert_array_equal(np.asarray(windows), expected)
    np.testing.assert_array_equal(windows[1:], expected[1:])
    np.testing.assert_array_equal(windows[np.array([2, 0])], expected[[2, 0]])
    assert (len(windows), windows.shape, windows.nbytes) == (3, expected.shape, expected.nbytes)
    out = np.zeros((2, 3, 2), np.float32)
    gather(windows, np.array([1, 2]), out=out)
    np.testing.assert_array_equal(out, expected[1:])


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_every_window_of_a_file_is_read_and_the_last_predicts_the_future(tmp_path: Path, at_once: int) -> None:
    path = write(tmp_path / "x.csv")
    raw = load(path).raw
    assert isinstance(raw, SeriesInput)
    found = list(raw.read(str(path), at_once=at_once))
    names = [name for examples in found for name in examples.names]
    assert names == [f"row {row}" for row in range(5, 42)]
    assert max(len(examples) for examples in found) <= at_once
    stored = np.concatenate([examples.stored for examples in found])
    np.testing.assert_array_equal(stored[-1, :, HOUR], [6, 7, 8, 9])


def test_with_labels_only_windows_followed_by_known_values_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv")
    loaded = load(path)
    assert loaded.raw is not None
    assert loaded.target is not None
    (found,) = loaded.raw.read(str(path), at_once=1000, target=loaded.target)
    assert found.target is not None
    assert not np.isnan(found.target).any()
    assert {f"row {int(first) + 1}" for first in found.target[:, 0]} == set(found.names)
    assert found.naive is not None
    before = found.target[:, 0] - 1
    last_known = np.where(np.isin(before, (3, 31)), before - 1, before)
    np.testing.assert_array_equal(found.naive, np.stack([last_known, last_known], axis=1))
    write(tmp_path / "short.csv", ROWS[:3])
    with pytest.raises(DataError, match=r"short.csv has 3 rows"):
        list(loaded.raw.read(str(tmp_path / "short.csv"), at_once=10))


@pytest.mark.tensorflow
def test_the_exported_model_stores_the_same_rows_as_the_reader(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv")
    raw = load(path, missing={"numeric": "indicator", "categorical": "category"}).raw
    assert isinstance(raw, SeriesInput)
    model = raw.build()
    rows = [*ROWS[:9], "2021,NA,NA,storm", "2021,1,2,"]
    for examples in raw.read(str(write(tmp_path / "odd.csv", rows)), at_once=5):
        for index in range(len(examples)):
            import tensorflow as tf

            inputs = {name: tf.constant(value) for name, value in raw.deployed(examples, index).items()}
            np.testing.assert_array_equal(model(inputs)[0], examples.stored[index])


@pytest.mark.tensorflow
@pytest.mark.parametrize("layout", ["%Y-%m-%dT%H:%M", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y"])
def test_the_exported_model_reads_the_dates_of_every_step(tmp_path: Path, layout: str) -> None:
    first = dt.datetime(2023, 12, 20, 5, tzinfo=dt.UTC)
    dates = [(first + hour * dt.timedelta(hours=17)).strftime(layout) for hour in range(40)]
    path = write(tmp_path / "x.csv", [f"{date},{hour},{hour},a" for hour, date in enumerate(dates)])
    raw = load(path, missing={"numeric": "indicator"}).raw
    assert isinstance(raw, SeriesInput)
    assert raw.columns[0].kind == "date"
    model = raw.build()
    path.write_text(path.read_text().replace(dates[3], "NA"))
    for examples in raw.read(str(path), at_once=5):
        for index in range(len(examples)):
            import tensorflow as tf

            inputs = {name: tf.constant(value) for name, value in raw.deployed(examples, index).items()}
            np.testing.assert_array_equal(model(inputs)[0], examples.stored[index])


@pytest.mark.tensorflow
def test_a_series_is_trained_scored_beside_the_last_value_and_fed_from_memory_alike(tmp_path: Path) -> None:
    from dlrun.evaluation.evaluate import evaluate
    from dlrun.experiment import train as experiment

    path = tmp_path / "x.yaml"
    path.write_text(
        f"dataset: {{type: series, path: {write(tmp_path / 'x.csv')}, target: load, history: 4, test: 8}}\n"
        "model: {type: lstm, units: [4]}\nloss: mean_squared_error\nmetrics: [mean_absolute_error]\n"
        "training: {batch_size: 8, epochs: 2, jit: off, tensorboard: false, report: false}\n"
    )
    feeds = ("training.feed=device", "training.feed=host")
    one, other = (experiment.train(path, overrides=(feed,), runs_dir=tmp_path).record for feed in feeds)
    assert one["weights_sha256"] == other["weights_sha256"]
    assert one["naive"]["test"]["mean_absolute_error"] == pytest.approx(9 / 8)
    rows = [ROWS[hour] for hour in range(28, 40)]
    (of_file,) = evaluate(one["id"], data=str(write(tmp_path / "last.csv", rows)), runs_dir=tmp_path).values()
    assert of_file.breakdown.naive["mean_absolute_error"] == pytest.approx(9 / 8)
