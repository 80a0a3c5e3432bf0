"""How well one column alone predicts the target."""

import numpy as np
import pytest

from dlrun.data.inspection.giveaway import auc, binned, ranks, skill

RANDOM = np.random.default_rng(0)


def test_the_area_under_the_curve_counts_pairs_in_the_right_order() -> None:
    values, answer = RANDOM.integers(0, 6, 80).astype(float), RANDOM.integers(0, 2, 80)
    pairs = values[answer == 1][:, None] - values[answer == 0][None, :]
    area = float(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert auc(values, answer) == pytest.approx(max(area, 1 - area))
    assert ranks(np.array([5.0, 1.0, 5.0])).tolist() == [2.5, 1.0, 2.5]


def test_skill_is_one_for_a_copy_and_nothing_for_ids_that_come_once() -> None:
    answer = RANDOM.integers(0, 3, 400)
    assert skill(answer, answer, 3) == 1
    assert skill(np.arange(400), answer, 3) == pytest.approx(0)
    assert skill(binned(RANDOM.normal(size=400)), answer, 3) < 0.2
