"""The U-Net: its sizes, computed by hand, masks in the size of any image, and what its parts compute."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from dlrun.models.unet import UNet
from dlrun.signature import Features, Target

ODD = Features("image", (37, 50, 3))
SMALL = Features("image", (9, 7, 2))
MASK = Target("mask", 4)
BOTH = pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])


def built(features: Features = SMALL, target: Target = MASK, **keys: Any) -> Any:
    return UNet(**{"filters": (2, 3, 4), **keys}).build(features, target)


def drawn(features: Features, count: int = 2) -> Any:
    return np.random.default_rng(0).normal(size=(count, *features.shape)).astype("float32")


def test_it_predicts_masks_of_images() -> None:
    assert UNet.predicts_mask
    assert UNet.takes == ("image",)
    assert UNet().final_activation(Target("mask", 4, activation="softmax")) == "softmax"


@pytest.mark.parametrize("filters", [(), (8,)])
def test_a_network_that_never_halves_the_image_is_a_problem(filters: tuple[int, ...]) -> None:
    (problem,) = UNet(filters=filters).problems()
    assert (problem.path, problem.what) == (
        ("filters",),
        f"a U-Net needs at least 2 levels, but filters has {len(filters)}",
    )
    assert not list(UNet(filters=(8, 8)).problems())


def test_a_level_without_filters_is_refused() -> None:
    with pytest.raises(ValidationError):
        UNet(filters=(8, 0))


@pytest.mark.parametrize(
    ("size", "most"), [((16, 16), 5), ((15, 100), 4), ((100, 8), 4), ((7, 7), 3), ((4, 5), 3), ((3, 3), 2)]
)
def test_the_first_level_that_has_less_than_a_pixel_is_found(size: tuple[int, int], most: int) -> None:
    features = Features("image", (*size, 3))
    assert 2 ** (most - 1) <= min(size) < 2**most
    assert not list(UNet(filters=(8,) * most).misfits(features))
    (problem,) = UNet(filters=(8,) * (most + 2)).misfits(features)
    assert problem.path == ("filters", most)
    assert problem.what == (
        f"level {most + 1} has 1/{2**most} of the height and width of the image, which is only {size[0]}x{size[1]}"
    )
    assert problem.expected == f"at most {most} levels for an image of {size[0]}x{size[1]}"
    assert problem.hint == f"filters: {[8] * most}"


def test_an_image_with_a_side_of_one_pixel_has_no_network() -> None:
    (problem,) = UNet(filters=(8, 8)).misfits(Features("image", (1, 20, 3)))
    assert (problem.path, problem.expected) == (("filters", 1), "an image of at least 2x2 pixels")


def test_three_numbers_for_the_axes_of_an_image_are_a_problem() -> None:
    (problem,) = UNet(kernel_size=(3, 3, 3)).misfits(ODD)
    assert problem.path == ("kernel_size",)
    assert not list(UNet(kernel_size=(3, 1)).misfits(ODD))


def test_unsupported_kind_of_features_is_left_to_the_checker() -> None:
    assert not list(UNet().misfits(Features("vector", (3,))))


def test_parts_of_a_batch_on_each_core_are_only_for_a_network_without_batch_normalization() -> None:
    assert not UNet().gains_from_shares()
    assert UNet(batch_normalization=False).gains_from_shares()


def by_hand(filters: tuple[int, ...], channels: int, units: int) -> int:
    """Parameters of the network of the paper, with padding: every convolution has a bias."""
    total, before = 0, channels
    for each in filters:
        total += (9 * before * each + each) + (9 * each * each + each)
        before = each
    for each in reversed(filters[:-1]):
        total += (4 * before * each + each) + (9 * 2 * each * each + each) + (9 * each * each + each)
        before = each
    return total + filters[0] * units + units


# The last one is the network of the paper, for one channel and two classes.
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("filters", "channels", "units", "parameters"),
    [
        ((4, 8, 16), 3, 4, 7_484),
        pytest.param((64, 128, 256, 512, 1024), 1, 2, 31_030_658, marks=pytest.mark.soak),
    ],
)
def test_without_normalization_it_has_the_size_of_the_network_of_the_paper(
    filters: tuple[int, ...], channels: int, units: int, parameters: int
) -> None:
    model = built(
        Features("image", (16, 16, channels)), Target("mask", units), filters=filters, batch_normalization=False
    )
    assert by_hand(filters, channels, units) == parameters
    assert model.count_params() == parameters


@pytest.mark.tensorflow
def test_bilinear_and_residual_networks_have_the_parameters_that_are_counted_by_hand() -> None:
    # Two convolutions of 5x5 without bias, and four numbers of normalization for each of their filters.
    first = (25 * 2 * 3 + 4 * 3) + (25 * 3 * 3 + 4 * 3)
    bottom = (25 * 3 * 5 + 4 * 5) + (25 * 5 * 5 + 4 * 5)
    up = (9 * 5 * 3 + 3) + (25 * (3 + 3) * 3 + 4 * 3) + (25 * 3 * 3 + 4 * 3)
    plain = first + bottom + up + (3 * 4 + 4)
    keys: dict[str, Any] = {"filters": (3, 5), "kernel_size": 5, "upsampling": "bilinear"}
    assert built(**keys).count_params() == plain
    # A 1x1 convolution with bias where the number of channels changes.
    shortcuts = (2 * 3 + 3) + (3 * 5 + 5) + ((3 + 3) * 3 + 3)
    assert built(**keys, residual=True).count_params() == plain + shortcuts


@BOTH
@pytest.mark.tensorflow
def test_the_mask_has_the_size_of_the_image_and_each_level_half_of_the_one_before(upsampling: str) -> None:
    model = built(ODD, filters=(2, 3, 4, 5, 6), upsampling=upsampling)
    assert model.output_shape == (None, 37, 50, 4)
    assert model(drawn(ODD)).shape == (2, 37, 50, 4)
    sizes = [(37, 50), (19, 25), (10, 13), (5, 7), (3, 4)]
    down = [model.get_layer(f"encoder_{level}_conv_2").output.shape[1:] for level in range(1, 6)]
    assert down == [(*size, filters) for size, filters in zip(sizes, (2, 3, 4, 5, 6), strict=True)]
    up = [model.get_layer(f"decoder_{level}_concatenate").output.shape[1:] for level in range(1, 5)]
    assert up == [(*size, 2 * filters) for size, filters in zip(sizes, (2, 3, 4, 5), strict=False)]


@BOTH
@pytest.mark.tensorflow
def test_the_smallest_image_that_fits_has_a_mask(upsampling: str) -> None:
    features = Features("image", (5, 4, 1))
    model = built(features, upsampling=upsampling)
    assert not list(UNet(filters=(2, 3, 4)).misfits(features))
    assert model(drawn(features)).shape == (2, 5, 4, 4)


@BOTH
@pytest.mark.tensorflow
def test_the_output_is_float32_under_mixed_precision(upsampling: str) -> None:
    import keras

    before = keras.config.dtype_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = built(upsampling=upsampling, residual=True)
    finally:
        keras.mixed_precision.set_global_policy(before)
    assert model(drawn(SMALL)).dtype.name == "float32"
    assert {layer.compute_dtype for layer in model.layers if layer.name not in ("features", "head")} == {"bfloat16"}


@pytest.mark.tensorflow
def test_layers_have_the_names_of_their_levels_in_every_build() -> None:
    keys: dict[str, Any] = {"filters": (3, 4), "convolutions": 1, "dropout": 0.1, "residual": True}
    names = [layer.name for layer in built(**keys).layers]
    convolved = ("conv_1", "conv_1_batch_normalization", "conv_1_activation", "conv_1_dropout", "shortcut", "add")
    assert sorted(names) == sorted(
        [
            "features",
            *(f"encoder_1_{each}" for each in convolved),
            "encoder_2_pool",
            *(f"encoder_2_{each}" for each in convolved),
            *("decoder_1_enlarge", "decoder_1_enlarge_crop", "decoder_1_concatenate"),
            *(f"decoder_1_{each}" for each in convolved),
            "head",
        ]
    )
    assert names == [layer.name for layer in built(**keys).layers]


@pytest.mark.tensorflow
def test_the_backbone_is_everything_but_the_head() -> None:
    model = built()
    assert [*UNet().backbone_layers(model), model.get_layer("head")] == model.layers


@pytest.mark.tensorflow
def test_batch_normalization_settles_within_tens_of_steps() -> None:
    layer = built().get_layer("encoder_1_conv_1_batch_normalization")
    assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "keys", [{}, {"upsampling": "bilinear"}, {"residual": True, "batch_normalization": False, "activation": "tanh"}]
)
def test_gradients_reach_every_variable(keys: dict[str, Any]) -> None:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = built(**keys)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(model(drawn(SMALL), training=True)))
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    still = [
        variable.path
        for variable, gradient in zip(variables, gradients, strict=True)
        if gradient is None or not np.any(np.abs(gradient) > 1e-4)
    ]
    assert not still


@pytest.mark.tensorflow
def test_a_pixel_sees_its_own_level_and_the_one_below() -> None:
    """With kernels of one pixel, a change of the image shows in the pixel itself and in its pool of 2x2."""
    import keras

    keras.utils.set_random_seed(1)
    model = built(filters=(8, 8), kernel_size=1, activation="tanh", batch_normalization=False)
    image = drawn(SMALL, 1)
    changed = image.copy()
    changed[0, 5, 4] += 3
    places = np.argwhere(np.any(np.asarray(model(changed) != model(image))[0], axis=-1))
    assert places.tolist() == [[4, 4], [4, 5], [5, 4], [5, 5]]


@pytest.mark.tensorflow
def test_only_transposed_convolutions_draw_a_pattern_on_a_constant_image() -> None:
    model = built(filters=(2, 3), upsampling="bilinear", kernel_size=1)
    inner = np.asarray(model(np.ones((1, *SMALL.shape), "float32")))[0, 1:-2, 1:-2]
    np.testing.assert_allclose(inner, np.broadcast_to(inner[0, 0], inner.shape), rtol=1e-5, atol=1e-6)
    transposed = built(filters=(2, 3), kernel_size=1)
    pattern = np.asarray(transposed(np.ones((1, *SMALL.shape), "float32")))[0, 1:-2, 1:-2]
    assert np.ptp(pattern, axis=(0, 1)).max() > 1e-3


@pytest.mark.tensorflow
def test_bilinear_upsampling_keeps_a_slope() -> None:
    layer = built(upsampling="bilinear").get_layer("decoder_1_resize")
    slope = np.broadcast_to(2 * np.arange(4, dtype="float32")[:, None, None], (1, 4, 3, 3))
    inner = np.asarray(layer(slope))[0, 1:-1]
    np.testing.assert_allclose(inner, np.broadcast_to(np.arange(6)[:, None, None] + 0.5, (6, 6, 3)), rtol=1e-6)


@pytest.mark.tensorflow
def test_a_residual_level_adds_its_input_to_its_convolutions() -> None:
    import keras

    model = built(Features("image", (8, 8, 3)), filters=(3, 3), convolutions=1, residual=True)
    layers = [model.get_layer(name) for name in ("encoder_1_conv_1_activation", "encoder_1_add")]
    image = drawn(Features("image", (8, 8, 3)))
    branch, added = keras.Model(model.input, [layer.output for layer in layers])(image)
    np.testing.assert_allclose(added, branch + image, rtol=1e-6)


def test_stochastic_depth_skips_levels_in_training_only_and_needs_residual_ones() -> None:
    (problem,) = UNet(stochastic_depth=0.5).problems()
    assert (problem.path, problem.expected) == (("stochastic_depth",), "residual: true")
    model = built(residual=True, stochastic_depth=0.5, batch_normalization=False)
    rates = {layer.name: layer.rate for layer in model.layers if layer.name.endswith("_stochastic_depth")}
    assert [round(rate, 6) for rate in rates.values()] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert list(rates)[-1] == "decoder_1_stochastic_depth"
    rows = drawn(SMALL, 32)
    still, again, random = model(rows, training=False), model(rows, training=False), model(rows, training=True)
    np.testing.assert_array_equal(still, again)
    assert np.abs(np.asarray(still) - np.asarray(random)).max() > 1e-3
