"""Dates of every layout: what is one, and which parts an instant has."""

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from column_tables import Write, column_of, planned
from dlrun.data.columns.dates import parse_dates
from dlrun.data.interface import Interface, parse_interface
from dlrun.data.series.time import LAYOUTS, parse_times
from dlrun.data.table.input import TableInput
from dlrun.data.table.source import Table
from dlrun.errors import DataError

IMPOSSIBLE = [
    "2023-02-30", "2023-02-29", "1900-02-29", "2023-04-31", "2023-13-01", "2023-00-10", "2023-01-00", "30.02.2023",
    "02/30/2023", "2023-01-01 25:61", "2023-01-01 10:60", "2023-01-01 24:01", "2023-01-01T10:00+25:00",
]  # fmt: skip


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_days_that_do_not_exist_are_not_dates_in_any_layout(text: str) -> None:
    array = pa.array([None, text])
    assert [parse_dates(array, layout)[1] for layout in ("ymd", "dmy", "mdy")] == [1, 1, 1]
    assert [parse_times(array, layout)[1] for layout in LAYOUTS] == [1] * len(LAYOUTS)


@pytest.mark.parametrize("text", ["25:00", "24:01", "12:60", "13:00 pm"])
def test_impossible_clock_times_are_not_times(text: str) -> None:
    assert parse_times(pa.array([text]), "clock")[1] == 0


def test_an_impossible_day_among_dates_is_reported_with_its_line(write: Write) -> None:
    values = [f"2020-01-{index:02d}" for index in range(1, 31)]
    values[9] = "2020-02-30"
    with pytest.raises(DataError) as caught:
        planned(write(column_of(values)))
    assert "table.csv:11 (row 10): column 'x' contains '2020-02-30'" in str(caught.value)
    assert caught.value.expected == "a day that exists in the calendar"


@pytest.mark.parametrize("offset", [0, 120, -330, 845, -720])
def test_an_instant_has_the_same_parts_in_every_time_zone(offset: int) -> None:
    zone = dt.timezone(dt.timedelta(minutes=offset))
    first = dt.datetime(1999, 12, 31, 0, 30, tzinfo=zone)
    times = [first + dt.timedelta(days=101 * step, minutes=97 * step) for step in range(200)]
    utc = [time.astimezone(dt.UTC) for time in times]
    parts, wrong = parse_dates(pa.array([time.isoformat() for time in times]), "ymd")
    assert wrong is None
    assert parts.tolist() == [[each.year, each.month, each.day, each.weekday(), each.hour] for each in utc]
    packed = [time.strftime("%d.%m.%Y %H:%M:%S,5 %z") for time in times]
    assert np.array_equal(parse_dates(pa.array(packed), "dmy")[0], parts)


def test_midnight_may_be_the_end_of_a_day() -> None:
    assert parse_dates(pa.array(["2023-12-31 24:00"]), "ymd")[0].tolist() == [[2024, 1, 1, 0, 0]]


def test_earlier_runs_keep_local_time(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("at,y\n" + "".join(f"2023-05-{day:02}T23:30:00-03:00,{day % 3}.5\n" for day in range(1, 29)))
    dataset = Table(path=str(path), target="y").load()
    assert isinstance(dataset.raw, TableInput)
    assert dataset.splits["train"].features[0].tolist() == [2023, 5, 2, 1, 2]
    assert dataset.target is not None
    made = Interface("x", dataset.raw, dataset.preprocess, dataset.features, dataset.target)
    before = made.plain()
    del before["raw"]["columns"][0]["in_utc"]
    import json

    kept = parse_interface(json.dumps(before).encode(), origin="x")
    assert next(kept.raw.read(str(path), at_once=9)).stored[0].tolist() == [2023, 5, 1, 0, 23]


@pytest.mark.tensorflow
def test_the_graph_of_one_date_has_no_sum_that_tensorflow_lite_lacks() -> None:
    import keras
    import tensorflow as tf

    from dlrun.data.columns.dates import build_dates

    text = keras.Input((1,), dtype="string")
    model = keras.Model(text, build_dates(text, "ymd"))
    graph = tf.function(model).get_concrete_function(tf.TensorSpec((1, 1), tf.string)).graph
    assert "BiasAdd" not in {operation.type for operation in graph.get_operations()}
