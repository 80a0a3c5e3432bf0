"""Select one of many measured forecasts of a series, and prefer a careful one where the measurement cannot decide.

The smallest of hundreds of errors is small by chance, too. A forecast close to a naive one is the safer choice on rows
that are not like those before them, so it is taken unless another is better by more than chance explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_CLEARLY, _HARDLY = 2.0, 0.5
"""Differences in standard errors. They were chosen on generated and real series, for horizons of 1, 4 and 12: see
docs/defaults.md."""


@dataclass(frozen=True)
class ForecastScore:
    """A root mean squared error, and how sure it is.

    Args:
        error: The error, in the unit of the target.
        spread: Its standard error, from the errors of consecutive spans.
    """

    error: float
    spread: float = 0.0

    @classmethod
    def of(cls, squares: Floats) -> ForecastScore:
        """Return the score of a forecast.

        Shape:
            squares: `(spans,)`, its mean squared error in each span.
        """
        error = float(np.sqrt(squares.mean()))
        # The derivative of the root carries the standard error over.
        return cls(error, float(_standard_error(squares)) / (2 * error) if error > 0 else 0.0)

    def __str__(self) -> str:
        """Return both numbers with the digits that the spread leaves sure."""
        return f"{self.error:.4g} ± {self.spread:.2g}"


@dataclass(frozen=True)
class Selected:
    """The outcome of a selection.

    Args:
        place: Place of the forecast; None for the naive one.
        why: The reason, for people.
    """

    place: int | None
    why: str


def select(squares: Floats, distances: Floats, *, careful: Sequence[Bools], naive: Floats) -> Selected:
    """Select a forecast. Differences are measured span by span, since most spans are hard or easy for all forecasts.

    1. The others of a careful kind drop out, unless the best of them is clearly better than the best careful one.
    2. Of the forecasts that are hardly worse than the best, the one closest to the naive forecast is taken.
    3. If that one is hardly better than the naive forecast, the naive one is.

    Args:
        squares: Mean squared error of each forecast in each span.
        distances: Mean squared distance of each forecast to the naive one.
        careful: For each careful kind, which forecasts are of it, such as those that move with the level of the series.
        naive: Mean squared error of the best naive forecast in each span.

    Shape:
        squares: `(forecasts, spans)`. distances and each of careful: `(forecasts,)`. naive: `(spans,)`.

    Reference:
        Breiman, Friedman, Olshen, Stone, Classification and regression trees, 1984, for the rule of one standard error.
    """
    errors = squares.mean(axis=1)
    pool = np.ones(len(errors), bool)
    for kind in careful:
        within = pool & kind
        best, best_within = (int(np.where(each, errors, np.inf).argmin()) for each in (pool, within))
        if within.any() and not _is_better(squares[best], squares[best_within], by=_CLEARLY):
            pool = within
    best = int(np.where(pool, errors, np.inf).argmin())
    excess = squares - squares[best]
    pool &= excess.mean(axis=1) <= _margin(excess, _HARDLY) + 1e-12
    taken = int(np.where(pool, distances, np.inf).argmin())
    if not _is_better(squares[taken], naive, by=_HARDLY):
        return Selected(None, f"as nothing that may be trusted is better by more than {_HARDLY:g} standard errors")
    if best == int(errors.argmin()):
        return Selected(taken, f"the closest to the naive forecast within {_HARDLY:g} standard errors of the best")
    return Selected(taken, f"as nothing bolder is better by more than {_CLEARLY:g} standard errors")


def _is_better(one: Floats, other: Floats, *, by: float) -> bool:
    gain = other - one
    return bool(gain.mean() > _margin(gain, by))


def _margin(values: Floats, deviations: float) -> Floats:
    """Return the standard error of the mean over spans, the last axis, times as many deviations as few spans need.

    Formula:
        the quantile of Student's t with d = spans - 1 that corresponds to z deviations of a normal distribution,
        z + (z^3 + z) / (4 d) + (5 z^5 + 16 z^3 + 3 z) / (96 d^2)

    Reference:
        Abramowitz, Stegun, Handbook of mathematical functions, 26.7.5.
    """
    z, free = deviations, values.shape[-1] - 1
    factor = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    margin: Floats = np.asarray(factor * _standard_error(values))
    return margin


def _standard_error(values: Floats) -> Floats:
    found: Floats = np.asarray(values.std(axis=-1, ddof=1) / values.shape[-1] ** 0.5)
    return found
