from typing import Any

import numpy as np
import pytest

from dlrun.models.realmlp import RealMlp
from dlrun.signature import Continuous, Features, Target

pytestmark = pytest.mark.tensorflow

VECTOR = Features("vector", (5,), continuous=())
CLASSES = Target("classes", 3)
VALUE = Target("values", 1, encoding="value")


def build(features: Features, target: Target, **keys: Any) -> Any:
    return RealMlp(units=(8,), **{"initialization": "random", **keys}).build(features, target)


def test_weights_decay_by_the_factors_of_their_learning_rates_and_biases_do_not() -> None:
    numbers = tuple(Continuous(place, (0.0, 1.0)) for place in range(4))
    model = build(Features("vector", (5,), continuous=numbers), CLASSES)
    own, equal = RealMlp(units=(8,)), RealMlp(units=(8,), weight_decay_rates="equal")
    found = {
        f"{layer.name}/{weight.name}": own.decay_factor(layer, weight.name)
        for layer in model.layers
        for weight in layer.trainable_weights
    }
    embedding = [f"numeric_embedding/{name}" for name in ("frequencies", "phase", "kernel", "bias")]
    dense = {"dense_1/kernel": 1.0, "dense_1/bias": 0.0, "head/kernel": 1.0, "head/bias": 0.0}
    assert found == {
        **dense,
        "feature_scale/scale": 6.0,
        "dense_1_activation/weight": 0.1,
        **dict.fromkeys(embedding, 0.1),
    }
    assert {equal.decay_factor(layer, "bias") for layer in model.layers} == {1.0}


def test_the_first_output_is_0_and_every_weight_of_the_head_learns() -> None:
    import keras

    model, rows = build(VECTOR, CLASSES), np.random.default_rng(0).standard_normal((64, 5)).astype("float32")
    assert not np.asarray(model(rows)).any()
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(rows, rows[:, 0] > 0)
    assert (np.asarray(model.get_layer("head").kernel)[:, :2] != 0).all()


def test_hidden_values_are_about_as_large_as_the_features_at_any_width() -> None:
    import keras

    rows = np.random.default_rng(0).standard_normal((500, 400)).astype("float32")
    model = RealMlp(units=(300,), initialization="random").build(Features("vector", (400,), continuous=()), CLASSES)
    hidden = keras.Model(model.inputs, model.get_layer("dense_1").output)
    assert np.asarray(hidden(rows)).var() == pytest.approx(2, rel=0.15)  # 1 of the kernel, 1 of the bias


def test_a_step_of_adam_moves_each_weight_by_its_own_rate() -> None:
    import keras

    rows = np.random.default_rng(0).standard_normal((64, 5)).astype("float32")
    numbers = tuple(Continuous(place, (0.0, 1.0)) for place in range(5))
    model = build(Features("vector", (5,), continuous=numbers), CLASSES, dropout=0.0)
    model.get_layer("head").kernel.assign(np.ones((8, 3)) * [[1, 2, 3]])
    layers = {
        name: model.get_layer(name) for name in ("feature_scale", "dense_1", "dense_1_activation", "numeric_embedding")
    }

    def effective() -> dict[str, Any]:
        dense, embedding = layers["dense_1"], layers["numeric_embedding"]
        return {
            "scale": 6.0 * layers["feature_scale"].scale.numpy(),
            "kernel": dense.kernel.numpy(),
            "bias": 0.1 * dense.bias.numpy(),
            "activation": 0.1 * layers["dense_1_activation"].weight.numpy(),
            "embedding": 0.1 * embedding.weights[0].numpy(),
        }

    before = effective()
    np.testing.assert_allclose(before["scale"], 1)
    np.testing.assert_allclose(before["activation"], 1)
    model.compile(
        keras.optimizers.Adam(0.01, epsilon=1e-12), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.train_on_batch(rows, (rows[:, 0] > 0).astype("int32"))
    after = effective()
    expected = {"scale": 6, "kernel": 1, "bias": 0.1, "activation": 0.1, "embedding": 0.1}
    for name, rate in expected.items():
        np.testing.assert_allclose(np.median(np.abs(after[name] - before[name])), 0.01 * rate, rtol=1e-2, err_msg=name)


def test_classes_have_selu_and_numbers_have_mish() -> None:
    assert build(VECTOR, CLASSES).get_layer("dense_1_activation").activation == "selu"
    assert build(VECTOR, VALUE).get_layer("dense_1_activation").activation == "mish"
    assert build(VECTOR, VALUE, activation="relu").get_layer("dense_1_activation").activation == "relu"


def test_the_default_embedding_is_left_out_where_no_number_is_continuous_and_any_other_is_a_problem() -> None:
    assert "numeric_embedding" not in [layer.name for layer in build(VECTOR, CLASSES).layers]
    assert not list(RealMlp().misfits(VECTOR))
    assert [problem.path for problem in RealMlp(numeric_embedding="periodic").misfits(VECTOR)] == [
        ("numeric_embedding",)
    ]


def test_an_exported_model_computes_the_same_in_layers_of_keras() -> None:
    from dlrun.exporting.keras_file import foreign_layers
    from dlrun.exporting.rebuilding import in_plain_layers

    model = build(VECTOR, VALUE)
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.standard_normal(weight.shape))
    plain, rows = in_plain_layers(model), random.standard_normal((9, 5)).astype("float32")
    assert not foreign_layers(plain)
    np.testing.assert_allclose(plain(rows), model(rows), rtol=1e-4, atol=1e-4)
