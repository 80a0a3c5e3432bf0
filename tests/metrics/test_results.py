"""Undefined scores are nan instead of the 0 of Keras, and scores that do not add up over batches are exact."""

from typing import Any

import numpy as np
import pytest

from dlrun.metrics.metric import metrics
from dlrun.metrics.results import Collected
from dlrun.scoring.classification import roc_auc
from dlrun.scoring.regression import regression_scores
from dlrun.signature import Target

pytestmark = pytest.mark.tensorflow

TWO = Target("classes", 2).with_encoding("index", "softmax")
THREE = Target("classes", 3).with_encoding("index", "softmax")
FAR = Target("values", 2, mean=(3e6, -50.0), scale=(900.0, 2.0)).with_encoding("value")
REQUIRED = {"recall": 0.5, "precision": 0.5, "sensitivity": 0.5, "specificity": 0.5}


def built(name: str, target: Target, **keys: Any) -> Any:
    found: Any = metrics.find(name)
    required = {key for key, field in found.model_fields.items() if field.is_required()}
    return found(**{key: REQUIRED[key] for key in required} | keys).build(target)


def result(name: str, target: Target, truth: Any, predicted: Any, **keys: Any) -> float:
    metric = built(name, target, **keys)
    for start in range(0, len(truth), 2):  # in batches
        metric.update_state(truth[start : start + 2], predicted[start : start + 2])
    return float(metric.result())


def probabilities(*positive: float) -> Any:
    return np.array([[1 - p, p] for p in positive], np.float32)


@pytest.mark.parametrize(
    ("name", "truths"),
    [
        ("auc", ([0, 0, 0], [1, 1, 1])),
        ("recall", ([0, 0, 0],)),
        ("precision_at_recall", ([0, 0, 0],)),
        ("recall_at_precision", ([0, 0, 0],)),
        ("sensitivity_at_specificity", ([0, 0, 0], [1, 1, 1])),
        ("specificity_at_sensitivity", ([0, 0, 0], [1, 1, 1])),
    ],
)
def test_a_score_of_a_class_that_does_not_occur_is_undefined(name: str, truths: tuple[list[int], ...]) -> None:
    for truth in truths:
        assert np.isnan(result(name, TWO, np.array(truth), probabilities(0.2, 0.9, 0.4)))
    assert result(name, TWO, np.array([0, 1, 0]), probabilities(0.2, 0.9, 0.4)) == pytest.approx(1, abs=1e-4)


def test_precision_is_undefined_without_predictions_and_f1_without_anything() -> None:
    nothing = probabilities(0.2, 0.1, 0.3)
    assert np.isnan(result("precision", TWO, np.array([0, 1, 0]), nothing))
    assert result("f1_score", TWO, np.array([0, 1, 0]), nothing) == 0
    assert np.isnan(result("f1_score", TWO, np.array([0, 0, 0]), nothing))


def test_f1_is_a_mean_over_the_classes_that_occur() -> None:
    predicted = np.eye(3, dtype=np.float32)[[0, 1, 0]]
    truth = np.array([0, 1, 1])
    assert result("f1_score", THREE, truth, predicted) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert result("f_beta_score", THREE, truth, predicted, average="weighted", beta=2.0) == pytest.approx(
        (5 / 6 + 2 * (5 / 9)) / 3
    )


def test_r2_of_one_example_or_of_one_value_is_undefined() -> None:
    one = Target("values", 1).with_encoding("value")
    for truth in ([[3.3]], [[0.1]] * 7, [[1e7]] * 3):
        predicted = np.linspace(0, 1, len(truth), dtype=np.float32)[:, None]
        assert np.isnan(result("r2_score", one, np.array(truth, np.float32), predicted))


def test_a_correlation_is_a_mean_over_the_examples_for_which_it_is_defined() -> None:
    three = Target("values", 3).with_encoding("value")
    truth = np.array([[1, 2, 3], [5, 5, 5], [1, 2, 3]], np.float32)
    predicted = np.array([[2, 4, 6], [1, 2, 3], [3, 2, 1]], np.float32)
    assert result("pearson_correlation", three, truth, predicted) == pytest.approx(0, abs=1e-6)
    assert result("pearson_correlation", three, truth[:2], predicted[:2]) == pytest.approx(1)
    assert np.isnan(result("pearson_correlation", three, truth[1:2], predicted[1:2]))


def standardized() -> tuple[Any, Any, Any, Any]:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(64, 2)).astype(np.float32)
    predicted = (truth + generator.normal(size=(64, 2)) * 0.6).astype(np.float32)
    own = [each.astype(np.float64) * FAR.scale + FAR.mean for each in (truth, predicted)]
    return truth, predicted, own[0], own[1]


