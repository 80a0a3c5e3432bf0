"""Scores of values, labels and reconstructions match the hand computation."""

import numpy as np
import pytest

from dlrun.scoring.breakdown import collector_of
from dlrun.scoring.classification import label_scores
from dlrun.scoring.regression import error_statistics, regression_scores
from dlrun.signature import Features, Target


def test_regression_scores_match_the_hand_computation_in_the_unit_of_the_values() -> None:
    truth = np.array([[1.0, 10.0], [2.0, 10.0], [3.0, 10.0], [6.0, 10.0]])
    predicted = truth + np.array([[0.0, 1.0], [1.0, 1.0], [-1.0, 1.0], [2.0, 1.0]])
    scores = regression_scores(truth, predicted)
    assert scores.mae == pytest.approx([1, 1])
    assert scores.rmse == pytest.approx([np.sqrt(6 / 4), 1])
    assert scores.median_absolute_error == pytest.approx([1, 1])
    assert scores.bias == pytest.approx([0.5, 1])
    assert scores.r2[0] == pytest.approx(1 - 6 / 14)  # (1-3)^2 + (2-3)^2 + 0 + (6-3)^2 = 14
    assert np.isnan(scores.r2[1])  # the truth never changes


def test_large_values_keep_their_precision() -> None:
    truth = np.array([[1e7], [1e7 + 1], [1e7 + 2]], np.float32)
    scores = regression_scores(truth, truth + np.array([[1.0], [1.0], [1.0]], np.float32))
    assert scores.bias[0] == 1
    assert scores.r2[0] == pytest.approx(1 - 3 / 2)


def test_labels_are_scored_separately() -> None:
    truth = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])
    probabilities = np.array([[0.9, 0.2], [0.4, 0.8], [0.6, 0.1], [0.1, 0.7]])
    scores = label_scores(truth, probabilities)
    assert scores.counts.precision.tolist() == [0.5, 1.0]
    assert scores.counts.recall.tolist() == [0.5, 1.0]
    assert scores.accuracy.tolist() == [0.5, 1.0]
    assert scores.roc_auc.tolist() == [0.75, 1.0]
    assert scores.exact_match == 0.5


def test_class_columns_are_scored_separately() -> None:
    target = Target.of_columns({"kind": ("a", "b", "c"), "wet": ("no", "yes")})
    truth = np.array([[0, 0], [1, 1], [2, 1], [2, 0]], np.int32)
    kinds, wets = np.eye(3)[[0, 1, 1, 2]] * 0.7 + 0.1, np.eye(2)[[0, 1, 0, 0]] * 0.6 + 0.2
    collector = collector_of(target)
    for rows in (slice(0, 1), slice(1, 4)):
        collector.add(truth[rows], np.hstack([kinds, wets])[rows])
    found = collector.breakdown()
    assert (found.kind, found.part_kind, found.examples) == ("class_columns", "class", 4)
    assert [found.overall[key] for key in ("accuracy_kind", "accuracy_wet", "accuracy", "exact_match")] == [0.75] * 4
    assert found.overall["log_loss"] == pytest.approx(-np.log([0.8] * 3 + [0.1] + [0.8] * 3 + [0.2]).mean())
    assert [*found.parts] == ["kind=a", "kind=b", "kind=c", "wet=no", "wet=yes"]
    assert [part["precision"] for part in found.parts.values()] == pytest.approx([1, 0.5, 1, 2 / 3, 1])
    assert [part["recall"] for part in found.parts.values()] == pytest.approx([1, 1, 0.5, 1, 0.5])
    assert [(name, classes, matrix.tolist()) for name, classes, matrix in found.matrices()] == [
        ("kind", ("a", "b", "c"), [[1, 0, 0], [0, 1, 0], [0, 1, 1]]),
        ("wet", ("no", "yes"), [[2, 0], [1, 1]]),
    ]
    assert found.confusions == ((0, 0, 1), (1, 1, 1), (2, 1, 1), (2, 2, 1), (3, 3, 2), (4, 3, 1), (4, 4, 1))


def test_reconstruction_errors_have_a_mean_and_quantiles() -> None:
    found = error_statistics(np.arange(101, dtype=np.float32))
    assert found == {
        "mean": 50, "minimum": 0, "quantile_0.25": 25, "median": 50, "quantile_0.75": 75, "quantile_0.9": 90,
        "quantile_0.95": 95, "quantile_0.99": 99, "maximum": 100,
    }  # fmt: skip


def test_blocks_of_any_size_add_up_to_the_same_scores() -> None:
    generator = np.random.default_rng(0)
    target = Target("classes", 12)
    truth = generator.integers(0, 12, 100)
    probabilities = generator.dirichlet(np.ones(12), 100).astype(np.float32)
    whole, parts = collector_of(target), collector_of(target)
    whole.add(truth, probabilities)
    for rows in (slice(0, 1), slice(1, 60), slice(60, 100)):
        parts.add(truth[rows], probabilities[rows])
    assert whole.breakdown() == parts.breakdown()
    found = whole.breakdown()
    assert list(found.parts) == [str(index) for index in range(12)]
    assert found.matrix().sum() == 100
    assert np.trace(found.matrix()) / 100 == pytest.approx(found.overall["accuracy"])
    assert found.overall["weighted_recall"] == pytest.approx(found.overall["accuracy"])
    assert found.overall["top_5_accuracy"] > found.overall["accuracy"]
    assert "roc_auc" not in found.overall


def test_two_classes_have_a_roc_auc_and_several_values_have_one_mean() -> None:
    two = collector_of(Target("classes", 2, ("no", "yes")))
    two.add(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]]))
    found = two.breakdown()
    assert (found.overall["roc_auc"], list(found.parts)) == (0.75, ["no", "yes"])
    values = collector_of(Target("values", 2, names=("a", "b"), encoding="value"))
    values.add(np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert values.breakdown().overall == {"r2": (1.0 + 0.0) / 2}
    assert values.breakdown().parts["b"]["mae"] == 1
    inputs = collector_of(Target.of_input(Features("vector", (3,))))
    inputs.add(np.empty(0), np.array([1.0, 3.0]))
    assert inputs.breakdown().overall["mean"] == 2


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (Target("classes", 2, ("a", "b")), ("a", "b")),
        (Target("classes", 2, ("a", "a")), ("0", "1")),
        (Target("classes", 3, ("a", "b")), ("0", "1", "2")),
        (Target("labels", 2, ("yes", "yes"), names=("wet", "cold")), ("wet", "cold")),
        (Target("values", 1), ("value",)),
        (Target("values", 2), ("value_0", "value_1")),
        (Target("values", 1, names=("price",)), ("price",)),
    ],
)
def test_each_output_has_a_unique_name(target: Target, names: tuple[str, ...]) -> None:
    assert target.output_names == names
