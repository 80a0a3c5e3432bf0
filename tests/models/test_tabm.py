from typing import Any

import numpy as np
import pytest

from dlrun.losses import losses
from dlrun.models.tabm import TabM
from dlrun.signature import Continuous, Embedded, Features, Target

pytestmark = pytest.mark.tensorflow

VECTOR = Features("vector", (5,))
CLASSES = Target("classes", 3)
COLUMNS = Target.of_columns({"a": ("x", "y"), "b": ("p", "q", "r")}).with_encoding("index")
BINARY = Target("classes", 2).with_encoding("binary")
VALUES = Target("values", 2, encoding="value")


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def inputs(count: int = 7) -> Any:
    return np.random.default_rng(0).standard_normal((count, 5)).astype("float32")


def test_the_output_is_the_mean_of_the_members_probabilities_in_each_column() -> None:
    model = TabM(units=(8,), members=4).build(VECTOR, COLUMNS)
    members, joined = np.asarray(model(inputs(), training=True)), np.asarray(model(inputs(), training=False))
    assert (members.shape, joined.shape) == ((7, 4, 5), (7, 5))
    for places in (slice(0, 2), slice(2, 5)):
        expected = softmax(members[..., places]).mean(axis=1)
        np.testing.assert_allclose(softmax(joined[:, places]), expected, rtol=1e-5)
        np.testing.assert_allclose(np.exp(joined[:, places]), expected, rtol=1e-5)


def test_two_classes_have_the_mean_probability_and_values_their_mean() -> None:
    model = TabM(units=(8,), members=4).build(VECTOR, BINARY)
    members, joined = (np.asarray(model(inputs(), training=each)) for each in (True, False))
    np.testing.assert_allclose(1 / (1 + np.exp(-joined)), (1 / (1 + np.exp(-members))).mean(axis=1), rtol=1e-5)
    model = TabM(units=(8,), members=4).build(VECTOR, VALUES)
    members, joined = (np.asarray(model(inputs(), training=each)) for each in (True, False))
    np.testing.assert_allclose(joined, members.mean(axis=1), atol=1e-6)


def test_members_begin_with_one_random_sign_or_factor_for_each_feature() -> None:
    plain = TabM(units=(8, 8), members=16).build(VECTOR, CLASSES)
    signs = np.asarray(plain.get_layer("dense_1_inputs").scale)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert (np.asarray(plain.get_layer("dense_2_inputs").scale) == 1).all()
    numbers = tuple(Continuous(place, (0.0, 1.0)) for place in range(2))
    features = Features("vector", (5,), continuous=numbers)
    embedding: Any = {"type": "piecewise_linear", "size": 3}
    scales = np.asarray(
        TabM(units=(8,), members=16, numeric_embedding=embedding)
        .build(features, CLASSES)
        .get_layer("dense_1_inputs")
        .scale
    )
    assert scales.shape == (16, 2 * 3 + 3)
    assert len(np.unique(scales[0])) == 5
    assert (scales[:, 0:3] == scales[:, :1]).all()


def compiled(target: Target, loss: str) -> Any:
    import keras

    from dlrun.metrics import metrics
    from dlrun.training.step.by_column import build_loss, build_metric
    from dlrun.training.step.by_member import MembersLoss, score_mean

    chosen: Any = losses.find(loss)
    found = chosen()
    target = found.settle(target)
    model = TabM(units=(8,), members=4, dropout=0.0).build(VECTOR, target)
    metric: Any = metrics.find("accuracy" if target.kind == "classes" else "mean_absolute_error")
    model.compile(
        keras.optimizers.SGD(0.0),
        MembersLoss(build_loss(found, target), is_of_batch=found.is_of_batch),
        metrics=[score_mean(build_metric(metric(), target), target)],
        run_eagerly=True,
    )
    return model


