"""Forecast a series from rolling origins: naive forecasts, and linear functions of a window fitted on the rows before.

The rows are cut into a first part and some blocks after it. Each block is forecast by functions that are fitted on the
rows before it, which is what happens to later rows as well. The ridge solutions come from sums over rows that grow from
block to block, so that all candidates together take seconds. Errors are kept for each of up to 16 consecutive spans:
how much they vary tells how sure a difference between two forecasts is.

Reference:
    Tashman, Out-of-sample tests of forecasting accuracy: an analysis and review, Int. J. of Forecasting 16, 2000.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.series.naive import rows_back
from dlrun.data.series.splits import known_before
from dlrun.models.shortcut import zero_sum_basis

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Difference = Literal["none", "last", "seasonal"]

_BLOCKS, _FIRST_PART, _SPANS, _ROWS_OF_A_SPAN = 8, 0.5, 16, 3
_PENALTIES = (1e-6, 1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_CURVES, _SURE = 200, 2.0
"""Random curves that are tried; their gain counts from this multiple of its standard error."""

ALL_BUT_NAIVE = 1e6
"""A penalty that keeps the weights at 0."""


@dataclass(frozen=True)
class LinearForecast:
    """A linear function of a window.

    Args:
        history: Number of rows of the window.
        difference: Value to which it is added.
        l2: L2 penalty on weights of standardized features.
        season: Number of rows of the season that the difference goes back.
        uses_others: Whether the window has the other columns, too.
        is_invariant: Whether the weights of each column add up to 0, so that the forecast moves with the level.
        has_bias: Whether a constant is added.
    """

    history: int
    difference: Difference
    l2: float
    season: int = 1
    uses_others: bool = False
    is_invariant: bool = False
    has_bias: bool = True

    @property
    def is_naive(self) -> bool:
        """Whether it repeats a value of the window."""
        return self.l2 >= ALL_BUT_NAIVE

    @property
    def kind(self) -> str:
        """A description of the function without its window."""
        base = {"none": "", "last": "last value + ", "seasonal": f"value {self.season} rows before + "}[self.difference]
        return f"{base}{'shift-invariant ' if self.is_invariant else ''}linear"

    @property
    def description(self) -> str:
        """A description for people."""
        if self.is_naive:
            return "last value" if self.difference == "last" else f"value {self.season} rows before"
        return f"{self.kind} over {self.history} rows" + (" of all columns" if self.uses_others else "")


@dataclass(frozen=True)
class MeasuredForecast:
    """A linear forecast with its errors.

    Args:
        forecast: The forecast.
        squares: Mean squared error in each span.
        distance: Mean squared distance to the best naive forecast.
    """

    forecast: LinearForecast
    squares: Floats
    distance: float


@dataclass(frozen=True)
class RollingSeries:
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
    def of(cls, columns: Floats, horizon: int) -> RollingSeries | None:
        """Return a series with its blocks; None if there are too few rows or known values of the target.

        Shape:
            columns: `(rows, columns)`, the target first.
        """
        usable = np.asarray(~np.isnan(columns).all(axis=0))
        if not usable[0]:
            return None
        known, values = ~np.isnan(columns[:, 0]), known_before(columns[:, usable])
        first = int(len(values) * _FIRST_PART)
        blocks = max(1, min(_BLOCKS, (len(values) - first) // max(2 * horizon, 4)))
        edges = tuple(np.linspace(first, len(values), blocks + 1).astype(int).tolist())
        if edges[1] - edges[0] < horizon or first <= horizon:
            return None
        mean, deviation = values[:first].mean(axis=0), values[:first].std(axis=0)
        deviation[deviation == 0] = 1.0
        series = cls((values - mean) / deviation, known, float(deviation[0]), edges, horizon)
        # A spread needs two spans.
        return series if len(series.origins(series.measured)) > 1 else None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.values)

    def fits(self, season: int) -> bool:
        """Return whether the first part contains a season at least twice."""
        return 2 * season <= self.edges[0]

    def origins(self, rows: range) -> npt.NDArray[np.int64]:
        """Return the rows of a range at which a forecast begins whose true values are known."""
        first = np.arange(max(0, rows.start), min(rows.stop, self.rows - self.horizon + 1))
        found: npt.NDArray[np.int64] = first[self.known[first[:, None] + np.arange(self.horizon)].all(axis=1)]
        return found

    def naive_values(self, first: npt.NDArray[np.int64], season: int) -> Floats:
        """Return naive forecasts that begin at some rows.

        Shape:
            Returns: `(forecasts, horizon)`.
        """
        found: Floats = self.values[first[:, None] - np.array(rows_back(self.horizon, season)), 0]
        return found

    def naive_squares(self, season: int) -> Floats:
        """Return the mean squared error of a naive forecast in each span."""
        first = self.origins(self.measured)
        target = self.values[first[:, None] + np.arange(self.horizon), 0]
        return self.by_span(np.square(target - self.naive_values(first, season)).mean(axis=1))

    def by_span(self, squares: Floats) -> Floats:
        """Return means over consecutive spans, in the squared unit of the target.

        Shape:
            squares: `(..., forecasts)`. Returns: `(..., spans)`.
        """
        count = squares.shape[-1]
        # Forecasts of many steps overlap, so a span is at least as long as one of them.
        spans = max(2, min(_SPANS, count // max(self.horizon, _ROWS_OF_A_SPAN)))
        edges = np.linspace(0, count, spans + 1).astype(int)
        parts = [squares[..., start:stop].mean(axis=-1) for start, stop in itertools.pairwise(edges)]
        return np.stack(parts, axis=-1) * self.unit**2

    def windows(self, history: int, rows: range, *, width: int) -> tuple[Floats, Floats]:
        """Return windows and targets for the forecasts that begin in a range of rows.

        Shape:
            Returns: `(windows, width * history)`, column after column, and `(windows, horizon)`.
        """
        first = self.origins(range(max(rows.start, history), rows.stop))
        all_windows = np.lib.stride_tricks.sliding_window_view(self.values[:, :width], history, axis=0)
        target = self.values[first[:, None] + np.arange(self.horizon), 0]
        return all_windows[first - history].reshape(len(first), -1), target

    @property
    def measured(self) -> range:
        """The rows of all blocks."""
        return range(self.edges[0], self.rows)

    def blocks(self) -> Iterator[tuple[range, range]]:
        """Yield for each block the rows at which the forecasts to fit begin that no block before had, and its own rows.

        Forecasts that are fitted end before the block.
        """
        fitted = 0
        for start, stop in itertools.pairwise(self.edges):
            end = start - self.horizon + 1
            yield range(fitted, end), range(start, stop)
            fitted = end


def measure_forecasts(
    series: RollingSeries, candidate: LinearForecast, *, naive: int, with_invariant: bool
) -> list[MeasuredForecast]:
    """Measure all differences and penalties for one history.

    Args:
        series: The series.
        candidate: A forecast with the history, the season and the columns.
        naive: Season of the best naive forecast.
        with_invariant: Whether shift-invariant functions are measured, too.
    """
    history, horizon = candidate.history, series.horizon
    width = series.values.shape[1] if candidate.uses_others else 1
    kinds = _kinds(candidate, with_invariant=with_invariant)
    # Keras averages squared errors over the steps, but not the penalty, so that each step bears a multiple of it.
    tried = [replace(kind, l2=l2 / horizon) for of in kinds.values() for l2 in _PENALTIES for kind in of]
    squares: list[Floats] = []
    distances = np.zeros(len(tried))
    sums = np.zeros((width * history + 1, width * history + 1 + horizon))
    for fitted, rows in series.blocks():
        windows, target = series.windows(history, fitted, width=width)
        joined = np.concatenate([windows, np.ones((len(windows), 1)), target], axis=1)
        sums += joined[:, :-horizon].T @ joined
        if sums[-1, width * history] <= 1:
            return []
        windows, target = series.windows(history, rows, width=width)
        repeated = series.naive_values(series.origins(range(max(rows.start, history), rows.stop)), naive)
        # The penalty counts in units of the rows that the functions are fitted on.
        scale = float(series.values[: rows.start, 0].var()) or 1.0
        errors = np.empty((len(tried), len(windows)))
        for place, (kernel, bias) in enumerate(_fitted(sums, horizon, kinds, scale)):
            from_places = _places(tried[place], horizon)
            forecast = windows @ kernel + bias + (windows[:, from_places] if from_places else 0.0)
            errors[place] = np.square(forecast - target).mean(axis=1)
            distances[place] += float(np.square(forecast - repeated).mean(axis=1).sum())
        squares.append(errors)
    by_span = series.by_span(np.concatenate(squares, axis=1))
    return [MeasuredForecast(*each) for each in zip(tried, by_span, distances.tolist(), strict=True)]


def _fitted(
    sums: Floats, horizon: int, kinds: Mapping[bool, Sequence[LinearForecast]], scale: float
) -> Iterator[tuple[Floats, Floats]]:
    """Yield kernels and biases for the penalties, kinds and groups of kinds, the last of these varying slowest."""
    for is_invariant, of in kinds.items():
        history = of[0].history
        width = (len(sums) - 1) // history
        basis = np.kron(np.eye(width), zero_sum_basis(history)).astype(np.float64) if is_invariant else None
        places = [_places(kind, horizon) for kind in of]
        for of_penalty in _solutions(sums, horizon, places, scale, basis=basis):
            yield from of_penalty


def _kinds(candidate: LinearForecast, *, with_invariant: bool) -> dict[bool, list[LinearForecast]]:
    """Return the kinds of functions of one history, with those that are not shift-invariant under False."""
    plain = [candidate, replace(candidate, difference="last")]
    if 1 < candidate.season <= candidate.history:
        plain.append(replace(candidate, difference="seasonal"))
    kinds = {False: plain}
    if with_invariant and candidate.history > 1:
        # Without a difference, a function that moves with the level could not follow it.
        kinds[True] = [replace(each, is_invariant=True) for each in plain if each.difference != "none"]
    return kinds


def _places(forecast: LinearForecast, horizon: int) -> list[int]:
    """Return the places in the window from which the steps of a forecast take the difference."""
    if forecast.difference == "none":
        return []
    season = forecast.season if forecast.difference == "seasonal" else 1
    return [forecast.history - back for back in rows_back(horizon, season)]


def _solutions(
    sums: Floats, horizon: int, places: Sequence[Sequence[int]], scale: float, *, basis: Floats | None = None
) -> Iterator[list[tuple[Floats, Floats]]]:
    """Yield kernels and biases of the ridge solutions for each penalty, one for each item of `places`.

    Args:
        sums: Products of windows, with ones at the end, with themselves and with the targets.
        horizon: Number of targets.
        places: Features from which the differences of the targets are learned; empty for the targets themselves.
        scale: Factor of the penalties.
        basis: Basis of the kernels that are allowed; None for all.
    """
    products, plain = sums[:, :-horizon], sums[:, -horizon:]
    # The base of a difference is a feature, so that its products are known. All kinds share one decomposition.
    with_target = np.concatenate([plain - products[:, each] if each else plain for each in places], axis=1)
    total = products[-1, -1]
    mean, target_mean = products[-1, :-1] / total, with_target[-1] / total
    covariance = products[:-1, :-1] / total - np.outer(mean, mean)
    variances, directions = np.linalg.eigh(covariance if basis is None else basis.T @ covariance @ basis)
    directions = directions if basis is None else basis @ directions
    turned = directions.T @ (with_target[:-1] / total - np.outer(mean, target_mean))
    is_real = variances > 1e-10 * max(variances[-1], 0.0)
    for l2 in _PENALTIES:
        kernel = directions @ (turned / np.where(is_real, variances + l2 * scale, np.inf)[:, None])
        bias = target_mean - mean @ kernel
        parts = [slice(first, first + horizon) for first in range(0, len(bias), horizon)]
        yield [(kernel[:, part], bias[part]) for part in parts]


def gain_of_curves(series: RollingSeries, best: LinearForecast) -> float:
    """Return the error of a linear function of the window and random curves of it, divided by that without curves.

    The curves stand for a network, which would take minutes to measure: if they do not help, it hardly would.

    Reference:
        Huang, Zhu, Siew, Extreme learning machine: theory and applications, Neurocomputing 70, 2006.
    """
    width, horizon = series.values.shape[1] if best.uses_others else 1, series.horizon
    cut = series.edges[len(series.edges) // 2]
    fitted, measured = (
        series.windows(best.history, rows, width=width) for rows in (range(cut - horizon + 1), range(cut, series.rows))
    )
    places = _places(best, horizon)
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
