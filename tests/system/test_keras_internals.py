"""The private API of Keras and TensorFlow that dlrun uses still exists and does what dlrun expects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.system import keras_internals as internals

pytestmark = pytest.mark.tensorflow


def compiled(**options: Any) -> Any:
    """Return a compiled network that contains another network."""
    import keras

    inner = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, name="deep")], name="inner")
    given = keras.layers.Input((3,))
    model = keras.Model(given, keras.layers.Dense(1, name="end")(inner(given)), name="outer")
    model.compile("sgd", "mse", **options)
    return model


def test_all_layers_reach_into_nested_models() -> None:
    names = {layer.name for layer in internals.all_layers(compiled())}
    assert {"outer", "inner", "deep", "end"} <= names


def test_metric_variables_exist_before_the_first_step() -> None:
    import keras

    model = compiled(metrics=["mae"])
    before = len(model.metrics_variables)
    internals.make_metric_variables(
        model, keras.KerasTensor((None, 3), dtype="float32"), keras.KerasTensor((None, 1), dtype="float32")
    )
    made = len(model.metrics_variables)
    assert made > before
    model.train_step((np.zeros((2, 3), np.float32), np.zeros((2, 1), np.float32)))
    assert len(model.metrics_variables) == made


def test_a_metric_is_built_before_its_first_batch() -> None:
    import keras

    metric = keras.metrics.F1Score()
    assert not metric.variables
    internals.build_metric(metric, (None, 3))
    made = len(metric.variables)
    assert made
    metric.update_state(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32))
    assert len(metric.variables) == made


def test_the_loss_tracker_holds_the_loss() -> None:
    import keras

    model = compiled(metrics=["mae"])
    features, target = np.ones((2, 3), np.float32), np.full((2, 1), 5, np.float32)
    loss = float(keras.ops.mean((model(features) - target) ** 2))
    model.test_step((features, target))
    tracker = internals.loss_tracker(model)
    assert isinstance(tracker, keras.metrics.Mean)
    assert float(tracker.result()) == pytest.approx(loss, rel=1e-5)


def test_the_operation_behind_a_tensor_is_found() -> None:
    import keras

    layer = keras.layers.Flatten()
    assert internals.operation_of(layer(keras.layers.Input((3, 2)))) is layer


@pytest.mark.parametrize("place", [0, 1])
def test_adam_and_sgd_tell_which_state_belongs_to_a_variable(place: int) -> None:
    import keras

    variables = [keras.Variable(np.zeros(shape, np.float32)) for shape in ((3,), (4,))]
    adam, sgd = keras.optimizers.Adam(0.1), keras.optimizers.SGD(0.1, momentum=0.9)
    for optimizer in (adam, sgd):
        optimizer.build(variables)
        gradients = [keras.ops.ones((3,)), 2 * keras.ops.ones((4,))]
        optimizer.apply(gradients, variables)
    gradient = place + 1.0
    first, second = internals.adam_moments(adam, variables[place])
    np.testing.assert_allclose(np.asarray(first), 0.1 * gradient, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(second), 0.001 * gradient**2, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(internals.momentum_of(sgd, variables[place])), -0.1 * gradient, rtol=1e-5)


def test_operations_and_structure_of_a_tensorflow_lite_model_can_be_read() -> None:
    import tensorflow as tf

    function = tf.function(lambda x: {"y": tf.nn.relu(x)}, input_signature=[tf.TensorSpec((1, 2), tf.float32, "x")])
    holder = tf.Module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], holder)
    model = converter.convert()
    interpreter = tf.lite.Interpreter(model_content=model)
    outputs = {output for operation in internals.lite_operations(interpreter) for output in operation["outputs"]}
    assert {each["index"] for each in interpreter.get_output_details()} <= outputs
    parsed = internals.lite_files().convert_bytearray_to_object(bytearray(model))
    assert parsed.subgraphs[0].operators
    assert internals.lite_schema().OperatorCodeT().version == 1
    again = bytes(internals.lite_files().convert_object_to_bytearray(parsed))
    assert tf.lite.Interpreter(model_content=again).get_output_details()


def test_freezing_turns_variables_into_constants() -> None:
    import tensorflow as tf

    weight = tf.Variable([2.0, 3.0])
    function = tf.function(lambda x: x * weight, input_signature=[tf.TensorSpec((2,), tf.float32)])
    frozen = internals.freeze(function.get_concrete_function())
    assert not frozen.variables
    assert frozen(tf.constant([1.0, 2.0]))[0].numpy().tolist() == [2.0, 6.0]


def test_the_wait_for_workers_is_an_option_of_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    import inspect

    from tensorflow.python.eager import context

    known = inspect.signature(context.Context.configure_coordination_service).parameters
    assert "cluster_register_timeout_in_ms" in known
    asked: dict[str, Any] = {}
    made = context.Context()
    monkeypatch.setattr(made, "configure_coordination_service", asked.update)
    monkeypatch.setattr(context, "context", lambda: made)
    internals.limit_wait_for_workers(5)
    made.configure_coordination_service(service_type="standalone")
    assert asked == {"cluster_register_timeout_in_ms": 5000, "service_type": "standalone"}


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("activations", "relu"),
        ("constraints", "MaxNorm"),
        ("initializers", "he_normal"),
        ("losses", "mse"),
        ("metrics", "mae"),
        ("optimizers", "adam"),
        ("regularizers", "l2"),
    ],
)
def test_names_that_keras_understands_are_listed(group: str, name: str) -> None:
    import keras

    assert name in internals.named_objects(group)
    get: Callable[[str], Any] = getattr(keras, group).get
    assert get(name) is not None


def test_snake_case_is_that_of_keras() -> None:
    import keras

    assert internals.snake_case("SparseCategoricalCrossentropy") == "sparse_categorical_crossentropy"
    assert keras.losses.get(internals.snake_case("MeanSquaredError")) is not None


def test_the_arguments_that_optimizers_share_are_described() -> None:
    assert all(name in internals.optimizer_argument_docs() for name in ("weight_decay", "clipnorm", "use_ema"))


def test_layers_with_a_factor_say_its_bounds() -> None:
    import keras

    assert internals.factor_bounds(keras.layers.RandomSharpness) == (0, 1)
    assert internals.factor_bounds(keras.layers.Dense) is None


def test_the_methods_that_sums_first_overrides_are_those_of_keras() -> None:
    """If Keras renamed a method, it would no longer be called, and several devices would train another model."""
    import keras

    own = {
        name for name in vars(internals.SumsFirst) if callable(getattr(internals.SumsFirst, name)) and name[:2] != "__"
    }
    assert len(own) == 5
    assert all(callable(getattr(keras.optimizers.Adam, name)) for name in own)
    adam = keras.optimizers.AdamW(use_ema=True)
    variable = keras.Variable(np.zeros(2, np.float32))
    adam.build([variable])
    assert adam._use_weight_decay(variable)
    assert len(adam._model_variables_moving_average) == 1


@pytest.mark.parametrize("jit", [False, True])
def test_each_weight_decays_by_its_factor_and_the_schedule(jit: bool) -> None:
    import keras
    import tensorflow as tf

    kernel, bias, scale = weights = [keras.Variable(np.full(2, 3, np.float32)) for _ in range(3)]
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.1)
    assert internals.decays_as_usual(optimizer)
    optimizer.__class__ = type("Decaying", (internals.WeightDecay, type(optimizer)), {})
    optimizer.set_decay([(bias, 0.0), (scale, 6.0)], lambda steps: 0.1 * tf.cast(steps, tf.float32))
    optimizer.build(weights)
    step = tf.function(lambda: optimizer.apply([tf.zeros(2)] * 3), jit_compile=jit)
    for taken in range(3):
        assert int(internals.steps_taken(optimizer)) == taken
        step()
    for weight, factor in ((kernel, 1), (bias, 0), (scale, 6)):
        left = 3 * np.prod([1 - 0.5 * 0.1 * taken * factor for taken in range(3)])
        np.testing.assert_allclose(weight.numpy(), left, rtol=1e-6)


def test_muon_alone_decays_in_a_way_of_its_own() -> None:
    import keras

    from dlrun.keras_table import entry_names, find_entry

    kinds = [getattr(keras.optimizers, find_entry("optimizers", name).class_name) for name in entry_names("optimizers")]
    assert {kind.__name__ for kind in kinds if not internals.decays_as_usual(kind())} == {"Muon"}


def test_nothing_else_uses_what_is_not_public() -> None:
    source = Path(internals.__file__).parents[1]
    for path in source.rglob("*.py"):
        if path != Path(internals.__file__):
            text = path.read_text()
            assert not any(f"{name}" in text for name in ("keras.src", "tensorflow.python", "tensorflow.lite.")), path


def test_whether_operations_are_deterministic_is_known() -> None:
    import tensorflow as tf
    from tensorflow.python.framework.config import disable_op_determinism

    assert not internals.has_deterministic_ops()
    tf.config.experimental.enable_op_determinism()
    try:
        assert internals.has_deterministic_ops()
    finally:
        disable_op_determinism()
