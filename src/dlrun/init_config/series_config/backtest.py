"""Measure forecasts of a series on its training span: naive ones, and linear functions of a window.

The rows before the test split are cut into a first part and a few blocks after it. Each block is forecast by functions
that are fitted on the rows before it, which is what happens to later rows as well. The ridge solutions come from sums
over rows that grow from block to block, so that all candidates together take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.series.naive import rows_back
from dlrun.data.series.splits import known_before

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Difference = Literal["none", "last", "seasonal"]

_BLOCKS, _FIRST_PART = 4, 0.6
_PENALTIES = (1e-6, 1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 10.0)
_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48)
_FEWER_LENGTHS, _MANY_ROWS = (2, 6, 12, 24, 48), 4_000
_MOST_ROWS, _MOST_FEATURES, _MOST_WORK = 16_000, 400, 2e9
_AS_GOOD, _AS_GOOD_FOR_NETWORKS = 1.002, 1.02
"""A shorter history or a larger penalty is preferred if its error is at most this multiple of the smallest. A network
finds more in a short window than a linear function, and learns faster from it."""

_CLEAR, _NEARLY_NAIVE = 0.99, 100.0
"""An error above this multiple of a naive forecast's is chance, and such a penalty keeps the weights near 0."""

_ROWS_OF_NETWORKS, _CURVES, _WORTHWHILE, _SURE = 1_000, 200, 0.997, 2.0
"""From so many rows, random curves are tried; a smaller multiple of the linear error suggests a network, if the gain is
this multiple of its standard error."""

_ROWS_FOR_SURE = 10_000
"""From so many rows, a network that starts as the linear model gained wherever it was measured."""


@dataclass(frozen=True)
class LinearForecast:
    """A linear function of a window.

    Args:
        history: Number of rows of the window.
        difference: Value to which it is added.
        l2: L2 penalty on weights of standardized features.
        season: Number of rows of the season that the difference goes back.
        uses_others: Whether the window has the other columns, too.
    """

    history: int
    difference: Difference
    l2: float
    season: int = 1
    uses_others: bool = False

    @property
    def description(self) -> str:
        """A description for people."""
        return {
            "none": f"linear over {self.history} rows",
            "last": f"last value + linear over {self.history} rows",
            "seasonal": f"value one season ({self.season} rows) before + linear over {self.history} rows",
        }[self.difference] + (" of all columns" if self.uses_others else "")


@dataclass(frozen=True)
class Backtest:
    """What was measured.

    Args:
        best: The best linear forecast.
        error: Its root mean squared error, in the unit of the target.
        naive: Errors of naive forecasts by the number of rows of their season; 1 is the last value.
        by_difference: Error of the best linear forecast of each kind of difference.
        curves: Error of a function with random curves, divided by that of the best linear one; None if not measured.
        rows: Number of rows that were given.
    """

    best: LinearForecast
    error: float
    naive: Mapping[int, float]
    by_difference: Mapping[Difference, float] = field(default_factory=dict)
    curves: float | None = None
    rows: int = 0

    @property
    def season(self) -> int:
        """The season whose naive forecast has the smallest error; 1 without seasons."""
        seasons = [season for season in self.naive if season > 1]
        return min(seasons, key=lambda season: self.naive[season], default=1)

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
    series = _Series.of(columns[-_MOST_ROWS:], horizon)
    if series is None:
        return None
    naive = {season: series.naive_error(season) for season in (1, *(each for each in seasons if series.fits(each)))}
    season = min((each for each in naive if each > 1), key=lambda each: naive[each], default=1)
    # A window that does not reach back a season would lose against a naive forecast that does.
    least = season if season > 1 and naive[season] < naive[1] else 1
    errors: dict[LinearForecast, float] = {}
    for uses_others in (False, True) if columns.shape[1] > 1 else (False,):
        width = columns.shape[1] if uses_others else 1
        lengths = (history,) if history else _lengths(seasons, rows=series.rows, width=width, least=least)
        for length in lengths:
            errors |= _fit(series, LinearForecast(length, "none", 0.0, season, uses_others))
    errors = {candidate: error for candidate, error in errors.items() if np.isfinite(error)}
    if not errors:
        return None
    smallest = min(errors.values())
    tolerance = _AS_GOOD if len(columns) < _ROWS_FOR_SURE else _AS_GOOD_FOR_NETWORKS
    good = [candidate for candidate, error in errors.items() if error <= tolerance * smallest]
    best = min(good, key=lambda each: (each.uses_others, each.history, -each.l2, errors[each]))
    found = errors[best]
    if found > _CLEAR * min(naive.values()):
        best, found = _nearly_naive(naive, history=history)
    by_difference: dict[Difference, float] = {}
    for candidate, error in errors.items():
        by_difference[candidate.difference] = min(error, by_difference.get(candidate.difference, error))
    is_measured = _ROWS_OF_NETWORKS <= len(columns) < _ROWS_FOR_SURE
    curves = _gain_of_curves(series, best) if is_measured else None
    return Backtest(best, found, naive, by_difference, curves, len(columns))


