from typing import Any

import numpy as np
import pytest

from dlrun.models.cnn import Cnn, ConvolutionBlock
from dlrun.signature import Features, Target

MNIST = Features("image", (28, 28, 1))
DIGITS = Features("image", (8, 8, 1))
CLASSES = Target("classes", 10)


def cnn(*blocks: dict[str, Any], **keys: Any) -> Cnn:
    return Cnn(blocks=tuple(ConvolutionBlock(**block) for block in blocks), **keys)


def conv(filters: int, **keys: Any) -> dict[str, Any]:
    return {"filters": filters, **keys}


def test_pool_larger_than_its_input_is_found_with_its_block() -> None:
    # 8 -3-> 6 -pool-> 3 -3-> 1, and the second pool has nothing left
    (problem,) = cnn(conv(8, pool_size=2), conv(8, pool_size=2), conv(8)).misfits(DIGITS)
    assert problem.path == ("blocks", 1, "pool_size")
    assert problem.what == "the pool is 2x2 but its input is 1x1"
    assert problem.expected == "a pool of at most 1x1"
    assert "pool_size of block 2" in problem.hint


def test_kernel_larger_than_its_input_is_found_with_its_block() -> None:
    (problem,) = cnn(conv(8, pool_size=3), conv(8)).misfits(DIGITS)
    assert problem.path == ("blocks", 1, "kernel_size")
    assert problem.what == "the kernel is 3x3 but its input is 2x2"


def test_input_too_short_on_one_axis_is_a_problem() -> None:
    (problem,) = cnn(conv(8, kernel_size=(1, 9))).misfits(DIGITS)
    assert problem.what == "the kernel is 1x9 but its input is 8x8"


def test_steps_of_a_sequence_are_counted_along_one_axis() -> None:
    (problem,) = cnn(conv(8, kernel_size=5), conv(8, kernel_size=5)).misfits(Features("sequence", (8, 3)))
    assert (problem.path, problem.what) == (("blocks", 1, "kernel_size"), "the kernel is 5 but its input is 4")


@pytest.mark.parametrize("key", ["kernel_size", "strides", "pool_size"])
def test_two_numbers_for_the_one_axis_of_a_sequence_are_a_problem(key: str) -> None:
    (problem,) = cnn(conv(8), conv(8, **{key: (2, 2)})).misfits(Features("sequence", (30, 3)))
    assert problem.path == ("blocks", 1, key)


def test_same_padding_keeps_kernels_fitting() -> None:
    blocks = [conv(8, pool_size=2) for _ in range(3)]
    assert not list(cnn(*blocks, padding="same").misfits(DIGITS))
    assert list(cnn(*blocks).misfits(DIGITS))
    assert not list(cnn(*[{**block, "padding": "same"} for block in blocks]).misfits(DIGITS))


def test_unsupported_kind_of_features_is_left_to_the_checker() -> None:
    assert not list(cnn(conv(8)).misfits(Features("vector", (3,))))


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("blocks", "fits"),
    [
        ([conv(2, pool_size=2), conv(2, pool_size=2)], False),
        ([conv(2, pool_size=2), conv(2, pool_size=1)], True),
        ([conv(2, strides=3), conv(2, kernel_size=2), conv(2, kernel_size=1)], True),
        ([conv(2, strides=3), conv(2, kernel_size=3)], False),
        ([conv(2, kernel_size=9, padding="same", pool_size=(8, 1)), conv(2, kernel_size=(1, 8))], True),
    ],
)
def test_misfits_are_exactly_what_keras_refuses(blocks: list[dict[str, Any]], fits: bool) -> None:
    model = cnn(*blocks)
    assert any(model.misfits(DIGITS)) is not fits
    if fits:
        assert model.build(DIGITS, CLASSES).output_shape == (None, 10)
        return
    with pytest.raises(ValueError, match=r"(?i)dimension|negative|output"):
        model.build(DIGITS, CLASSES)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("blocks", "head_units", "parameters"),
    [
        # Conv 320 + 18,496 + 36,928; 28 -> 26 -> 13 -> 11 -> 5 -> 3; Dense 576 * 64 + 64 = 36,928; 650
        ([conv(32, pool_size=2), conv(64, pool_size=2), conv(64)], (64,), 93_322),
        # Conv 320 + 18,496; 28 -> 26 -> 13 -> 11 -> 5; Dense 1,600 * 128 + 128 = 204,928; 1,290
        ([conv(32, pool_size=2), conv(64, pool_size=2)], (128,), 225_034),
        # Conv 320 + 18,496 + 73,856; Dense 1,152 * 128 + 128 = 147,584; 1,290
        ([conv(32, pool_size=2), conv(64, pool_size=2), conv(128)], (128,), 241_546),
    ],
    ids=["mnist_cnn", "mnist_cnn_small", "mnist_cnn_wide"],
)
def test_mnist_models_have_the_expected_number_of_parameters(
    blocks: list[dict[str, Any]], head_units: tuple[int, ...], parameters: int
) -> None:
    assert cnn(*blocks, head_units=head_units).build(MNIST, CLASSES).count_params() == parameters


