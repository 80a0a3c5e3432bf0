"""The temporal convolutional network: what a step sees, and blocks that would see nothing."""

from typing import Any

import numpy as np
import pytest

from dlrun.models.tcn import Tcn
from dlrun.signature import Features, Target

SEQUENCE = Features("sequence", (20, 2))
VALUE = Target("values", 1, encoding="value")


@pytest.mark.parametrize(("steps", "most"), [(2, 1), (16, 4), (17, 5), (24, 5)])
def test_a_block_that_reaches_behind_the_first_step_is_found(steps: int, most: int) -> None:
    features = Features("sequence", (steps, 2))
    assert not list(Tcn(filters=(4,) * most).misfits(features))
    (problem,) = Tcn(filters=(4,) * (most + 2)).misfits(features)
    assert problem.path == ("filters", most)
    assert problem.expected == f"at most {most} blocks for {steps} steps"


def test_token_ids_need_an_embedding() -> None:
    (problem,) = Tcn(filters=(4,)).misfits(Features("tokens", (20,), vocabulary_size=50))
    assert problem.hint == "embedding_size: 64"


def influence(**keys: Any) -> Any:
    """Whether the output of each step (row) changes with the input of each step (column)."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    model = Tcn(activation="tanh", **keys).build(SEQUENCE, VALUE)
    last = f"block_{len(keys['filters'])}_activation"
    steps = keras.Model(model.input, model.get_layer(last).output)
    inputs = tf.random.normal((1, 20, 2), seed=1)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = tf.reduce_sum(steps(inputs), axis=-1)
    return np.abs(tape.jacobian(outputs, inputs)).sum(axis=-1)[0, :, 0] > 0


@pytest.mark.tensorflow
@pytest.mark.parametrize("normalization", ["layer", "batch"])
def test_no_step_sees_a_later_one_and_each_sees_the_steps_of_the_formula(normalization: str) -> None:
    sees = influence(filters=(3, 4), kernel_size=3, normalization=normalization)
    field = 1 + 2 * (3 - 1) * (2**2 - 1)
    rows, columns = np.indices((20, 20))
    np.testing.assert_array_equal(sees, (columns <= rows) & (columns > rows - field))


@pytest.mark.tensorflow
@pytest.mark.parametrize("pooling", ["last", "global_average", "global_max"])
def test_pooling_takes_the_last_step_the_mean_or_the_largest(pooling: Any) -> None:
    import keras

    model = Tcn(filters=(3,), pooling=pooling).build(SEQUENCE, VALUE)
    both = keras.Model(model.input, [model.get_layer("block_1_activation").output, model.get_layer("head").input])
    steps, vector = map(np.asarray, both(np.random.default_rng(0).normal(size=(4, 20, 2)).astype("float32")))
    expected = {"last": steps[:, -1], "global_average": steps.mean(axis=1), "global_max": steps.max(axis=1)}
    np.testing.assert_allclose(vector, expected[pooling], rtol=1e-5)
