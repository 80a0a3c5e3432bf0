import numpy as np
import pytest

from dlrun.scoring.classification import (
    ClassCounts,
    accuracy,
    confusions,
    log_loss,
    roc_auc,
    true_ranks,
)

# Three classes and one that never occurs. By hand: class 0 is found 2 of 3 times, 1 once of 2, 2 never of 1.
TRUTH = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 1])


def test_precision_recall_and_f1_match_the_hand_computation() -> None:
    counts = ClassCounts.of(TRUTH, PREDICTED, 4)
    assert counts.support.tolist() == [3, 2, 1, 0]
    assert counts.predicted.tolist() == [3, 3, 0, 0]
    assert counts.precision[:3] == pytest.approx([2 / 3, 1 / 3, np.nan], nan_ok=True)
    assert counts.recall[:3] == pytest.approx([2 / 3, 1 / 2, 0])
    assert counts.f1[:3] == pytest.approx([2 / 3, 2 / 5, 0])


def test_a_class_that_does_not_occur_has_no_scores_and_is_in_no_mean() -> None:
    counts = ClassCounts.of(TRUTH, PREDICTED, 4)
    assert np.isnan([counts.precision[3], counts.recall[3], counts.f1[3]]).all()
    assert counts.macro(counts.f1) == pytest.approx((2 / 3 + 2 / 5 + 0) / 3)
    assert counts.weighted(counts.f1) == pytest.approx((3 * 2 / 3 + 2 * 2 / 5 + 0) / 6)


def test_a_predicted_class_without_examples_lowers_only_the_macro_mean() -> None:
    counts = ClassCounts.of(np.array([0, 0]), np.array([0, 1]), 2)
    assert counts.recall == pytest.approx([0.5, np.nan], nan_ok=True)
    assert counts.macro(counts.recall) == 0.25
    assert counts.weighted(counts.recall) == 0.5


def test_confusions_name_the_true_class_first() -> None:
    assert confusions(TRUTH, PREDICTED, 4) == [(0, 0, 2), (0, 1, 1), (1, 0, 1), (1, 1, 1), (2, 1, 1)]


def test_a_hundred_thousand_classes_have_confusions_and_need_no_matrix() -> None:
    size = 100_000
    truth = np.arange(size, dtype=np.int32)
    found = confusions(truth, truth[::-1], size)
    assert len(found) == size
    assert found[0] == (0, size - 1, 1)


def test_accuracy_and_ranks_agree_with_the_order_of_probabilities() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.4, 0.4, 0.2], [0.1, 0.1, 0.8]])
    truth = np.array([0, 1, 1, 0])
    # The third ties with class 0, which has the lower index; the second ties behind class 2 and behind class 0.
    assert true_ranks(truth, probabilities).tolist() == [0, 2, 1, 1]
    assert accuracy(truth, probabilities.argmax(axis=1)) == 0.25


def test_the_log_loss_is_the_mean_cross_entropy_and_stays_finite() -> None:
    assert log_loss(np.array([0.5, 0.25])) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert 80 < log_loss(np.array([0.0])) < 90


@pytest.mark.parametrize(
    ("positive", "scores", "area"),
    [
        ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75),
        ([0, 1], [0.2, 0.9], 1),
        ([0, 1], [0.9, 0.2], 0),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5),
        # pairs: 0.3 over 0.1 and a tie of 0.3; 0.7 over both
        ([0, 0, 1, 1], [0.1, 0.3, 0.3, 0.7], 3.5 / 4),
    ],
)
def test_roc_auc_is_the_fraction_of_pairs_in_the_right_order(
    positive: list[int], scores: list[float], area: float
) -> None:
    assert roc_auc(np.array(positive), np.array(scores)) == pytest.approx(area)


def test_roc_auc_of_many_examples_equals_the_count_of_all_pairs() -> None:
    generator = np.random.default_rng(0)
    positive = generator.random(300) < 0.3
    scores = np.round(generator.normal(size=300) + positive, 1).astype(np.float32)  # many ties
    difference = scores[positive][:, None] - scores[~positive][None]
    pairs = ((difference > 0) + 0.5 * (difference == 0)).mean()
    assert roc_auc(positive, scores) == pytest.approx(pairs, abs=1e-12)


def test_undefined_scores_are_nan() -> None:
    nothing = np.array([], np.int64)
    assert np.isnan(roc_auc(np.array([1, 1]), np.array([0.1, 0.2])))
    assert np.isnan(roc_auc(np.array([0, 1]), np.array([0.1, np.nan])))
    assert np.isnan([accuracy(nothing, nothing), log_loss(nothing)]).all()
    counts = ClassCounts.of(nothing, nothing, 3)
    assert np.isnan([counts.macro(counts.f1), counts.weighted(counts.f1)]).all()