def test_metrics_are_correct_if_the_mean_is_much_larger_than_the_spread() -> None:
    truth, predicted, own_truth, own_predicted = standardized()
    error = own_predicted - own_truth
    signs = np.sign(own_truth - own_truth.mean(axis=1, keepdims=True)) * np.sign(
        own_predicted - own_predicted.mean(axis=1, keepdims=True)
    )
    expected = {
        "r2_score": regression_scores(own_truth, own_predicted).r2.mean(),
        "mean_absolute_error": np.abs(error).mean(),
        "root_mean_squared_error": np.sqrt(np.square(error).mean()),
        "mean_absolute_percentage_error": 100 * np.abs(error / own_truth).mean(),
        "pearson_correlation": signs[:, 0].mean(),
    }
    for name, value in expected.items():
        assert result(name, FAR, truth, predicted) == pytest.approx(value, rel=1e-5), name
    weighted = 1 - np.square(error).sum() / np.square(own_truth - own_truth.mean(axis=0)).sum()
    keys = {"class_aggregation": "variance_weighted_average"}
    assert result("r2_score", FAR, truth, predicted, **keys) == pytest.approx(weighted, rel=1e-5)
    # As they are, where the loss wants them so.
    plain = FAR.without_scale()
    rounded = [each.astype(np.float32) for each in (own_truth, own_predicted)]
    exact = regression_scores(*rounded).r2.mean()
    assert result("r2_score", plain, *rounded) == pytest.approx(exact, rel=1e-3)


def collected(name: str, target: Target, truth: Any, predicted: Any, **keys: Any) -> float:
    metric = built(name, target, **keys)
    kept = Collected([metric])
    for start in range(0, len(truth), 7):
        metric.update_state(truth[start : start + 7], predicted[start : start + 7])
    return kept.scores()[metric.name]


def test_an_evaluation_has_the_exact_area_however_sure_the_model_is() -> None:
    generator = np.random.default_rng(1)
    truth = (generator.random(200) < 0.2).astype(np.int32)
    sure = np.exp(generator.normal(size=200) + truth - 9)  # all below the smallest of 200 thresholds
    predicted = np.stack([1 - sure, sure], axis=1).astype(np.float32)
    assert collected("auc", TWO, truth, predicted) == roc_auc(truth == 1, predicted[:, 1].astype(np.float64))
    assert result("auc", TWO, truth, predicted) == pytest.approx(0.5, abs=0.02)
    assert np.isnan(collected("auc", TWO, truth * 0, predicted))
    # The mean over the classes that occur.
    three = np.concatenate([predicted / 2, np.full((200, 1), 0.5, np.float32)], axis=1)
    areas = [roc_auc(truth == index, three[:, index]) for index in range(2)]
    assert collected("auc", THREE, truth, three, multi_label=True) == pytest.approx(np.mean(areas))
    # Who asks for thresholds gets them.
    assert not built("auc", TWO, num_thresholds=50).exact


def test_collected_predictions_are_released_and_too_many_fall_back_to_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = built("auc", TWO)
    truth, predicted = np.array([0, 1]), probabilities(0.2, 0.9)
    first = Collected([metric])
    metric.update_state(truth, predicted)
    assert first.scores() == {"auc": 1.0}
    metric.update_state(truth, predicted)
    assert Collected([metric]).scores() == {}
    monkeypatch.setattr("dlrun.metrics.results._MOST_NUMBERS", 3)
    kept = Collected([metric])
    for _ in range(2):
        metric.update_state(truth, predicted)
    assert kept.scores() == {}


def test_a_mean_over_labels_or_a_single_label_is_computed_on_request() -> None:
    target = Target("labels", 2).with_encoding("binary", "sigmoid")
    truth = np.array([[1, 0], [1, 0], [1, 1], [0, 0], [1, 0]], "float32")
    predicted = np.array([[0.9, 0.6], [0.8, 0.3], [0.4, 0.7], [0.6, 0.8], [0.7, 0.1]], "float32")
    # Of the first label 3 hits, 1 alarm and 1 miss, of the second 1 hit and 2 alarms.
    first, second = 6 / 8, 2 / 4
    means = {"macro": (first + second) / 2, "micro": 8 / 12, "weighted": (4 * first + second) / 5}
    for average, expected in means.items():
        assert result("f1_score", target, truth, predicted, average=average) == pytest.approx(expected)
    assert result("f1_score", target, truth, predicted) == pytest.approx(means["micro"])
    assert result("precision", target, truth, predicted, class_id=1) == pytest.approx(1 / 3)
    assert collected("auc", target, truth, predicted, multi_label=True) == pytest.approx((3 / 4 + 3 / 4) / 2)
    assert collected("auc", target, truth, predicted) == pytest.approx(19.5 / 25)
    f1 = built("f1_score", target, average="macro")
    f1.update_state(truth, predicted, sample_weight=np.array([1, 1, 0, 1, 1], "float32"))
    assert float(f1.result()) == pytest.approx((6 / 7 + 0) / 2)
