from typing import Any

import numpy as np
import pytest

from dlrun.scoring.areas import area_under_curve
from dlrun.scoring.classification import roc_auc

TRUTH = np.array([0, 1, 0, 1, 1, 0], bool)
SCORES = np.array([0.1, 0.4, 0.4, 0.8, 0.35, 0.2])


def area(truth: Any = TRUTH, scores: Any = SCORES, **options: Any) -> float:
    return area_under_curve(np.asarray(truth, bool), np.asarray(scores, float), **options)


def test_the_area_under_roc_is_the_fraction_of_ordered_pairs_also_with_weights() -> None:
    assert area() == roc_auc(TRUTH, SCORES) == pytest.approx((3 + 3 + 1.5) / 9)
    assert area(weights=np.ones(6)) == pytest.approx(area())
    weights = np.array([1, 1, 2, 1, 3, 1])
    twice = np.repeat(np.arange(6), weights)
    assert area(weights=weights) == pytest.approx(area(TRUTH[twice], SCORES[twice]))


def test_rectangles_lie_below_and_above_the_curve() -> None:
    for curve in ("ROC", "PR"):
        lower, upper = (area(curve=curve, summation=name) for name in ("minoring", "majoring"))
        assert lower < area(curve=curve) < upper


def test_the_area_under_precision_recall_matches_the_hand_computation() -> None:
    # Points (hits, alarms): (1, 0), (2, 1) where two are tied, (3, 1), then nothing is gained. Between the first two
    # precision is (1 + t) / (1 + 2 t), whose integral over t from 0 to 1 is 1/2 + log(3) / 4.
    third = 1 - 1 * np.log(4 / 3)  # (2 + t) / (3 + t)
    assert area(curve="PR") == pytest.approx((1 + 0.5 + np.log(3) / 4 + third) / 3)
    assert area(curve="PR", truth=[1, 1], scores=[0.1, 0.2]) == 1.0


def test_only_the_order_matters_however_close_the_scores() -> None:
    close = 0.001 + 1e-9 * SCORES
    for curve in ("ROC", "PR", "PRGAIN"):
        assert area(scores=close, curve=curve) == pytest.approx(area(curve=curve))


@pytest.mark.parametrize(
    ("truth", "curves"), [([0, 0], ("ROC", "PR", "PRGAIN")), ([1, 1], ("ROC", "PRGAIN")), ([], ("ROC", "PR", "PRGAIN"))]
)
def test_without_one_of_the_classes_an_area_is_undefined(truth: list[int], curves: tuple[str, ...]) -> None:
    for curve in curves:
        assert np.isnan(area(truth, [0.1, 0.2][: len(truth)], curve=curve))
        assert np.isnan(area(truth, [0.1, 0.2][: len(truth)], curve=curve, summation="majoring"))
