from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from dlrun.keras_table import entry_names
from dlrun.metrics.inputs import SEES
from dlrun.metrics.metric import Metric, direction_of_type, directions_of, metrics, metrics_for
from dlrun.signature import IGNORED_CLASS, Target

Array = npt.NDArray[Any]

EXAMPLES = 40
FIVE, TWO = Target("classes", 5), Target("classes", 2)
VALUE, VALUES, INPUT = Target("values", 1), Target("values", 3), Target("input", 12)
REQUIRED = {"recall": 0.5, "precision": 0.5, "sensitivity": 0.5, "specificity": 0.5, "target_class_ids": (0, 1)}


def made(name: str, /, **arguments: Any) -> Metric:
    found = metrics.find(name)
    assert found is not None
    required = {key for key, field in found.model_fields.items() if field.is_required()}
    given: dict[str, Any] = {key: value for key, value in REQUIRED.items() if key in required}
    return found(**given | arguments)


# --- without TensorFlow ---


def test_the_input_of_each_keras_metric_is_defined() -> None:
    assert set(SEES) == set(entry_names("metrics")) == set(metrics.names())


def test_metrics_are_listed_by_target() -> None:
    assert {"accuracy", "auc", "f1_score", "mean_io_u", "top_k_categorical_accuracy"} <= set(metrics_for(FIVE))
    assert not {"binary_accuracy", "hinge", "mean_absolute_error"} & set(metrics_for(FIVE))
    assert {"accuracy", "binary_accuracy", "hinge", "precision"} <= set(metrics_for(TWO))
    assert {"mean_absolute_error", "r2_score"} <= set(metrics_for(VALUE))
    assert not {"accuracy", "cosine_similarity", "pearson_correlation"} & set(metrics_for(VALUE))
    assert {"cosine_similarity", "pearson_correlation"} <= set(metrics_for(VALUES))
    assert {"binary_crossentropy", "mean_squared_error"} <= set(metrics_for(INPUT))


SMALLER = {
    "binary_crossentropy", "categorical_crossentropy", "categorical_hinge", "false_negatives", "false_positives",
    "hinge", "kl_divergence", "log_cosh_error", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "poisson", "root_mean_squared_error",
    "sparse_categorical_crossentropy", "squared_hinge",
}  # fmt: skip


def test_every_metric_has_a_direction() -> None:
    assert {name for name in metrics.names() if direction_of_type(name) == "min"} == SMALLER
    assert {name for name in metrics.names() if direction_of_type(name) == "max"} == set(metrics.names()) - SMALLER
    assert (direction_of_type("mse"), direction_of_type("my_quality")) == ("min", None)


def test_directions_follow_the_metric_under_any_name_and_unknown_ones_are_omitted() -> None:
    class Unsaid(Metric):
        def build(self, target: Target) -> Any:
            raise NotImplementedError

    named = [made("mean_absolute_error", name="quality"), made("auc", name="error"), Unsaid(name="unsaid")]
    assert directions_of(named) == {"loss": "min", "quality": "min", "error": "max"}


def test_a_metric_is_logged_under_its_type_or_its_name() -> None:
    assert made("auc").log_name == "auc"
    assert made("auc", name="pr_auc", curve="PR").log_name == "pr_auc"
    with pytest.raises(ValidationError):
        made("auc", name="pr auc")


@pytest.mark.parametrize(
    ("name", "arguments", "target", "path"),
    [
        ("precision", {"class_id": 5}, FIVE, "class_id"),
        ("precision", {"top_k": 6}, FIVE, "top_k"),
        ("top_k_categorical_accuracy", {}, TWO, "k"),
        ("io_u", {"target_class_ids": (0, 7)}, FIVE, "target_class_ids"),
        ("auc", {"multi_label": True, "label_weights": (1.0, 2.0)}, FIVE, "label_weights"),
    ],
)
def test_an_index_or_count_beyond_the_target_is_a_misfit(
    name: str, arguments: dict[str, Any], target: Target, path: str
) -> None:
    assert [problem.path for problem in made(name, **arguments).misfits(target)] == [(path,)]


