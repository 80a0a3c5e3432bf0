"""Greedy selection finds the weights that lower the loss, and never looks at anything but the predictions it gets."""

import numpy as np
import pytest

from dlrun.experiment.ensemble.weights import select_greedily
from dlrun.scoring.importances import loss_of
from dlrun.signature import Target

CLASSES = Target("classes", 2)


def test_two_candidates_that_complete_each_other_share_the_weight() -> None:
    truth = np.array([0, 1, 0, 1])
    sure, unsure = [0.99, 0.01], [0.45, 0.55]
    one = np.array([sure, sure[::-1], unsure, unsure])
    two = np.array([unsure, unsure, sure, sure[::-1]])
    wrong = 1 - np.array([sure, sure[::-1], sure, sure[::-1]])
    found = select_greedily([wrong, one, two], loss_of(truth, CLASSES))
    assert found.weights[0] == 0
    assert found.weights[1] == pytest.approx(found.weights[2], abs=0.1)
    assert found.loss < min(found.equal, found.single)


def test_the_weights_of_a_mean_of_values_are_found_with_replacement() -> None:
    truth = np.linspace(0, 1, 50)[:, None]
    low, high = truth - 1, truth + 3
    found = select_greedily([low, high], loss_of(truth, Target("values", 1)))
    assert found.counts == (3, 1)  # three quarters of the lower and one of the higher one hit the truth
    assert found.loss == pytest.approx(0, abs=1e-12)


def test_one_perfect_candidate_is_taken_alone_and_once() -> None:
    truth = np.array([0, 1])
    perfect, even = np.eye(2), np.full((2, 2), 0.5)
    assert select_greedily([even, perfect], loss_of(truth, CLASSES)).counts == (0, 1)
