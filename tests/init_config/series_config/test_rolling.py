"""Forecasts from rolling origins are fitted on the rows before them, and equal the solutions by hand."""

import itertools

import numpy as np
import pytest

from dlrun.init_config.series_config.rolling import LinearForecast, MeasuredForecast, RollingSeries, measure_forecasts

RANDOM = np.random.default_rng(0)
VALUES = np.round(50 + np.tile([4.0, 0.0, 9.0, 1.0], 30) + RANDOM.normal(size=120).cumsum(), 3)
HORIZON, HISTORY, SEASON = 3, 6, 4


def measured(values: np.ndarray) -> dict[LinearForecast, MeasuredForecast]:
    series = RollingSeries.of(values[:, None], HORIZON)
    assert series is not None
    candidate = LinearForecast(HISTORY, "none", 0.0, SEASON)
    found = measure_forecasts(series, candidate, naive=1, with_invariant=True)
    return {each.forecast: each for each in found}


@pytest.mark.parametrize("is_invariant", [False, True])
def test_errors_of_several_steps_are_those_of_ridge_solutions_of_the_rows_before_each_block(is_invariant: bool) -> None:
    l2 = 0.1 / HORIZON  # as in a config: Keras averages squared errors over the steps, but not the penalty
    forecast = LinearForecast(HISTORY, "seasonal", l2, SEASON, is_invariant=is_invariant)
    z = (VALUES - VALUES[:60].mean()) / VALUES[:60].std()
    starts = np.linspace(60, 120, 9).astype(int)
    back = np.array([HISTORY - 4, HISTORY - 3, HISTORY - 2])
    errors = []
    for start, stop in itertools.pairwise(starts):
        rows = np.arange(HISTORY, start - HORIZON + 1)
        # A constraint by a penalty that nothing outweighs, instead of a basis.
        constraint = 1e9 * np.ones((HISTORY, HISTORY)) if is_invariant else 0.0
        x = np.stack([z[row - HISTORY : row] for row in rows])
        y = np.stack([z[row : row + HORIZON] for row in rows]) - x[:, back]
        centred, penalty = x - x.mean(axis=0), HORIZON * l2 * z[:start].var() * np.eye(HISTORY)
        kernel = np.linalg.solve(centred.T @ centred / len(x) + penalty + constraint, centred.T @ y / len(x))
        for row in range(start, min(stop, 120 - HORIZON + 1)):
            window = z[row - HISTORY : row]
            made = window[back] + y.mean(axis=0) + (window - x.mean(axis=0)) @ kernel
            errors.append(np.square(made - z[row : row + HORIZON]).mean() * VALUES[:60].var())
    squares = measured(VALUES)[forecast].squares
    edges = np.linspace(0, len(errors), len(squares) + 1).astype(int)
    by_hand = [np.mean(errors[start:stop]) for start, stop in itertools.pairwise(edges)]
    np.testing.assert_allclose(squares, by_hand, rtol=1e-5)


def test_a_penalty_brings_a_forecast_closer_to_the_naive_one() -> None:
    found = measured(VALUES)
    weak, strong = (found[LinearForecast(HISTORY, "last", l2 / HORIZON, SEASON)] for l2 in (1e-3, 100.0))
    assert strong.distance < weak.distance
    assert strong.distance > 0  # the average change
