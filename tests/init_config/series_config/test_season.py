"""Detection of the season of a series, and its use in the config of `dlrun init`."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.data.series.order import Times
from dlrun.data.series.time import TimeColumn
from dlrun.init_config.draft import Wishes
from dlrun.init_config.series_config.season import find_seasons
from dlrun.init_config.write import WrittenConfig, write_config
from dlrun.spec.parse import read_spec

RANDOM = np.random.default_rng(0)
NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def monthly(rows: int = 144) -> list[int]:
    """A series that grows, with the season of a year."""
    months = np.arange(rows)
    season = 1 + 0.25 * np.sin(2 * np.pi * months / 12) + 0.02 * RANDOM.normal(size=rows)
    return [int(value) for value in (110 + 2.6 * months) * season]


def init(tmp_path: Path, rows: list[str], header: str = "when,passengers") -> WrittenConfig:
    (tmp_path / "x.csv").write_text("\n".join([header, *rows] if header else rows) + "\n")
    return write_config(str(tmp_path / "x.csv"), tmp_path / "x.yaml", Wishes(), force=True)


@pytest.mark.parametrize(
    ("times", "season"),
    [
        ([f"{1949 + i // 12}-{i % 12 + 1:02d}" for i in range(144)], 12),
        ([f"{NAMES[i % 12]} {1949 + i // 12}" for i in range(144)], 12),
        ([f"{i % 12 + 1:02d}/{1949 + i // 12}" for i in range(144)], 12),
        ([f"{1949 + i // 12}{i % 12 + 1:02d}" for i in range(144)], 12),
        ([f"{1949 + i // 4}Q{i % 4 + 1}" for i in range(144)], 12),
        ([str(np.datetime64("2020-01-01") + i) for i in range(144)], 12),
        ([str(1850 + i) for i in range(144)], 12),  # by the values: a year is no period of years
    ],
)
def test_a_time_and_one_number_per_row_is_a_series_whose_windows_span_its_season(
    tmp_path: Path, times: list[str], season: int
) -> None:
    rows = [f"{time},{value}" for time, value in zip(times, monthly(), strict=True)]
    for header in ("date,passengers", "") if "-0" in times[0] else ("date,passengers",):
        written = init(tmp_path, rows, header)
        spec = read_spec(written.path).spec
        assert spec.dataset.type_name == "series", (times[0], header)
        plain = spec.dataset.plain()
        assert plain["history"] >= plain["season"] == season
        assert (spec.model.type_name, spec.model.solved_layer()) == ("linear", "head")
        assert len(spec.dataset.load().splits["test"]) > 20


def times_of(step: str, count: int) -> Times:
    first = np.datetime64("2020-01-01T00:00")
    values = (first + np.arange(count, dtype=f"timedelta64[{step}]")).astype("datetime64[s]").astype(np.float64)
    return Times((TimeColumn("at", "ymd"),), values[:, None])


def test_the_calendar_proposes_several_seasons_and_the_values_another() -> None:
    hours = find_seasons(RANDOM.normal(size=1000), times_of("h", 1000))
    assert [each.rows for each in hours] == [24, 168]
    assert [each.rows for each in find_seasons(RANDOM.normal(size=300), times_of("h", 300))] == [24]
    values = np.array(monthly(), np.float64)
    (found,) = find_seasons(values, None)
    assert found.rows == 12
    assert "autocorrelation" in found.why
    assert find_seasons(RANDOM.normal(size=200), None) == ()
    values[5:9] = np.nan
    assert find_seasons(values, None)
    assert find_seasons(np.full(50, np.nan), None) == ()


def test_several_columns_or_unordered_dates_remain_a_table(tmp_path: Path) -> None:
    rows = [f"{1949 + i // 12}-{i % 12 + 1:02d},{value},{'ab'[i % 2]}" for i, value in enumerate(monthly())]
    written = init(tmp_path, rows, "when,passengers,kind")
    assert read_spec(written.path).spec.dataset.type_name == "table"
    assert any("--type series" in told for told in written.messages)
