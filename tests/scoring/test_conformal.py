"""Conformal intervals contain new examples as often as they promise, for every level, error and pair of quantiles."""

import math

import numpy as np
import pytest

from dlrun.errors import UsageError
from dlrun.scoring.conformal import ConformalScores, check_probability

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def truth_and_predictions(random: np.random.Generator, count: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Two values whose noise grows with the prediction, and quantiles of it that are wrong by `shift`."""
    center = random.uniform(1, 5, (count, 1, 2))
    noise = random.normal(size=(count, 2)) * center[:, 0] * (1, 30)
    spread = np.array([-1.645, -0.674, 0, 0.674, 1.645]).reshape(1, 5, 1)
    return center[:, 0] + noise, center + spread * center * (1, 30) * shift


@pytest.mark.parametrize("shift", [0.3, 1.0, 3.0], ids=["too narrow", "right", "too wide"])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.98])
def test_coverage_is_that_of_the_level_however_wrong_the_quantiles_are(shift: float, level: float) -> None:
    random, covered = np.random.default_rng(0), []
    for _ in range(60):
        measured = ConformalScores.measure(*truth_and_predictions(random, 199, shift), levels=LEVELS, main=2)
        truth, predicted = truth_and_predictions(random, 400, shift)
        lower, upper = measured.bounds(predicted, level, main=2)
        assert (lower <= upper).all()
        covered.append(((lower <= truth) & (truth <= upper)).mean(axis=0))
    np.testing.assert_allclose(np.mean(covered, axis=0), level, atol=0.012)


def test_absolute_errors_give_the_rank_of_the_finite_sample_formula() -> None:
    errors = np.arange(1.0, 10.0)[::-1].reshape(9, 1)
    measured = ConformalScores.measure(errors, np.zeros((9, 1, 1)))
    lower, upper = measured.bounds(np.full((1, 1, 1), 100.0), 0.9)
    assert (lower[0, 0], upper[0, 0]) == (91.0, 109.0)  # ceil(10 * 0.9) = 9: the largest of nine errors
    lower, _ = measured.bounds(np.full((1, 1, 1), 100.0), 0.7)
    assert lower[0, 0] == 93.0  # exactly the 7th: 0.7 is 7/10


def test_quantiles_adapt_the_width_and_absolute_errors_do_not() -> None:
    random = np.random.default_rng(0)
    truth, predicted = truth_and_predictions(random, 2000, 1.0)
    adaptive = ConformalScores.measure(truth, predicted, levels=LEVELS, main=2)
    plain = ConformalScores.measure(truth, predicted[:, 2:3])
    widths = [
        np.subtract(*each[::-1])
        for each in (adaptive.bounds(predicted, 0.9, main=2), plain.bounds(predicted[:, 2:3], 0.9))
    ]
    easy, hard = predicted[:, 2, 0] < 2, predicted[:, 2, 0] > 4
    assert widths[0][hard, 0].mean() > 2 * widths[0][easy, 0].mean()
    assert np.ptp(widths[1][:, 0]) < 1e-9


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_too_few_examples_for_a_level_are_refused_with_the_number_that_is_needed(level: float) -> None:
    needed = math.ceil(round(1 / (1 - level), 6)) - 1
    enough, few = (
        ConformalScores.measure(np.ones((count, 1)), np.zeros((count, 1, 1))) for count in (needed, needed - 1)
    )
    enough.check_level(level)
    with pytest.raises(UsageError, match=f"needs at least {needed} validation examples, and the run has {needed - 1}"):
        few.check_level(level)


def test_of_very_many_scores_the_kept_ones_are_never_too_small() -> None:
    errors = np.random.default_rng(0).exponential(size=(30_000, 1))
    measured = ConformalScores.measure(errors, np.zeros((30_000, 1, 1)))
    assert len(measured.ranks) <= 2000
    exact = np.sort(errors[:, 0])
    for level in (0.5, 0.9, 0.99, 0.999, 0.9999):
        upper = measured.bounds(np.zeros((1, 1, 1)), level)[1][0, 0]
        rank = math.ceil(round(30_001 * level, 6))
        assert exact[rank - 1] <= upper <= exact[min(rank + 20, 30_000) - 1]


@pytest.mark.parametrize(("level", "hint"), [(90, "--intervals 0.9"), (0, "0.9"), (1, "0.9"), (-0.1, "0.9")])
def test_a_level_outside_0_and_1_is_refused(level: float, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        check_probability(level)
    assert hint in error.value.hint


def test_equal_weights_and_repeated_examples_give_what_no_weights_give() -> None:
    errors = np.random.default_rng(0).exponential(size=(500, 2))
    plain = ConformalScores.measure(errors, np.zeros((500, 1, 2)))
    equal = ConformalScores.measure(errors, np.zeros((500, 1, 2)), weight=np.full(500, 0.3, np.float32))
    assert (equal.examples, equal.ranks, equal.scores) == (plain.examples, plain.ranks, plain.scores)
    weight = np.where(np.arange(700) < 500, 1.0, 0.0)  # what counts nothing is as if it were not there
    padded = np.concatenate([errors, np.full((200, 2), 99.0)])
    assert ConformalScores.measure(padded, np.zeros((700, 1, 2)), weight=weight).scores == plain.scores


def test_weighted_scores_cover_the_population_that_the_weights_stand_for() -> None:
    random = np.random.default_rng(0)
    covered: list[float] = []
    unweighted: list[float] = []
    for _ in range(200):
        # Large errors are rare among the examples, and as frequent as small ones where the model is used.
        is_hard = random.uniform(size=300) < 0.1
        errors = (np.where(is_hard, 5, 1) * random.normal(size=300))[:, None]
        weight = np.where(is_hard, 0.5 / 0.1, 0.5 / 0.9)
        new = np.concatenate([random.normal(size=500), 5 * random.normal(size=500)])
        for found, own in ((covered, weight), (unweighted, None)):
            measured = ConformalScores.measure(errors, np.zeros((300, 1, 1)), weight=own)
            assert (measured.examples < 200) == (own is not None)
            found.append(float(np.mean(np.abs(new) <= measured.offsets(0.9)[0])))
    assert abs(np.mean(covered) - 0.9) < 0.02
    assert np.mean(unweighted) < 0.75


def test_too_few_weighted_examples_are_refused_with_the_number_that_they_count() -> None:
    weight = np.where(np.arange(100) < 8, 1.0, 1e-6)
    measured = ConformalScores.measure(np.ones((100, 1)), np.zeros((100, 1, 1)), weight=weight)
    with pytest.raises(UsageError, match="the run has 8, as many as its weighted ones count"):
        measured.check_level(0.9)
