"""Measure many forecasts of the training span of a series, and select one: what `init` writes follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dlrun.init_config.series_config.rolling import (
    ALL_BUT_NAIVE,
    Difference,
    Floats,
    LinearForecast,
    MeasuredForecast,
    RollingSeries,
    gain_of_curves,
    measure_forecasts,
)
from dlrun.init_config.series_config.selection import ForecastScore, select

_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48)
_FEWER_LENGTHS, _MANY_ROWS = (2, 6, 12, 24, 48), 4_000
_MOST_ROWS, _MOST_FEATURES, _MOST_WORK = 16_000, 400, 2e9
_AS_GOOD, _AS_GOOD_FOR_NETWORKS = 1.002, 1.02
"""A shorter history or a larger penalty is preferred if its error is at most this multiple of the smallest. A network
finds more in a short window than a linear function, and learns faster from it."""

_ROWS_OF_NETWORKS, _WORTHWHILE = 1_000, 0.997
"""From so many rows, random curves are tried; a smaller multiple of the linear error suggests a network."""

_ROWS_FOR_SURE = 10_000
"""From so many rows, a network that starts as the linear model gained wherever it was measured."""


@dataclass(frozen=True)
class Backtest:
    """What was measured.

    Args:
        best: The best linear forecast.
        score: Its error.
        naive: Scores of naive forecasts by the number of rows of their season; 1 is the last value.
        why: Why it was selected.
        by_kind: ForecastScore of the best linear forecast of each kind.
        curves: Error of a function with random curves, divided by that of the best linear one; None if not measured.
        rows: Number of rows that were given.
    """

    best: LinearForecast
    score: ForecastScore
    naive: Mapping[int, ForecastScore]
    why: str = ""
    by_kind: Mapping[str, ForecastScore] = field(default_factory=dict)
    curves: float | None = None
    rows: int = 0

    @property
    def season(self) -> int:
        """The season whose naive forecast has the smallest error; 1 without seasons."""
        seasons = [season for season in self.naive if season > 1]
        return min(seasons, key=lambda season: self.naive[season].error, default=1)

    @property
    def suggests_network(self) -> bool:
        """Whether there are enough rows for a network, and it is likely to forecast better than a linear function."""
        return self.rows >= _ROWS_FOR_SURE or (self.curves is not None and self.curves < _WORTHWHILE)


def backtest(columns: Floats, *, seasons: Sequence[int], horizon: int, history: int | None = None) -> Backtest | None:
    """Measure naive and linear forecasts of a series.

    Args:
        columns: The target and the other columns in the rows before the test split; NaN for missing values.
        seasons: Numbers of rows after which the series may repeat.
        horizon: Number of rows to forecast.
        history: Number of rows of a window; None to measure several.

    Returns:
        What was measured; None if there are too few rows.

    Shape:
        columns: `(rows, columns)`, the target first.
    """
    series = RollingSeries.of(columns[-_MOST_ROWS:], horizon)
    if series is None:
        return None
    naive = {season: series.naive_squares(season) for season in (1, *(each for each in seasons if series.fits(each)))}
    errors = {season: float(squares.mean()) for season, squares in naive.items()}
    best_naive = min(errors, key=lambda each: (errors[each], each))
    season = min((each for each in errors if each > 1), key=lambda each: errors[each], default=1)
    # A window that does not reach back a season would lose against a naive forecast that does.
    least = season if best_naive > 1 else 1
    is_long = len(columns) >= _ROWS_FOR_SURE
    measured: list[MeasuredForecast] = []
    for uses_others in (False, True) if columns.shape[1] > 1 else (False,):
        width = columns.shape[1] if uses_others else 1
        lengths = (history,) if history else _lengths(seasons, rows=series.rows, width=width, least=least)
        for length in lengths:
            candidate = LinearForecast(length, "none", 0.0, season, uses_others)
            measured += measure_forecasts(series, candidate, naive=best_naive, with_invariant=not is_long)
    measured = [each for each in measured if np.isfinite(each.squares).all()]
    if not measured:
        return None
    found = _for_network(series, measured, naive, rows=len(columns))
    if found.suggests_network:
        return found
    best, score, why = _selected(measured, naive[best_naive], season=best_naive, history=history)
    return replace(found, best=best, score=score, why=why)


def _for_network(
    series: RollingSeries, measured: Sequence[MeasuredForecast], naive: Mapping[int, Floats], *, rows: int
) -> Backtest:
    """Return what was measured with the linear forecast that a network would start as."""
    plain = [each for each in measured if not each.forecast.is_invariant]
    start = _shortest(plain, tolerance=_AS_GOOD if rows < _ROWS_FOR_SURE else _AS_GOOD_FOR_NETWORKS)
    return Backtest(
        start.forecast,
        ForecastScore.of(start.squares),
        {season: ForecastScore.of(squares) for season, squares in naive.items()},
        by_kind=_by_kind(measured),
        curves=gain_of_curves(series, start.forecast) if _ROWS_OF_NETWORKS <= rows < _ROWS_FOR_SURE else None,
        rows=rows,
    )


def _shortest(measured: Sequence[MeasuredForecast], *, tolerance: float) -> MeasuredForecast:
    """Return the forecast with the shortest window of those whose error is at most a multiple of the smallest."""
    smallest = min(each.squares.mean() for each in measured)
    good = [each for each in measured if each.squares.mean() <= tolerance**2 * smallest]
    return min(good, key=lambda each: (each.forecast.uses_others, each.forecast.history, -each.forecast.l2))


def _selected(
    measured: Sequence[MeasuredForecast], naive: Floats, *, season: int, history: int | None
) -> tuple[LinearForecast, ForecastScore, str]:
    """Return the selected forecast, its score, and the reason."""
    selected = select(
        np.stack([each.squares for each in measured]),
        np.array([each.distance for each in measured]),
        careful=(
            np.array([not each.forecast.uses_others for each in measured]),
            np.array([each.forecast.is_invariant for each in measured]),
        ),
        naive=naive,
    )
    if selected.place is not None:
        taken = measured[selected.place]
        return taken.forecast, ForecastScore.of(taken.squares), selected.why
    reach = history or season
    difference: Difference = "last" if season == 1 or season > reach else "seasonal"
    repeated = LinearForecast(reach, difference, ALL_BUT_NAIVE, season, is_invariant=True, has_bias=False)
    return repeated, ForecastScore.of(naive), selected.why


def _by_kind(measured: Sequence[MeasuredForecast]) -> dict[str, ForecastScore]:
    best: dict[str, MeasuredForecast] = {}
    for each in measured:
        known = best.setdefault(each.forecast.kind, each)
        if each.squares.mean() < known.squares.mean():
            best[each.forecast.kind] = each
    return {kind: ForecastScore.of(each.squares) for kind, each in best.items()}


def _lengths(seasons: Sequence[int], *, rows: int, width: int, least: int) -> tuple[int, ...]:
    """Return histories to measure: fixed ones, and one or two seasons with and without a row before them."""
    most = min(_MOST_FEATURES // width, rows // (4 * width), int((_MOST_WORK / rows) ** 0.5) // width)
    is_long = rows >= _MANY_ROWS
    # A window of a season and one row more has everything that a seasonal difference of differences needs.
    more = (1,) if is_long else (0, 1)
    around = {count * season + each for season in seasons for count in (1, 2) for each in more}
    lengths = {*(_FEWER_LENGTHS if is_long else _LENGTHS), *around}
    return tuple(sorted(length for length in lengths if least <= length <= most)) or (max(1, min(least, most)),)