@pytest.mark.tensorflow
def test_block_overrides_its_own_keys_and_inherits_the_others() -> None:
    model = cnn(
        conv(4, dropout=0.0, activation="tanh"),
        conv(4, batch_normalization=False),
        batch_normalization=True,
        dropout=0.5,
        activation="elu",
    ).build(MNIST, CLASSES)
    names = [layer.name for layer in model.layers]
    first = ["block_1_conv", "block_1_conv_batch_normalization", "block_1_conv_activation"]
    assert names == ["features", *first, "block_2_conv", "block_2_dropout", "flatten", "head"]
    assert model.get_layer("block_1_conv_activation").activation.__name__ == "tanh"
    assert model.get_layer("block_2_conv").activation.__name__ == "elu"


@pytest.mark.tensorflow
@pytest.mark.parametrize(("pooling", "width"), [("flatten", 6 * 6 * 5), ("global_average", 5), ("global_max", 5)])
def test_pooling_determines_the_width_of_the_vector(pooling: Any, width: int) -> None:
    model = cnn(conv(5), pooling=pooling).build(DIGITS, CLASSES)
    assert model.get_layer("head").kernel.shape == (width, 10)


@pytest.mark.tensorflow
@pytest.mark.parametrize("batch_normalization", [False, True])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu"])
def test_a_block_is_convolution_normalization_activation_and_pooling(
    activation: str, *, batch_normalization: bool
) -> None:
    """Whatever the order in which they are computed: outputs and gradients are those of the four in this order."""
    import keras
    import tensorflow as tf

    block = conv(3, pool_size=2, activation=activation, batch_normalization=batch_normalization)
    model = cnn(block).build(Features("image", (9, 8, 2)), Target("classes", 4))
    layers = keras.layers
    inputs = keras.Input((9, 8, 2))
    tensor = layers.Conv2D(3, 3)(inputs)
    tensor = layers.BatchNormalization()(tensor) if batch_normalization else tensor
    tensor = layers.MaxPooling2D(2)(layers.Activation(activation)(tensor))
    expected = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(tensor)))
    expected.set_weights(model.get_weights())
    images = tf.random.normal((6, 9, 8, 2), seed=0)
    gradients = []
    for each in (model, expected):
        with tf.GradientTape() as tape:
            output = each(images, training=True)
            loss = tf.reduce_sum(tf.sin(output))
        gradients.append([output, *tape.gradient(loss, [variable.value for variable in each.trainable_variables])])
    for found, wanted in zip(*gradients, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("block", "model", "path"),
    [
        ({"residual": True}, {}, ("blocks", 0, "residual")),
        ({"residual": True, "strides": 2}, {"padding": "same"}, ("blocks", 0, "strides")),
        ({"stochastic_depth": 0.1}, {}, ("blocks", 0, "stochastic_depth")),
        ({}, {"stochastic_depth": 0.1}, ("stochastic_depth",)),
    ],
)
def test_a_block_whose_input_cannot_be_added_or_that_is_never_skipped_is_found(
    block: dict[str, Any], model: dict[str, Any], path: tuple[Any, ...]
) -> None:
    assert [problem.path for problem in cnn(conv(4, **block), **model).problems()] == [path]


@pytest.mark.tensorflow
def test_a_residual_block_adds_its_input_before_the_pooling_and_has_a_rate_of_its_own() -> None:
    import keras

    blocks = (conv(2, residual=True, pool_size=2), conv(2, residual=True), conv(2, residual=True, stochastic_depth=0.5))
    model = cnn(*blocks, padding="same", stochastic_depth=0.3).build(Features("image", (6, 6, 2)), CLASSES)
    rates = [layer.rate for layer in model.layers if "stochastic_depth" in layer.name]
    assert rates == pytest.approx([0.1, 0.2, 0.5])
    names = ("block_1_conv", "block_1_pool", "block_2_conv")
    inside = keras.Model(
        model.input, [model.get_layer(name).output for name in names] + [model.get_layer("block_2_add").output]
    )
    image = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")
    first, pooled, second, added = map(np.asarray, inside(image))
    np.testing.assert_allclose(pooled, (first + image).reshape(3, 3, 2, 3, 2, 2).max(axis=(2, 4)), rtol=1e-6)
    np.testing.assert_allclose(added, second + pooled, rtol=1e-6)
