from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

X = np.random.default_rng(0).random((5, 7)).astype("float32")


def layer(**options: Any) -> Any:
    from dlrun.models.parts.reversible_dense import reversible_dense

    return reversible_dense()(3, name="tied", **options)


def test_both_directions_share_one_kernel_and_have_a_bias_each() -> None:
    tied = layer()
    assert tied(tied(X), reverse=True).shape == (5, 7)
    assert [(weight.path, weight.shape) for weight in tied.weights] == [
        ("tied/kernel", (7, 3)),
        ("tied/bias", (3,)),
        ("tied/reverse_bias", (7,)),
    ]


def test_gradient_of_the_kernel_comes_from_both_directions() -> None:
    import tensorflow as tf

    tied = layer(kernel_initializer="ones")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tied(tied(X), reverse=True))
    # The sum of x W W^T, derived by W_ij where W is all ones: 7 sum_n x_ni + sum_nk x_nk.
    expected = np.repeat((7 * X.sum(axis=0) + X.sum())[:, None], 3, axis=1)
    np.testing.assert_allclose(tape.gradient(total, tied.kernel), expected, rtol=1e-5)


def test_full_precision_computes_in_float32_from_the_unrounded_kernel() -> None:
    tied = layer(dtype="mixed_bfloat16")
    code = tied(X)
    assert code.dtype.name == "bfloat16"
    assert tied(code, reverse=True).dtype.name == "bfloat16"
    exact = np.asarray(code).astype("float32") @ np.asarray(tied.kernel).T
    np.testing.assert_allclose(tied(code, reverse=True, full_precision=True), exact, rtol=1e-5, atol=1e-6)


def test_keras_rebuilds_it_from_its_config() -> None:
    import keras

    tied = layer(kernel_regularizer=keras.regularizers.L2(0.5))
    again = keras.layers.deserialize(keras.layers.serialize(tied))
    assert again.get_config() == tied.get_config()