@pytest.mark.parametrize(
    ("arguments", "path"), [({"label_weights": (1.0,)}, "label_weights"), ({"thresholds": (0.5, 0.2)}, "thresholds")]
)
def test_keys_that_do_not_fit_together_are_problems(arguments: dict[str, Any], path: str) -> None:
    assert [problem.path for problem in made("auc", **arguments).problems()] == [(path,)]


# --- with TensorFlow ---


def _softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def _sigmoid(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits)))


def _forms(target: Target) -> list[tuple[Target, Array, Array]]:
    """The same labels and the same predictions in every encoding and with every end that losses ask for."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, target.size, EXAMPLES)
    logits = rng.normal(size=(EXAMPLES, target.size)).astype("float32")
    logits[np.arange(EXAMPLES), labels] += 0.7
    one_hot = np.eye(target.size, dtype="float32")[labels]
    forms = [
        (target.with_encoding("index"), labels.astype("int32"), logits),
        (target.with_encoding("index", "softmax"), labels.astype("int32"), _softmax(logits)),
        (target.with_encoding("one_hot"), one_hot, logits),
        (target.with_encoding("one_hot", "softmax"), one_hot, _softmax(logits)),
    ]
    if target.size == 2:
        margin = logits[:, 1:] - logits[:, :1]
        binary = labels[:, None].astype("float32")
        forms += [
            (target.with_encoding("binary"), binary, margin),
            (target.with_encoding("binary", "sigmoid"), binary, _sigmoid(margin)),
        ]
    return forms


def _value(metric: Metric, target: Target, truth: Array, output: Array) -> float:
    built = metric.build(target)
    half = EXAMPLES // 2  # two batches, and the state between them
    built.update_state(truth[:half], output[:half])
    built.update_state(truth[half:], output[half:])
    return float(built.result())


def _counts(labels: Array, predicted: Array, label: int) -> tuple[int, int, int]:
    true = int(((predicted == label) & (labels == label)).sum())
    return (
        true,
        int(((predicted == label) & (labels != label)).sum()),
        int(((predicted != label) & (labels == label)).sum()),
    )


def _f1(labels: Array, predicted: Array, label: int) -> float:
    true, false, missed = _counts(labels, predicted, label)
    return 2 * true / (2 * true + false + missed)


def _iou(labels: Array, predicted: Array, label: int) -> float:
    true, false, missed = _counts(labels, predicted, label)
    return true / (true + false + missed)


def _expected(target: Target) -> dict[str, float]:
    _, labels, p = _forms(target)[1]
    classes = range(target.size)
    predicted = p.argmax(axis=1)
    two = target.size == 2
    above = p > 0.5
    one_hot = np.eye(target.size, dtype=bool)[labels]
    hits = (above & one_hot)[:, 1:] if two else above & one_hot
    said, are = (above[:, 1:], one_hot[:, 1:]) if two else (above, one_hot)
    ranks = (p > p[np.arange(EXAMPLES), labels][:, None]).sum(axis=1)
    cross_entropy = -np.log(p[np.arange(EXAMPLES), labels]).mean()
    accuracy = (predicted == labels).mean()
    return {
        "accuracy": accuracy,
        "sparse_categorical_accuracy": accuracy,
        "categorical_accuracy": accuracy,
        "sparse_categorical_crossentropy": cross_entropy,
        "categorical_crossentropy": cross_entropy,
        "precision": hits.sum() / said.sum(),
        "recall": hits.sum() / are.sum(),
        "true_positives": hits.sum(),
        "false_positives": (said & ~are).sum(),
        "f1_score": _f1(labels, predicted, 1) if two else float(np.mean([_f1(labels, predicted, c) for c in classes])),
        "mean_io_u": float(np.mean([_iou(labels, predicted, c) for c in classes])),
        "one_hot_mean_io_u": float(np.mean([_iou(labels, predicted, c) for c in classes])),
        "io_u": float(np.mean([_iou(labels, predicted, c) for c in (0, 1)])),
    } | (
        {"binary_accuracy": accuracy, "binary_crossentropy": cross_entropy}
        if two
        else {
            "top_k_categorical_accuracy": (ranks < 3).mean(),
            "sparse_top_k_categorical_accuracy": (ranks < 3).mean(),
        }
    )


@pytest.mark.tensorflow
@pytest.mark.parametrize("target", [TWO, FIVE], ids=["two", "five"])
def test_metrics_match_the_hand_computation_for_every_encoding(target: Target) -> None:
    for name, expected in _expected(target).items():
        metric = made(name, **({"k": 3} if "top_k" in name else {}))
        for settled, truth, output in _forms(target):
            assert _value(metric, settled, truth, output) == pytest.approx(expected, rel=1e-5), (name, settled)


@pytest.mark.tensorflow
@pytest.mark.parametrize("target", [TWO, FIVE], ids=["two", "five"])
def test_auc_matches_keras_on_probabilities(target: Target) -> None:
    import keras

    _, labels, p = _forms(target)[1]
    one_hot = np.eye(target.size)[labels]
    own = keras.metrics.AUC()
    own.update_state(one_hot[:, 1] if target.size == 2 else one_hot, p[:, 1] if target.size == 2 else p)
    for settled, truth, output in _forms(target):
        assert _value(made("auc"), settled, truth, output) == pytest.approx(float(own.result()), abs=1e-6)


@pytest.mark.tensorflow
def test_one_class_can_be_scored_alone() -> None:
    _, labels, p = _forms(FIVE)[1]
    above = p[:, 3] > 0.5
    expected = (above & (labels == 3)).sum() / above.sum()
    for settled, truth, output in _forms(FIVE):
        assert _value(made("precision", class_id=3), settled, truth, output) == pytest.approx(expected)


@pytest.mark.tensorflow
def test_a_requested_average_also_applies_to_two_classes() -> None:
    _, labels, p = _forms(TWO)[1]
    predicted = p.argmax(axis=1)
    expected = (_f1(labels, predicted, 0) + _f1(labels, predicted, 1)) / 2
    for settled, truth, output in _forms(TWO):
        assert _value(made("f1_score", average="macro"), settled, truth, output) == pytest.approx(expected)


@pytest.mark.tensorflow
def test_tanh_with_a_hinge_loss_has_its_threshold_at_0() -> None:
    truth = np.array([[0.0], [1.0], [1.0], [0.0]], dtype="float32")
    output = np.array([[-0.9], [0.2], [0.3], [0.1]], dtype="float32")
    assert float(made("accuracy").build(TWO.with_encoding("binary", "tanh"))(truth, output)) == 0.75


@pytest.mark.tensorflow
@pytest.mark.parametrize("target", [VALUE, VALUES, INPUT], ids=["value", "values", "input"])
def test_regression_metrics_match_the_hand_computation(target: Target) -> None:
    rng = np.random.default_rng(3)
    shape = (EXAMPLES, 2, 2, 3) if target.kind == "input" else (EXAMPLES, target.size)
    truth = rng.normal(size=shape).astype("float32")
    output = (truth + 0.3 * rng.normal(size=shape)).astype("float32")
    error = (truth - output).reshape(EXAMPLES, -1)
    spread = ((truth - truth.mean(axis=0)) ** 2).reshape(EXAMPLES, -1)
    expected = {
        "mean_absolute_error": np.abs(error).mean(),
        "mean_squared_error": (error**2).mean(),
        "root_mean_squared_error": np.sqrt((error**2).mean()),
        "r2_score": (1 - (error**2).sum(axis=0) / spread.sum(axis=0)).mean(),
    }
    for name, value in expected.items():
        assert _value(made(name), target.with_encoding("value"), truth, output) == pytest.approx(value, rel=1e-4), name


@pytest.mark.tensorflow
def test_labels_without_a_column_axis_work_as_values() -> None:
    truth, output = np.array([1.0, 2.0, 4.0], "float32"), np.array([[1.0], [2.0], [1.0]], "float32")
    built = made("mean_absolute_error").build(VALUE.with_encoding("value"))
    assert float(built(truth, output)) == 1.0


def _each_metric_and_way() -> Iterator[Any]:
    """XLA compiles one metric of each form of state in every run of the suite, and all of them in `make soak`."""
    for name in metrics.names():
        yield pytest.param(name, False, id=f"{name}-graph")
        marks = [] if name in {"accuracy", "auc", "f1_score", "mean_io_u", "r2_score"} else [pytest.mark.soak]
        yield pytest.param(name, True, id=f"{name}-xla", marks=marks)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("name", "jit"), _each_metric_and_way())
def test_each_metric_traces_starts_again_and_has_its_variables_before_the_first_batch(name: str, *, jit: bool) -> None:
    import tensorflow as tf

    for target in (TWO, FIVE, VALUES):
        metric = made(name, **({"k": 2} if "top_k" in name else {}))
        if not metric.accepts(target):
            continue
        forms = [(target.with_encoding("value"), np.ones((4, 3), "float32"), np.full((4, 3), 0.5, "float32"))]
        for settled, truth, output in _forms(target)[-1:] if target.kind == "classes" else forms:
            built = metric.build(settled)
            paths = [variable.path for variable in built.variables]
            update = tf.function(built.update_state, jit_compile=jit)
            update(truth, output)
            first = built.result()
            built.reset_state()
            update(truth, output)
            assert first.shape == ()
            assert first.dtype == tf.float32
            assert float(built.result()) == float(first) or np.isnan(first)
            assert paths == [variable.path for variable in built.variables]
            assert all(path.startswith(f"{name}/") for path in paths)


MASK = Target("mask", 3)


def of_masks(name: str, encoding: Any, *, weights: Array | None = None, **keys: Any) -> float:
    """The value of a metric over masks that come in two batches."""
    from dlrun.training.step.feed import encode

    truth, logits = masks_and_logits()
    settled = MASK.with_encoding(encoding)
    metric = made(name, **keys).build(settled)
    for batch in (slice(0, 1), slice(1, 4)):
        weight = None if weights is None else weights[batch]
        metric.update_state(encode(truth[batch], settled), logits[batch], sample_weight=weight)
    return float(metric.result())


def masks_and_logits() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (4, 5, 6), np.uint8)
    truth[0, :4] = truth[2, :, 2:] = IGNORED_CLASS
    return truth, rng.normal(0, 1, (4, 5, 6, 3)).astype("float32")


@pytest.mark.tensorflow
@pytest.mark.parametrize("encoding", ["index", "one_hot"])
@pytest.mark.parametrize("weights", [None, np.array([1, 0.5, 2, 0], np.float32)])
def test_accuracy_and_mean_io_u_of_masks_count_weighted_pixels(encoding: str, weights: Array | None) -> None:
    truth, logits = masks_and_logits()
    every = np.ones(4) if weights is None else weights
    counted, predicted = truth != IGNORED_CLASS, logits.argmax(axis=-1)
    of_pixel = np.broadcast_to(every[:, None, None], truth.shape)[counted]
    true, found = truth[counted], predicted[counted]
    accuracy = of_pixel[true == found].sum() / of_pixel.sum()
    areas = [
        (of_pixel[(true == each) & (found == each)].sum(), of_pixel[(true == each) | (found == each)].sum())
        for each in range(3)
    ]
    assert of_masks("accuracy", encoding, weights=weights) == pytest.approx(accuracy, rel=1e-5)
    mean_iou = np.mean([both / either for both, either in areas])
    assert of_masks("mean_io_u", encoding, weights=weights) == pytest.approx(mean_iou, rel=1e-5)
    iou = of_masks("io_u", encoding, weights=weights, target_class_ids=(2,))
    assert iou == pytest.approx(areas[2][0] / areas[2][1], rel=1e-5)


def test_the_metrics_of_masks_are_those_of_classes() -> None:
    assert {"accuracy", "mean_io_u", "io_u", "f1_score"} <= set(metrics_for(MASK))
    assert not {"mean_absolute_error", "binary_accuracy"} & set(metrics_for(MASK))
    assert [problem.path for problem in made("io_u", target_class_ids=(3,)).misfits(MASK)]


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", metrics_for(MASK))
@pytest.mark.parametrize("encoding", ["index", "one_hot"])
def test_each_metric_of_masks_gives_a_finite_number_that_ignored_pixels_do_not_change(name: str, encoding: str) -> None:
    from dlrun.training.step.feed import encode

    truth, logits = masks_and_logits()
    settled = MASK.with_encoding(encoding)  # type: ignore[arg-type]
    values = []
    for output in (logits, np.where((truth == IGNORED_CLASS)[..., None], -3 * logits, logits)):
        metric = made(name).build(settled)
        metric.update_state(encode(truth, settled), output)
        values.append(np.asarray(metric.result()))
    assert np.isfinite(values[0]).all()
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5)
