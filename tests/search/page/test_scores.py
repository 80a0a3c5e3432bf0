"""The part of the scores that plots show."""

import math

import pytest

from dlrun.search.outcome import Objective
from dlrun.search.page.scores import score_scale
from search_outcomes import ACCURACY, PARAMETERS

LOSS = Objective("val_loss", larger_is_better=False)


def test_one_bad_trial_does_not_hide_the_differences_between_good_ones() -> None:
    scale = score_scale(LOSS, [0.30, 0.31, 0.33, 0.4, 1e30])
    assert scale is not None
    assert (scale.low, scale.high, scale.outside) == (0.30, 0.4, 1)
    assert scale.clip(1e30) == 0.4
    assert scale.is_outside(1e30)
    assert not scale.is_outside(0.4)
    assert score_scale(ACCURACY, [0.99, 0.98, 0.97, 0.0]).low == 0.97  # type: ignore[union-attr]


def test_moderately_bad_trials_are_shown_and_the_best_always_are() -> None:
    scale = score_scale(ACCURACY, [0.7, 0.9, 0.92, 0.95])
    assert scale is not None
    assert (scale.low, scale.high, scale.outside) == (0.7, 0.95, 0)


def test_costs_are_shown_whole_and_on_a_log_scale_if_they_differ_much() -> None:
    scale = score_scale(PARAMETERS, [100, 1000, 1_000_000, 90])
    assert scale is not None
    assert (scale.low, scale.high, scale.is_log) == (90, 1_000_000, True)
    assert scale.place(90) == 0
    assert not score_scale(ACCURACY, [0.01, 0.9]).is_log  # type: ignore[union-attr]


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.0]])
def test_equal_scores_have_an_axis_too(values: list[float]) -> None:
    scale = score_scale(ACCURACY, values)
    assert scale is not None
    low, high = scale.limits()
    assert low < values[0] < high
    assert scale.place(values[0]) == 0.5


def test_undefined_scores_do_not_count() -> None:
    assert score_scale(ACCURACY, [None, math.nan, math.inf]) is None
    assert score_scale(ACCURACY, [None, 0.5, math.inf]).high == 0.5  # type: ignore[union-attr]
