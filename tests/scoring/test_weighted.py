"""Scores as functions of weights: the weight of an example counts as often as the example would."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dlrun.scoring.classification import ClassCounts, roc_auc
from dlrun.scoring.regression import r2_score
from dlrun.scoring.weighted import (
    WeightedStatistic,
    bootstrap_weights,
    macro_f1_statistic,
    mean_statistic,
    r2_statistic,
    rate_statistic,
    roc_auc_statistic,
    root_mean_statistic,
)

Array = npt.NDArray[Any]
RANDOM = np.random.default_rng(0)
TRUTH, FOUND = RANDOM.integers(0, 3, 60), RANDOM.integers(0, 3, 60)
VALUES, OTHER = RANDOM.normal(50, 3, 60), RANDOM.normal(50, 3, 60)
SCORES = RANDOM.integers(0, 8, 60) / 8  # with ties


def macro_f1(rows: Array) -> float:
    counts = ClassCounts.of(TRUTH[rows], FOUND[rows], 3)
    return counts.macro(counts.f1)


CASES: dict[str, tuple[WeightedStatistic, Callable[[Array], float]]] = {
    "mean": (mean_statistic(VALUES, larger_is_better=True), lambda rows: float(VALUES[rows].mean())),
    "root": (root_mean_statistic(np.square(VALUES)), lambda rows: float(np.sqrt(np.square(VALUES[rows]).mean()))),
    "rate": (
        rate_statistic(FOUND == 1, TRUTH == 1),
        lambda rows: float((FOUND[rows][TRUTH[rows] == 1] == 1).mean()),
    ),
    "r2": (r2_statistic(VALUES, OTHER), lambda rows: r2_score(VALUES[rows, None], OTHER[rows, None])),
    "macro F1": (macro_f1_statistic(TRUTH, FOUND), macro_f1),
    "area": (roc_auc_statistic(TRUTH == 1, SCORES), lambda rows: roc_auc(TRUTH[rows] == 1, SCORES[rows])),
}


@pytest.mark.parametrize("name", CASES)
def test_a_weight_counts_as_often_as_the_example_would(name: str) -> None:
    statistic, plain = CASES[name]
    rows = np.arange(10, 50)
    weights = np.random.default_rng(1).integers(0, 4, (5, len(rows))).astype(np.float64)
    found = statistic.of(np.vstack([np.ones((1, len(rows))), weights]), rows)
    repeated = [plain(np.repeat(rows, each.astype(int))) for each in weights]
    assert found.tolist() == pytest.approx([plain(rows), *repeated], rel=1e-9)


def test_a_score_without_examples_of_its_kind_is_undefined() -> None:
    rows = np.arange(4)
    nothing = np.zeros(4, bool)
    assert np.isnan(rate_statistic(nothing, nothing).of(np.ones((1, 4)), rows)).all()
    assert np.isnan(roc_auc_statistic(nothing, np.arange(4.0)).of(np.ones((1, 4)), rows)).all()
    assert np.isnan(r2_statistic(np.full(4, 1e6), np.arange(4.0)).of(np.ones((1, 4)), rows)).all()
    assert np.isnan(mean_statistic(np.zeros(4), larger_is_better=True).of(np.ones((1, 0)), rows[:0])).all()


def test_the_spread_of_bootstrap_means_is_the_standard_error() -> None:
    values = np.random.default_rng(2).normal(size=400)
    blocks = list(bootstrap_weights(400, seed=(0, 1)))
    means = np.concatenate([block @ values / block.sum(axis=1) for block in blocks])
    assert len(means) == 1000
    assert all((block.sum(axis=1) == 400).all() for block in blocks)
    assert means.std() == pytest.approx(values.std() / 20, rel=0.1)
    again = np.concatenate([block @ values / 400 for block in bootstrap_weights(400, seed=(0, 1))])
    np.testing.assert_allclose(again, means)


def test_bootstrap_weights_are_multiplied_by_the_own_weight() -> None:
    own = np.array([0.0, 1.0, 2.5])
    (plain,), (weighted,) = bootstrap_weights(3, seed=(4,)), bootstrap_weights(3, seed=(4,), weight=own)
    np.testing.assert_array_equal(weighted, plain * own)


def test_large_samples_come_in_blocks_and_are_fewer() -> None:
    blocks = list(bootstrap_weights(100_000, seed=(0,)))
    assert sum(len(block) for block in blocks) == 200
    assert max(block.size for block in blocks) <= 1 << 22
