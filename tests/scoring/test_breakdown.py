"""Scores of each class, label and value match the hand computation, in blocks of any size."""

import numpy as np
import pytest

from dlrun.scoring.breakdown import collector_of
from dlrun.scoring.classification import label_scores
from dlrun.signature import Features, Target


def test_labels_are_scored_separately() -> None:
    truth = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])
    probabilities = np.array([[0.9, 0.2], [0.4, 0.8], [0.6, 0.1], [0.1, 0.7]])
    scores = label_scores(truth, probabilities, probabilities > 0.5)
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


def test_masks_are_scored_by_the_pixels_of_all_images_together() -> None:
    target = Target("mask", 3, ("sky", "car", "dog"))
    counts = np.array([[[6, 2, 0], [1, 3, 0], [0, 0, 0]], [[4, 0, 0], [2, 0, 0], [0, 0, 0]]]).reshape(2, 9)
    collector = collector_of(target)
    for rows in (counts[:1], counts[1:]):
        collector.add(np.empty(0), rows)
    found = collector.breakdown()
    assert (found.kind, found.part_kind, found.counted, found.examples) == ("mask", "class", "pixels", 2)
    assert found.parts["sky"] == pytest.approx(
        {"iou": 10 / 15, "dice": 20 / 25, "precision": 10 / 13, "recall": 10 / 12, "pixels": 12, "predicted_pixels": 13}
    )
    assert np.isnan(found.parts["dog"]["iou"])
    assert found.overall["mean_iou"] == pytest.approx((10 / 15 + 3 / 8) / 2)
    assert found.overall["accuracy"] == pytest.approx(13 / 18)
    assert found.matrix().tolist() == [[10, 2, 0], [3, 3, 0], [0, 0, 0]]
    assert found.worst_parts(5) == ["car", "sky"]
    weighted = collector_of(target)
    weighted.add(np.empty(0), counts, np.array([1, 0.5]))
    assert weighted.breakdown().parts["sky"]["pixels"] == 10
