"""Detection of the season of a series, and its use in the config of `dlrun init`."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.init_config.draft import Wishes
from dlrun.init_config.season import find_season, is_chance, wanders
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
    ("times", "history"),
    [
        ([f"{1949 + i // 12}-{i % 12 + 1:02d}" for i in range(144)], 12),
        ([f"{NAMES[i % 12]} {1949 + i // 12}" for i in range(144)], 12),
        ([f"{i % 12 + 1:02d}/{1949 + i // 12}" for i in range(144)], 12),
        ([f"{1949 + i // 12}{i % 12 + 1:02d}" for i in range(144)], 12),
        ([f"{1949 + i // 4}Q{i % 4 + 1}" for i in range(144)], 12),
        ([f"{1990 + i // 50}-W{i % 50 + 1:02d}" for i in range(144)], 12),
        ([str(np.datetime64("2020-01-01") + i) for i in range(144)], 14),
        ([f"{np.datetime64('2020-01-01T00') + i}:00" for i in range(144)], 24),
        ([str(1850 + i) for i in range(144)], 12),  # by the values: a year is no period of years
    ],
)
def test_a_time_and_one_number_per_row_is_a_series_whose_windows_span_its_season(
    tmp_path: Path, times: list[str], history: int
) -> None:
    rows = [f"{time},{value}" for time, value in zip(times, monthly(), strict=True)]
    for header in ("date,passengers", "") if "-0" in times[0] else ("date,passengers",):
        written = init(tmp_path, rows, header)
        spec = read_spec(written.path).spec
        assert spec.dataset.type_name == "series", (times[0], header)
        plain = spec.dataset.plain()
        assert (plain["history"], plain["difference"]) == (history, True)
        assert spec.model.type_name == "linear"
        assert len(spec.dataset.load().splits["test"]) > 20


def test_the_calendar_takes_precedence_over_the_values() -> None:
    values = np.array(monthly(), np.float64)
    found = find_season(values, None)
    assert found is not None
    assert (found.rows, found.is_strong) == (12, True)
    assert find_season(RANDOM.normal(size=200), None) is None
    values[5:9] = np.nan
    assert find_season(values, None) is not None


def test_a_season_without_support_in_the_values_is_reported_as_a_guess(tmp_path: Path) -> None:
    walk = np.random.default_rng(1).normal(size=300).cumsum()
    days = [f"{np.datetime64('2021-01-01') + i},{value:.3f}" for i, value in enumerate(walk)]
    written = init(tmp_path, days, "day,price")
    assert any("a guess from the calendar alone: the 7 days of a week" in told for told in written.messages)


def test_a_random_walk_uses_the_last_value_and_noise_is_detected() -> None:
    walk, noise = RANDOM.normal(size=300).cumsum(), RANDOM.normal(size=300)
    assert wanders(walk)
    assert not wanders(noise)
    assert is_chance(walk, 12)
    assert is_chance(noise, 12)
    assert not is_chance(np.array(monthly(), np.float64), 12)


def test_several_columns_or_unordered_dates_remain_a_table(tmp_path: Path) -> None:
    rows = [f"{1949 + i // 12}-{i % 12 + 1:02d},{value},{'ab'[i % 2]}" for i, value in enumerate(monthly())]
    written = init(tmp_path, rows, "when,passengers,kind")
    assert read_spec(written.path).spec.dataset.type_name == "table"
    assert any("--type series" in told for told in written.messages)
