"""The times of a series with an offset are compared as the instants that they are."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from dlrun.data.series.source import Series
from dlrun.errors import DataError


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
