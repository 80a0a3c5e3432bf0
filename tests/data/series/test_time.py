"""The time of a series: how it may be written, rows that are not in its order, and what is told of them."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from dlrun.data import Dataset
from dlrun.data.inspection.check import find_all
from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.inspected import inspect_source
from dlrun.data.series.source import Series
from dlrun.data.series.time import TimeLayout, parse_times
from dlrun.errors import DataError
from dlrun.init_config.draft import Wishes
from dlrun.init_config.write import write_config
from dlrun.spec.parse import read_spec

FIRST = dt.datetime(2024, 1, 20, 8, 30, tzinfo=dt.UTC)
DAYS = [FIRST + dt.timedelta(days=day) for day in range(60)]
KEYS = {"target": "load", "history": 4, "test": 8, "validation": 6}


def write(path: Path, times: Iterable[str], name: str = "at") -> Path:
    rows = [f"{time},{np.sin(row / 5):.3f}" for row, time in enumerate(times)]
    path.write_text("\n".join([f"{name},load", *rows]) + "\n")
    return path


def written(layout: str = "%Y-%m-%d") -> list[str]:
    return [day.strftime(layout) for day in DAYS]


def series(path: Path, **keys: Any) -> Series:
    return Series.model_validate({"path": str(path), **KEYS, **keys})


def finding(path: Path, check: str, **keys: Any) -> Finding:
    return next(each for each in find_all(inspect_source(series(path, **keys))) if each.check == check)


@pytest.mark.parametrize(
    ("layout", "text", "expected"),
    [
        ("number", "1.5e3", 1500),
        ("ymd", "1970-01-02", 86400),
        ("ymd", "1970/01/02T03:04:05.25", 97445.25),
        ("ymd", "1970-02", 31 * 86400),
        ("ymd", "1970-01-02 01:00+01:00", 86400),
        ("ymd", "1970-01-01T22:00:00-0200", 86400),
        ("dmy", "02.01.1970 01:00", 90000),
        ("mdy", "1/2/1970 12:30 AM", 86400 + 1800),
        ("mdy", "1/2/1970 1:30:00 pm", 86400 + 48600),
        ("clock", "23:59:59,5", 86399.5),
        ("my", "02/1970", 31 * 86400),
        ("month", "Feb 1970", 31 * 86400),
        ("month", "1970 february", 31 * 86400),
        ("month", "2-Feb-1970", 32 * 86400),
        ("month", "Feb. 2, 1970", 32 * 86400),
        ("quarter", "1970Q2", 90 * 86400),
        ("quarter", "q2 1970", 90 * 86400),
        ("week", "1970-W02", 4 * 86400),
        ("week", "1970W023", 6 * 86400),
    ],
)
def test_a_time_is_a_number_that_is_larger_the_later_it_is(layout: TimeLayout, text: str, expected: float) -> None:
    values, wrong = parse_times(pa.array([None, text]), layout)
    assert np.isnan(values[0])
    assert values[1] == expected
    assert wrong is None
    assert parse_times(pa.array([text, "later"]), layout)[1] == 1


@pytest.mark.parametrize("layout", ["%Y-%m-%dT%H:%M", "%d.%m.%Y", "%m/%d/%Y %I:%M %p", "%-m/%-d/%Y"])
def test_a_time_is_read_as_columns_of_dates_are_written(tmp_path: Path, layout: str) -> None:
    times = written(layout)
    series(write(tmp_path / "x.csv", times), time="at").load()
    times[7], times[8] = times[8], times[7]
    with pytest.raises(DataError, match=r"x.csv:10 \(row 9\): the time .* comes after .* in .*x.csv:9 \(row 8\)"):
        series(write(tmp_path / "x.csv", times), time="at").load()


def test_ambiguous_days_and_months_are_read_in_the_order_that_sorts_the_rows(tmp_path: Path) -> None:
    times = [f"{month:02d}/{day:02d}/2024" for month in range(1, 6) for day in range(1, 13)]
    raw = series(write(tmp_path / "x.csv", times), time="at").load().raw_input()
    assert raw.columns[0].layout == "mdy"  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="column 'at' contains 'soon'"):
        series(write(tmp_path / "x.csv", [*times[:30], "soon", *times[30:]]), time="at").load()
    with pytest.raises(DataError, match="column 'at' has no value"):
        series(write(tmp_path / "x.csv", [*times[:30], "", *times[30:]]), time="at").load()


def test_date_and_clock_are_combined_to_one_time(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [f"{day:%d.%m.%Y},{hour:02d}:00,{hour + day.day}" for day in DAYS[:5] for hour in range(24)]
    path.write_text("\n".join(["Date,Time,load", *rows]) + "\n")
    config = write_config(str(path), tmp_path / "x.yaml", Wishes(kind="series")).path
    assert read_spec(config).spec.dataset.model_dump()["time"] == ("Date", "Time")
    rows[30], rows[31] = rows[31], rows[30]
    path.write_text("\n".join(["Date,Time,load", *rows]) + "\n")
    with pytest.raises(DataError, match=r"21.01.2024 06:00 comes after 21.01.2024 07:00"):
        read_spec(config).spec.dataset.load()


def test_a_file_with_its_newest_row_first_is_reported_as_such(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", reversed(written()))
    with pytest.raises(DataError, match="descending order, with the newest row first") as caught:
        series(path, time="at").load()
    assert "reverse the file" in caught.value.hint
    times = written()
    times[3], times[9] = times[9], times[3]
    with pytest.raises(DataError) as caught:
        series(write(path, times), time="at").load()
    assert "descending" not in str(caught.value)
    assert "sort the file by at" in caught.value.hint


@pytest.mark.parametrize("layout", ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y", "%m/%d/%Y"])
@pytest.mark.parametrize("is_descending", [False, True])
def test_an_initial_config_names_the_time_column(tmp_path: Path, layout: str, is_descending: bool) -> None:
    times = written(layout)
    path = write(tmp_path / "x.csv", reversed(times) if is_descending else times)
    made = write_config(str(path), tmp_path / "x.yaml", Wishes(kind="series"))
    assert "\n  time: at " in made.path.read_text()
    assert ("newest row first" in " ".join(made.messages)) is is_descending
    if is_descending:
        assert made.messages[-1].startswith("not ready to train: ")
        with pytest.raises(DataError, match="newest row first"):
            read_spec(made.path)
    else:
        assert len(read_spec(made.path).spec.dataset.load().splits["train"])


def notes_of_order(dataset: Dataset) -> list[str]:
    return [note for note in dataset.notes if "order" in note]


def test_rows_out_of_order_of_a_detected_time_are_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", reversed(written("%d.%m.%Y")))
    (note,) = notes_of_order(series(path).load())
    assert "not in the order of at" in note
    assert "newest row is first" in note
    assert "`time: at`" in note
    assert finding(path, "time order").status == "warning"
    times = written()
    times[3], times[9] = times[9], times[3]
    (note,) = notes_of_order(series(write(path, times)).load())
    assert "comes after" in note


def test_ordered_rows_and_rows_without_time_are_not_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", written())
    assert not notes_of_order(series(path).load())
    assert finding(path, "time order").status == "pass"
    assert finding(path, "time order", time="at").status == "pass"
    path = write(tmp_path / "x.csv", [f"{value:.2f}" for value in np.cos(np.arange(60))], name="time")
    assert not notes_of_order(series(path).load())  # numbers may be how long something took


@pytest.mark.parametrize("is_labelled", [False, True])
def test_a_new_file_whose_time_goes_back_is_refused_too(tmp_path: Path, is_labelled: bool) -> None:
    trained = series(write(tmp_path / "x.csv", written("%d.%m.%Y")), time="at").load()
    raw = trained.raw_input()

    def read(times: Iterable[str]) -> int:
        path = str(write(tmp_path / "new.csv", times))
        return sum(map(len, raw.read(path, at_once=7, target=trained.target if is_labelled else None)))

    assert read(written("%d.%m.%Y")) == 56 + (not is_labelled)
    times = written("%d.%m.%Y")
    times[40], times[41] = times[41], times[40]
    with pytest.raises(DataError, match=r"new.csv:43 \(row 42\): the time 29.02.2024 comes after 01.03.2024"):
        read(times)
    with pytest.raises(DataError, match="with the newest row first"):
        read(reversed(written("%d.%m.%Y")))
    with pytest.raises(DataError, match=r"as in the training data: 31\.03\.2024"):
        read(written("%m/%d/%Y"))
    with pytest.raises(DataError, match=r"new.csv:4 \(row 3\): column 'at' has no value"):
        read(["" if row == 2 else time for row, time in enumerate(written("%d.%m.%Y"))])


def test_a_time_that_goes_back_from_one_file_to_the_next_is_found(tmp_path: Path) -> None:
    raw = series(write(tmp_path / "0.csv", written()), time="at").load().raw_input()
    for number, times in enumerate((written()[20:], written()[:20])):
        write(tmp_path / f"new{number}.csv", times)
    with pytest.raises(
        DataError, match=r"new1.csv:2 \(row 1\): the time 2024-01-20 comes after 2024-03-19 in .*new0.csv:41"
    ):
        list(raw.read(str(tmp_path / "new*.csv"), at_once=7))


def test_a_new_file_needs_no_time_unless_it_is_a_feature(tmp_path: Path) -> None:
    raw = series(write(tmp_path / "x.csv", written()), time="at", ignore=("at",)).load().raw_input()
    (tmp_path / "new.csv").write_text("load\n" + "1.5\n" * 9)
    assert sum(map(len, raw.read(str(tmp_path / "new.csv"), at_once=100))) == 6


def test_the_hour_that_a_clock_repeats_in_autumn_is_in_order(tmp_path: Path) -> None:
    begin = dt.datetime(2023, 10, 28, 12, tzinfo=dt.UTC)
    hours = [begin + dt.timedelta(hours=hour) for hour in range(24)]
    load = [0.5 + hour * 7 % 11 for hour in range(24)]
    table = pa.table({"at": pa.array(hours, pa.timestamp("us", "Europe/Berlin")), "load": load})
    parquet.write_table(table, tmp_path / "t.parquet")
    csv.write_csv(pa.table({"at": pa.array(map(str, table["at"].to_pylist())), "load": load}), tmp_path / "t.csv")
    for name in ("t.parquet", "t.csv"):
        Series(path=str(tmp_path / name), time="at", target="load", history=2, validation=0, test=0).load()
    parquet.write_table(table.take(pa.array([*range(13), 14, 13, *range(15, 24)])), tmp_path / "back.parquet")
    with pytest.raises(DataError, match="in time order"):
        Series(path=str(tmp_path / "back.parquet"), time="at", target="load", history=2, validation=0, test=0).load()
