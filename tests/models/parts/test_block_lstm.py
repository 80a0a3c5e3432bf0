"""The fused LSTM kernel against Keras' own loop: outputs and gradients."""

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

STEPS, WIDTH = 7, 3
SEQUENCES = np.random.default_rng(0).normal(size=(5, STEPS, WIDTH)).astype(np.float32)


def pair(wrap: Any = lambda layer: layer, **options: Any) -> tuple[Any, Any]:
    """Keras' layer and ours, with equal weights."""
    import keras

    from dlrun.models.parts.block_lstm import block_lstm, use_block_kernels

    models = []
    for layer_class in (keras.layers.LSTM, block_lstm()):
        inputs = keras.Input((STEPS, WIDTH))
        keras.utils.set_random_seed(1)
        models.append(keras.Model(inputs, wrap(layer_class(4, seed=3, **options))(inputs)))
    ours = models[1]
    ours.set_weights([weight + 0.1 for weight in models[0].get_weights()])  # no bias stays zero
    models[0].set_weights(ours.get_weights())
    use_block_kernels(ours, on=True)
    return models[0], ours


def results(model: Any, *, training: bool = False) -> tuple[list[Any], list[str]]:
    """Output and gradients, and the operations of the graph that computed them."""
    import tensorflow as tf

    @tf.function  # type: ignore[untyped-decorator, unused-ignore]
    def compute(sequences: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(sequences)
            output = model(sequences, training=training)
            loss = tf.reduce_sum(tf.sin(tf.cast(output, tf.float32)))
        return [output, *tape.gradient(loss, [sequences, *(v.value for v in model.trainable_variables)])]

    sequences = tf.constant(SEQUENCES)
    graph = compute.get_concrete_function(sequences).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return [np.asarray(value) for value in compute(sequences)], [node.op for node in nodes]


@pytest.mark.parametrize(
    "options",
    [{}, {"return_sequences": True}, {"go_backwards": True, "return_sequences": True}],
    ids=["last output", "all outputs", "backwards"],
)
def test_the_fused_kernel_has_the_outputs_and_gradients_of_keras(options: dict[str, Any]) -> None:
    keras_model, ours = pair(**options)
    expected, _ = results(keras_model)
    found, operations = results(ours)
    assert "BlockLSTM" in operations
    for theirs, own in zip(expected, found, strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-6)


def test_a_bidirectional_layer_uses_the_kernel_both_ways() -> None:
    import keras

    keras_model, ours = pair(keras.layers.Bidirectional, return_sequences=True)
    expected, _ = results(keras_model)
    found, operations = results(ours)
    assert operations.count("BlockLSTM") == 2
    for theirs, own in zip(expected, found, strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-6)


def test_input_dropout_matches_keras() -> None:
    keras_model, ours = pair(dropout=0.5)
    (expected, *_), _ = results(keras_model, training=True)
    (found, *_), operations = results(ours, training=True)
    assert "BlockLSTM" in operations
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{"recurrent_dropout": 0.1}, {"activation": "relu"}, {"use_bias": False}, {"dtype": "mixed_bfloat16"}],
    ids=["recurrent dropout", "relu", "no bias", "bfloat16"],
)
def test_unsupported_options_fall_back_to_keras(options: dict[str, Any]) -> None:
    keras_model, ours = pair(**options)
    expected, _ = results(keras_model)
    found, operations = results(ours)
    assert "BlockLSTM" not in operations
    np.testing.assert_array_equal(found[0], expected[0])


def test_a_mask_falls_back_to_keras() -> None:
    import keras

    from dlrun.models.parts.block_lstm import block_lstm, use_block_kernels

    tokens = np.array([[1, 2, 0, 0], [3, 1, 2, 1]])
    outputs: list[Any] = []
    weights: list[Any] = []
    for layer_class in (keras.layers.LSTM, block_lstm()):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((4,), dtype="int32")
        embedded = keras.layers.Embedding(4, WIDTH, mask_zero=True)(inputs)
        model = keras.Model(inputs, layer_class(4)(embedded))
        weights = weights or model.get_weights()
        model.set_weights(weights)
        use_block_kernels(model, on=True)
        outputs.append(np.asarray(model(tokens)))
    np.testing.assert_array_equal(*outputs)


def test_a_model_that_is_saved_runs_without_the_kernel() -> None:
    _, ours = pair()
    copy = type(ours.layers[1]).from_config(ours.layers[1].get_config())
    assert not copy.use_block_kernel
