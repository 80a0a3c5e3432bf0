import numpy as np
import pytest

from dlrun.scoring.bootstrap import bootstrap_interval, macro_f1_of, mean_of, resampled, root_mean_of
from dlrun.scoring.classification import ClassCounts
from dlrun.scoring.weighted import mean_statistic

GENERATOR = np.random.default_rng(0)


def test_an_interval_of_a_mean_is_as_wide_as_the_normal_approximation_says() -> None:
    hits = GENERATOR.random(400) < 0.8
    found = bootstrap_interval(mean_of(hits), len(hits), seed=1, samples=4000)
    half = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / len(hits))
    assert found.low == pytest.approx(hits.mean() - half, abs=0.005)
    assert found.high == pytest.approx(hits.mean() + half, abs=0.005)


def test_one_seed_gives_one_interval_and_a_higher_level_a_wider_one() -> None:
    errors = GENERATOR.exponential(size=50)
    usual = bootstrap_interval(root_mean_of(errors), 50, seed=1)
    assert usual == bootstrap_interval(root_mean_of(errors), 50, seed=1)
    assert usual != bootstrap_interval(root_mean_of(errors), 50, seed=2)
    wider = bootstrap_interval(root_mean_of(errors), 50, seed=1, level=0.99)
    assert wider.low < usual.low < np.sqrt(errors.mean()) < usual.high < wider.high


def test_the_macro_f1_of_many_samples_is_computed_for_each_sample() -> None:
    truth, predicted = GENERATOR.integers(0, 4, 30), GENERATOR.integers(0, 4, 30)
    indices = GENERATOR.integers(0, 30, (20, 30))
    indices[0] = 3  # a sample of one example alone, so that most classes do not occur
    found = macro_f1_of(truth, predicted, 4)(indices)
    for row, value in zip(indices, found, strict=True):
        counts = ClassCounts.of(truth[row], predicted[row], 4)
        assert value == pytest.approx(counts.macro(counts.f1))


def test_samples_with_an_undefined_score_are_ignored() -> None:
    found = bootstrap_interval(lambda indices: np.where(indices[:, 0] == 0, np.nan, 1.0), 5, seed=0)
    assert (found.low, found.high) == (1, 1)
    nowhere = bootstrap_interval(lambda indices: np.full(len(indices), np.nan), 5, seed=0)
    assert np.isnan([nowhere.low, nowhere.high]).all()


def test_a_function_of_weights_gives_the_same_interval_as_one_of_samples() -> None:
    generator = np.random.default_rng(0)
    values, weights = generator.normal(size=50), generator.uniform(0.5, 2, 50)
    for weight in (None, weights):
        statistic = resampled(mean_statistic(values, larger_is_better=None), weight)
        one, other = (
            bootstrap_interval(each, 50, seed=1, samples=200) for each in (statistic, mean_of(values, weight))
        )
        assert (one.low, one.high) == pytest.approx((other.low, other.high))
