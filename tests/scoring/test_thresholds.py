"""The chosen threshold is the best of all, and is written with few digits."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from dlrun.scoring.thresholds import (
    Objective,
    Outcomes,
    balanced_accuracy,
    choose_threshold,
    f1,
    mean_cost,
    outcomes_at,
)

RANDOM = np.random.default_rng(0)


def saved(found: Outcomes) -> Any:
    return -mean_cost(found, false_positive=1, false_negative=5)


@pytest.mark.parametrize("objective", [f1, balanced_accuracy, saved])
@pytest.mark.parametrize("weighted", [False, True])
def test_no_other_threshold_is_better(objective: Objective, weighted: bool) -> None:
    for count in (7, 60):
        probabilities = RANDOM.random(count).astype(np.float32).round(2)
        truth, weights = RANDOM.random(count) < probabilities, RANDOM.exponential(size=count) if weighted else None
        chosen = choose_threshold(probabilities, truth, weights, objective=objective)
        best = objective(outcomes_at(probabilities, truth, weights, threshold=chosen))
        others = [
            objective(outcomes_at(probabilities, truth, weights, threshold=other)) for other in np.linspace(0, 1, 301)
        ]
        assert best >= max(others) - 1e-9
        assert 0 < chosen < 1


def test_of_equally_good_thresholds_the_one_next_to_one_half_is_taken_with_few_digits() -> None:
    truth = np.array([0, 0, 1, 1], bool)
    assert choose_threshold(np.array([0.1, 0.2, 0.8, 0.9]), truth, objective=f1) == 0.5
    assert choose_threshold(np.array([0.01, 0.02, 0.0314, 0.4]), truth, objective=f1) == 0.03
    assert choose_threshold(np.array([0.6, 0.71, 0.72, 0.9]), truth, objective=f1) == 0.715


def test_a_costly_miss_lowers_the_threshold_to_the_ratio_of_the_costs() -> None:
    probabilities = RANDOM.random(20_000)
    truth = RANDOM.random(20_000) < probabilities
    chosen = choose_threshold(probabilities, truth, objective=saved)
    assert chosen == pytest.approx(1 / (1 + 5), abs=0.03)  # Elkan: c_FP / (c_FP + c_FN) for calibrated probabilities


def test_the_scores_are_those_of_the_formulas() -> None:
    found = Outcomes(*map(np.asarray, (3.0, 1.0, 2.0, 4.0)))
    assert f1(found) == pytest.approx(6 / 9)
    assert balanced_accuracy(found) == pytest.approx((3 / 5 + 4 / 5) / 2)
    assert partial(mean_cost, false_positive=1, false_negative=5)(found) == pytest.approx(11 / 10)
    nothing = Outcomes(*map(np.asarray, (0.0, 0.0, 0.0, 4.0)))
    assert f1(nothing) == 0
