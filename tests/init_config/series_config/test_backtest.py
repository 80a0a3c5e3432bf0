"""Forecasts of a series are measured on rows before the test split, and the best one is written."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.init_config.draft import Wishes
from dlrun.init_config.series_config.backtest import Backtest, backtest
from dlrun.init_config.write import write_config
from dlrun.spec.parse import read_spec

RANDOM = np.random.default_rng(0)
MONTHS = np.arange(180)
SALES = (100 + MONTHS) * (1 + 0.3 * np.sin(MONTHS * 2 * np.pi / 12)) + RANDOM.normal(size=180)


def measure(values: np.ndarray, *seasons: int, horizon: int = 1, history: int | None = None) -> Backtest:
    columns = values[:, None] if values.ndim == 1 else values
    found = backtest(columns.astype(np.float64), seasons=seasons, horizon=horizon, history=history)
    assert found is not None
    return found


def test_the_errors_of_naive_forecasts_are_those_of_the_rows_after_the_first_part() -> None:
    found = measure(SALES, 12)
    first = 180 // 2
    for season in (1, 12):
        errors = SALES[first:] - SALES[first - season : -season]
        spans = np.split(np.square(errors), np.linspace(0, len(errors), 17).astype(int)[1:-1])
        assert found.naive[season].error == pytest.approx(np.sqrt(np.mean([span.mean() for span in spans])))
    assert found.season == 12


def test_a_season_is_covered_and_an_autoregression_beats_both_naive_forecasts() -> None:
    found = measure(SALES, 12)
    assert found.best.history >= 12
    assert found.score.error < 0.5 * min(score.error for score in found.naive.values())
    assert found.by_kind["value 12 rows before + shift-invariant linear"].error < found.naive[12].error
    assert measure(SALES, 12, horizon=6, history=14).best.history == 14


def test_an_ar_model_is_recovered_and_a_random_walk_stays_at_its_last_value() -> None:
    series, walk = np.zeros(600), RANDOM.normal(size=600).cumsum()
    for row in range(2, 600):
        series[row] = 1.4 * series[row - 1] - 0.8 * series[row - 2] + RANDOM.normal()
    assert measure(series).score.error == pytest.approx(1.0, rel=0.1)
    of_walk = measure(walk)
    assert (of_walk.best.description, of_walk.best.has_bias, of_walk.score) == ("last value", False, of_walk.naive[1])


def test_other_columns_are_used_only_if_they_help() -> None:
    cause = RANDOM.normal(size=300)
    effect = np.concatenate([[0.0], cause[:-1]]) + 0.1 * RANDOM.normal(size=300)
    assert measure(np.stack([effect, cause], axis=1)).best.uses_others
    assert not measure(np.stack([effect, RANDOM.normal(size=300)], axis=1)).best.uses_others


def test_curves_suggest_a_network_only_where_a_line_does_not_fit() -> None:
    values = np.zeros(2000)
    for row in range(1, 2000):
        values[row] = 1.8 * np.tanh(3 * values[row - 1]) * np.exp(-abs(values[row - 1])) + 0.3 * RANDOM.normal()
    assert measure(values).suggests_network
    assert not measure(RANDOM.normal(size=2000)).suggests_network


def test_missing_values_and_too_few_rows_are_no_error() -> None:
    gaps = SALES.copy()
    gaps[::7] = np.nan
    of_gaps = measure(gaps, 12)
    assert of_gaps.score.error < min(score.error for score in of_gaps.naive.values())
    assert backtest(np.arange(3.0)[:, None], seasons=(), horizon=2) is None
    assert backtest(np.full((50, 1), np.nan), seasons=(), horizon=1) is None
    assert measure(np.ones(60), 12).score.error == 0


def test_what_init_writes_does_not_depend_on_rows_of_the_test_split(tmp_path: Path) -> None:
    path, texts = tmp_path / "x.csv", []
    for values in (SALES, np.concatenate([SALES[:144], RANDOM.normal(size=36) * 1000])):
        months = [f"{1980 + row // 12}-{row % 12 + 1:02d},{value:.3f}" for row, value in enumerate(values)]
        path.write_text("\n".join(["month,sales", *months]) + "\n")
        texts.append(write_config(str(path), tmp_path / "x.yaml", Wishes(), force=True).path.read_text())
    assert texts[0] == texts[1]
    assert "last value" in texts[0]
    assert "season: 12" in texts[0]


def test_a_column_that_does_not_help_is_ignored_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    noise = np.random.default_rng(1).normal(size=180)
    path.write_text("\n".join(["sales,noise", *(f"{a:.3f},{b:.3f}" for a, b in zip(SALES, noise, strict=True))]) + "\n")
    wishes = Wishes(kind="series", target="sales")
    written = write_config(str(path), tmp_path / "x.yaml", wishes)
    assert "did not improve the forecast" in " ".join(written.path.read_text().split())
    assert read_spec(written.path).spec.dataset.load().features.shape[1] == 1


def test_thousands_of_rows_get_a_network_that_starts_as_the_linear_model(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    hours = np.arange(13_000)
    values = 50 + 10 * np.sin(hours * 2 * np.pi / 24) + np.random.default_rng(2).normal(size=len(hours))
    first = np.datetime64("2020-01-01T00")
    (tmp_path / "x.csv").write_text(
        "\n".join(["at,load", *(f"{first + h}:00,{v:.3f}" for h, v in enumerate(values))]) + "\n"
    )
    spec = read_spec(write_config(str(path), tmp_path / "x.yaml", Wishes()).path).spec
    assert (spec.model.type_name, spec.model.solved_layer()) == ("mlp", "shortcut")
    assert spec.dataset.plain()["season"] in (24, 168)
    assert spec.training.early_stopping is not None