@pytest.mark.parametrize(("target", "loss"), [
    (CLASSES, "sparse_categorical_crossentropy"), (CLASSES, "categorical_crossentropy"), (CLASSES, "dice"),
    (Target("classes", 2), "binary_crossentropy"), (Target("classes", 2), "hinge"), (VALUES, "mean_squared_error"),
    (VALUES, "poisson"),
])  # fmt: skip
def test_the_loss_is_the_mean_of_the_members_losses_and_metrics_score_their_mean(target: Target, loss: str) -> None:
    model = compiled(target, loss)
    rows = inputs(6)
    random = np.random.default_rng(1)
    ids = random.integers(0, target.size, 6)
    truth: Any = ids if target.kind == "classes" else random.random((6, 2)).astype("float32")
    settled = losses.find(loss)().settle(target)  # type: ignore[misc]
    if settled.encoding == "one_hot":
        truth = np.eye(target.size, dtype="float32")[ids]
    elif settled.encoding == "binary":
        truth = ids[:, None].astype("float32")
    members = np.asarray(model(rows, training=True))
    one = model.loss._loss  # of one member
    expected = np.mean([float(one(truth, members[:, member])) for member in range(4)])
    logs = model.train_on_batch(rows, truth, return_dict=True)
    assert float(logs["loss"]) == pytest.approx(expected, rel=1e-5)
    evaluated = model.test_on_batch(rows, truth, return_dict=True)
    name = next(name for name in logs if name != "loss")
    assert float(logs[name]) == pytest.approx(float(evaluated[name]), rel=1e-5)
    if loss not in ("hinge", "dice"):  # which are not convex in the probabilities
        assert float(evaluated["loss"]) < float(logs["loss"])


def test_weights_of_examples_weigh_all_members() -> None:
    model, rows = compiled(CLASSES, "sparse_categorical_crossentropy"), inputs(4)
    truth = np.array([0, 1, 2, 0])
    single = float(model.train_on_batch(rows[:1], truth[:1], return_dict=True)["loss"])
    model.reset_metrics()
    weighted = model.train_on_batch(rows, truth, sample_weight=np.array([4.0, 0, 0, 0]), return_dict=True)["loss"]
    assert float(weighted) == pytest.approx(single, rel=1e-5)


@pytest.mark.parametrize("target", [COLUMNS, BINARY, VALUES])
def test_an_exported_model_computes_the_mean_in_operations_of_keras(target: Target) -> None:
    from dlrun.exporting.keras_file import foreign_layers
    from dlrun.exporting.rebuilding import in_plain_layers

    model = TabM(units=(8,), members=4, dropout=0.1).build(VECTOR, target)
    plain = in_plain_layers(model)
    assert not foreign_layers(plain)
    np.testing.assert_allclose(plain(inputs()), model(inputs()), atol=1e-5)


def test_a_blend_is_a_weighted_mean_of_logits_outside_of_training_and_leaves_out_learned_vectors() -> None:
    features = Features("vector", (4,), embedded=(Embedded("city", 5, 2),), continuous=(Continuous(0, (0.0, 1.0)),))
    embedding: Any = {"type": "periodic", "size": 4}
    plain, model = (
        TabM(units=(4,), members=4, numeric_embedding=embedding, linear_blend=each).build(features, CLASSES)
        for each in (False, True)
    )
    weights = {weight.path: weight for weight in plain.weights}
    for weight in model.weights:
        if weight.path in weights:
            weight.assign(weights[weight.path])
    kernel, bias, share = np.arange(9.0).reshape(3, 3), np.array([2.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.5])
    model.get_layer("linear").set_weights([kernel, bias])
    model.get_layer("blend").set_weights([share])
    x = np.concatenate([np.random.default_rng(0).random((6, 3)), np.full((6, 1), 2)], axis=1).astype(np.float32)
    expected = (1 - share) * np.asarray(plain(x)) + share * (x[:, :3] @ kernel + bias)
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(x, training=True), plain(x, training=True), rtol=1e-6)
    assert len(model.trainable_weights) == len(plain.trainable_weights)


def test_a_blend_needs_logits_and_some_plain_features() -> None:
    model = TabM(units=(4,), linear_blend=True)
    assert not list(model.misfits_target(CLASSES))
    assert not list(model.misfits(VECTOR))
    for target in (VALUES, Target("classes", 3, activation="softmax")):
        assert "logits" in next(model.misfits_target(target)).what
    ids = Features("vector", (1,), embedded=(Embedded("city", 50, 4),))
    assert "there are 0" in next(model.misfits(ids)).what
    assert "there are 2,000" in next(model.misfits(Features("vector", (2000,)))).what