def _nearly_naive(naive: Mapping[int, float], *, history: int | None) -> tuple[LinearForecast, float]:
    """Return a linear forecast that hardly differs from the best naive one, and its error."""
    season = min(naive, key=lambda each: (naive[each], each))
    reach = history or season
    difference: Difference = "last" if season == 1 or season > reach else "seasonal"
    return LinearForecast(reach, difference, _NEARLY_NAIVE, season), naive[season]


@dataclass(frozen=True)
class _Series:
    """Standardized columns without gaps, and the rows at which the blocks begin and end.

    Shape:
        values: `(rows, columns)`. known: `(rows,)`, whether the target is known. edges: `(blocks + 1,)`.
    """

    values: Floats
    known: Bools
    unit: float
    edges: tuple[int, ...]
    horizon: int

    @classmethod
    def of(cls, columns: Floats, horizon: int) -> _Series | None:
        usable = np.asarray(~np.isnan(columns).all(axis=0))
        if not usable[0]:
            return None
        known, values = ~np.isnan(columns[:, 0]), known_before(columns[:, usable])
        first = int(len(values) * _FIRST_PART)
        blocks = max(1, min(_BLOCKS, (len(values) - first) // (2 * horizon)))
        edges = tuple(np.linspace(first, len(values), blocks + 1).astype(int).tolist())
        if edges[1] - edges[0] < horizon or first <= horizon:
            return None
        mean, deviation = values[:first].mean(axis=0), values[:first].std(axis=0)
        deviation[deviation == 0] = 1.0
        return cls((values - mean) / deviation, known, float(deviation[0]), edges, horizon)

    @property
    def rows(self) -> int:
        return len(self.values)

    def fits(self, season: int) -> bool:
        """Return whether the first part contains a season at least twice."""
        return 2 * season <= self.edges[0]

    def naive_error(self, season: int) -> float:
        """Return the error of a naive forecast over all blocks."""
        first = np.arange(self.edges[0], self.rows - self.horizon + 1)
        steps = first[:, None] + np.arange(self.horizon)
        repeated = first[:, None] - np.array(rows_back(self.horizon, season))
        target = self.values[:, 0]
        errors = (target[steps] - target[repeated])[self.known[steps].all(axis=1)]
        return self.unit * float(np.sqrt(np.square(errors).mean())) if errors.size else np.inf

    def windows(self, history: int, rows: range, *, width: int) -> tuple[Floats, Floats]:
        """Return windows and targets for the forecasts within a range of rows.

        Shape:
            Returns: `(windows, width * history)`, column after column, and `(windows, horizon)`.
        """
        first = np.arange(max(rows.start, history), rows.stop - self.horizon + 1)
        steps = first[:, None] + np.arange(self.horizon)
        kept = self.known[steps].all(axis=1)
        first, steps = first[kept], steps[kept]
        all_windows = np.lib.stride_tricks.sliding_window_view(self.values[:, :width], history, axis=0)
        return all_windows[first - history].reshape(len(first), -1), self.values[steps, 0]

    def blocks(self) -> Iterator[range]:
        """Yield the first part, and the blocks after it."""
        yield range(self.edges[0])
        yield from (range(start, stop) for start, stop in zip(self.edges, self.edges[1:], strict=False))


def _lengths(seasons: Sequence[int], *, rows: int, width: int, least: int) -> tuple[int, ...]:
    """Return histories to measure: fixed ones, and one or two seasons with and without a row before them."""
    most = min(_MOST_FEATURES // width, rows // (4 * width), int((_MOST_WORK / rows) ** 0.5) // width)
    is_long = rows >= _MANY_ROWS
    # A window of a season and one row more has everything that a seasonal difference of differences needs.
    more = (1,) if is_long else (0, 1)
    around = {count * season + each for season in seasons for count in (1, 2) for each in more}
    lengths = {*(_FEWER_LENGTHS if is_long else _LENGTHS), *around}
    return tuple(sorted(length for length in lengths if least <= length <= most)) or (max(1, min(least, most)),)


def _fit(series: _Series, candidate: LinearForecast) -> dict[LinearForecast, float]:
    """Return the errors of all differences and penalties for one history."""
    history, horizon = candidate.history, series.horizon
    width = series.values.shape[1] if candidate.uses_others else 1
    kinds: dict[Difference, tuple[int, ...]] = {"none": (), "last": rows_back(horizon, 1)}
    if 1 < candidate.season <= history:
        kinds["seasonal"] = rows_back(horizon, candidate.season)
    squares = {replace(candidate, difference=kind, l2=l2): 0.0 for kind in kinds for l2 in _PENALTIES}
    sums = np.zeros((width * history + 1, width * history + 1 + horizon))
    count = 0
    for rows in series.blocks():
        windows, target = series.windows(history, rows, width=width)
        if rows.start and len(windows):
            if sums[-1, width * history] <= 1:
                return {}
            # The penalty counts in units of the rows that the functions are fitted on.
            scale = (
                float(np.square(series.values[: rows.start, 0] - series.values[: rows.start, 0].mean()).mean()) or 1.0
            )
            places = {kind: [history - each for each in back] for kind, back in kinds.items()}
            for l2, of_kinds in zip(_PENALTIES, _solutions(sums, horizon, [*places.values()], scale), strict=True):
                for kind, (kernel, bias) in zip(kinds, of_kinds, strict=True):
                    base = windows[:, places[kind]] if places[kind] else 0.0
                    errors = windows @ kernel + bias + base - target
                    squares[replace(candidate, difference=kind, l2=l2)] += float(np.square(errors).sum())
            count += target.size
        joined = np.concatenate([windows, np.ones((len(windows), 1)), target], axis=1)
        sums += joined[:, :-horizon].T @ joined
    return {each: series.unit * (total / count) ** 0.5 for each, total in squares.items()} if count else {}


def _solutions(
    sums: Floats, horizon: int, places: Sequence[Sequence[int]], scale: float
) -> Iterator[list[tuple[Floats, Floats]]]:
    """Yield kernels and biases of the ridge solutions for each penalty, one for each item of `places`.

    Args:
        sums: Products of windows, with ones at the end, with themselves and with the targets.
        horizon: Number of targets.
        places: Features from which the differences of the targets are learned; empty for the targets themselves.
        scale: Factor of the penalties.
    """
    products, plain = sums[:, :-horizon], sums[:, -horizon:]
    # The base of a difference is a feature, so that its products are known. All kinds share one decomposition.
    with_target = np.concatenate([plain - products[:, each] if each else plain for each in places], axis=1)
    total = products[-1, -1]
    mean, target_mean = products[-1, :-1] / total, with_target[-1] / total
    variances, directions = np.linalg.eigh(products[:-1, :-1] / total - np.outer(mean, mean))
    turned = directions.T @ (with_target[:-1] / total - np.outer(mean, target_mean))
    is_real = variances > 1e-10 * max(variances[-1], 0.0)
    for l2 in _PENALTIES:
        kernel = directions @ (turned / np.where(is_real, variances + l2 * scale, np.inf)[:, None])
        bias = target_mean - mean @ kernel
        parts = [slice(first, first + horizon) for first in range(0, len(bias), horizon)]
        yield [(kernel[:, part], bias[part]) for part in parts]


def _gain_of_curves(series: _Series, best: LinearForecast) -> float:
    """Return the error of a linear function of the window and random curves of it, divided by that without curves.

    The curves stand for a network, which would take minutes to measure: if they do not help, it hardly would.

    Reference:
        Huang, Zhu, Siew, Extreme learning machine: theory and applications, Neurocomputing 70, 2006.
    """
    width, horizon = series.values.shape[1] if best.uses_others else 1, series.horizon
    cut = series.edges[len(series.edges) // 2]
    fitted, measured = (
        series.windows(best.history, rows, width=width) for rows in (range(cut), range(cut, series.rows))
    )
    places = (
        []
        if best.difference == "none"
        else [best.history - back for back in rows_back(horizon, best.season if best.difference == "seasonal" else 1)]
    )
    random = np.random.default_rng(0)
    turn = random.normal(size=(fitted[0].shape[1], _CURVES)) * 1.5 / fitted[0].shape[1] ** 0.5
    shift = random.normal(size=_CURVES)
    errors = []
    for curves in (0, _CURVES):
        inputs = [
            np.concatenate([windows, 0.3 * np.maximum(windows @ turn[:, :curves] + shift[:curves], 0)], axis=1)
            for windows, _ in (fitted, measured)
        ]
        joined = np.concatenate([inputs[0], np.ones((len(inputs[0]), 1)), fitted[1]], axis=1)
        sums = joined[:, :-horizon].T @ joined
        base = measured[0][:, places] if places else 0.0
        found = (inputs[1] @ kernel + bias + base for [(kernel, bias)] in _solutions(sums, horizon, [places], 1.0))
        squares = (np.square(each - measured[1]).mean(axis=1) for each in found)
        errors.append(min(squares, key=lambda each: float(each.mean())))
    gain = errors[0] - errors[1]
    if gain.mean() < _SURE * gain.std() / len(gain) ** 0.5 or not errors[0].any():
        return 1.0
    return float((errors[1].mean() / errors[0].mean()) ** 0.5)
