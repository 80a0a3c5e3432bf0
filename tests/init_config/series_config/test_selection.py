"""A careful forecast is taken unless a bolder one is better by more than chance explains."""

import numpy as np
import pytest

from dlrun.init_config.series_config.selection import ForecastScore, select

RANDOM = np.random.default_rng(0)
HARD = RANDOM.uniform(1, 9, size=16)
"""How hard each span is, which is the same for all forecasts."""


def chosen(*gains: float, distances: tuple[float, ...], careful: tuple[bool, ...], noise: float = 0.0) -> int | None:
    """Select among forecasts whose errors are smaller than the naive ones by some gains."""
    squares = np.stack([HARD - gain + noise * RANDOM.normal(size=16) for gain in gains])
    return select(squares, np.array(distances), careful=[np.array(careful)], naive=HARD).place


def test_spans_that_are_hard_for_all_forecasts_do_not_hide_a_difference() -> None:
    assert chosen(0.1, 0.2, distances=(1, 2), careful=(True, True)) == 1


def test_of_forecasts_that_are_hardly_worse_than_the_best_the_closest_to_the_naive_one_is_taken() -> None:
    wavering = HARD - 0.5 + np.tile([0.1, -0.09], 8)
    squares, careful = np.stack([HARD - 0.5, wavering, HARD - 0.4]), [np.ones(3, bool)]
    assert select(squares, np.array([3.0, 2.0, 1.0]), careful=careful, naive=HARD).place == 1
    assert select(squares, np.array([2.0, 3.0, 1.0]), careful=careful, naive=HARD).place == 0


def test_a_bold_forecast_has_to_be_clearly_better_than_every_careful_one() -> None:
    assert chosen(0.5, 0.5001, distances=(1, 1), careful=(True, False), noise=0.01) == 0
    assert chosen(0.5, 0.6, distances=(1, 1), careful=(True, False), noise=0.01) == 1
    assert chosen(0.5, 0.6, distances=(1, 1), careful=(False, False), noise=0.01) == 1


def test_the_naive_forecast_wins_if_nothing_is_better_than_it_by_more_than_chance() -> None:
    assert chosen(-0.1, -0.2, distances=(1, 2), careful=(True, True)) is None
    wavering = (HARD - np.tile([0.1, -0.09], 8))[None]
    assert select(wavering, np.ones(1), careful=[], naive=HARD).place is None
    assert select(wavering - 0.1, np.ones(1), careful=[], naive=HARD).place == 0


def test_few_spans_need_larger_differences() -> None:
    naive, gains = np.full(16, 2.0), np.tile([0.0, 0.2], 8)
    two = gains[:2] * 2
    distances, careful = np.array([1.0, 1.0]), [np.array([True, False])]
    many = select(np.stack([naive - 0.3, naive - 0.3 - gains]), distances, careful=careful, naive=naive)
    few = select(np.stack([naive[:2] - 0.3, naive[:2] - 0.3 - two]), distances, careful=careful, naive=naive[:2])
    assert (many.place, few.place) == (1, 0)


def test_the_spread_of_a_score_is_the_deviation_of_many_such_scores() -> None:
    scores = [ForecastScore.of(np.square(RANDOM.normal(size=(16, 50))).mean(axis=1)) for _ in range(300)]
    deviation = np.std([score.error for score in scores])
    assert np.mean([score.spread for score in scores]) == pytest.approx(deviation, rel=0.1)
    assert str(ForecastScore(12.3456, 0.0789)) == "12.35 ± 0.079"
    assert ForecastScore.of(np.zeros(4)) == ForecastScore(0.0, 0.0)
