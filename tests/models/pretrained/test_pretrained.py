"""The model `pretrained`: its keys, its layers, and what it makes of pixels."""

import importlib
import itertools
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from dlrun.keras_table.backbones import backbone_names, find_backbone
from dlrun.models.pretrained.pretrained import Pretrained
from dlrun.signature import Features, PixelRange, Target

IMAGE = Features("image", (32, 32, 3), pixel_range=PixelRange((0.0,) * 3, (1.0,) * 3))
CLASSES = Target("classes", 4)


def problems(**keys: Any) -> list[tuple[str, str, str]]:
    return [(".".join(map(str, each.path)), each.what, each.hint) for each in Pretrained(**keys).problems()]


@pytest.mark.parametrize(
    ("keys", "path", "what"),
    [
        ({"backbone": "resnet50", "alpha": 0.5}, "alpha", "resnet50 has no argument alpha"),
        ({"backbone": "mobilenet_v2", "alpha": 0.4}, "weights", "no ImageNet weights of mobilenet_v2 with alpha: 0.4"),
        ({"backbone": "mobilenet_v2", "weights": "imagnet"}, "weights", "neither imagenet nor none"),
        ({"backbone": "mobilenet_v2", "trainable": "from:block_17_add"}, "trainable", "no layer 'block_17_add'"),
        ({"backbone": "mobilenet_v2", "trainable": "top:155"}, "trainable", "has 154 layers, fewer than 155"),
    ],
)
def test_what_the_network_does_not_have_is_a_problem_at_its_key(keys: dict[str, Any], path: str, what: str) -> None:
    ((found_path, found, _),) = problems(**keys)
    assert found_path == path
    assert what in found


def test_an_unknown_backbone_and_a_layer_without_weights_in_a_run_are_refused() -> None:
    with pytest.raises(ValidationError):
        Pretrained(backbone="mobilenet_v9")
    with pytest.raises(ValidationError):
        Pretrained(backbone="mobilenet_v2", weights={"run": ""})  # type: ignore[arg-type]


@pytest.mark.parametrize(("shape", "what"), [((31, 40, 3), "at least 32 pixels"), ((32, 32, 2), "2 channels")])
def test_images_that_do_not_fit_are_problems(shape: tuple[int, ...], what: str) -> None:
    (found,) = Pretrained(backbone="mobilenet_v2").misfits(Features("image", shape))
    assert what in found.what


def test_every_key_of_a_spec_comes_back_from_plain_values() -> None:
    model = Pretrained(backbone="mobilenet_v2", alpha=0.35, weights={"run": "a"}, trainable="top:3")  # type: ignore[arg-type]
    plain = model.plain()
    assert plain.pop("type") == "pretrained"
    assert Pretrained.model_validate({**plain, "head_units": ()}) == model


@pytest.mark.tensorflow
def test_every_backbone_gets_exactly_what_its_preprocess_input_makes_of_pixels() -> None:
    import keras

    from dlrun.models.pretrained.backbone import prepare_pixels

    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype("float32")
    mean, deviation = np.array([0.2, 0.5, 0.3]), np.array([0.5, 0.25, 2.0])
    standardized = PixelRange(tuple(-mean / deviation), tuple((1 - mean) / deviation))
    made: dict[str, list[Any]] = {}
    for mode in ("tf", "caffe", "torch", "inside"):
        for given, known in ((pixels / 255, IMAGE.pixel_range), ((pixels / 255 - mean) / deviation, standardized)):
            assert known is not None
            inputs = keras.Input((5, 4, 3))
            model = keras.Model(inputs, prepare_pixels(inputs, mode, known))
            made.setdefault(mode, []).append(model(given.astype("float32")).numpy())
    for name in backbone_names():
        entry = find_backbone(name)
        module = importlib.import_module(getattr(keras.applications, entry.function).__module__)
        expected = np.asarray(module.preprocess_input(pixels.copy()))
        for each in made[entry.preprocessing]:
            np.testing.assert_allclose(each, expected, atol=2e-4 * np.abs(expected).max(), err_msg=name)


@pytest.mark.tensorflow
def test_a_frozen_network_works_as_in_prediction_and_its_trained_layers_as_in_training() -> None:
    import keras

    from dlrun.models.parts.layer_selection import set_trainable

    model = Pretrained(
        backbone="mobilenet", alpha=0.25, weights="none", head_units=(6,), dropout=0.2, statistics_momentum=0.9
    )
    keras.utils.set_random_seed(0)
    core = model.build(IMAGE, CLASSES)
    again = model.build(IMAGE, CLASSES)
    assert [variable.path for variable in core.weights] == [variable.path for variable in again.weights]
    # By hand: a convolution of 8 filters, then 13 pairs of a depthwise and a pointwise one, each without biases and
    # followed by batch normalization with 4 numbers for each filter.
    widths = (8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    pairs = sum(9 * a + 4 * a + a * b + 4 * b for a, b in itertools.pairwise(widths))
    assert core.count_params() == (3 * 3 * 3 * 8 + 4 * 8) + pairs + (256 * 6 + 6) + (6 * 4 + 4)
    assert core.output.dtype == "float32"
    assert [variable.path for variable in core.trainable_variables] == [
        "dense_1/kernel", "dense_1/bias", "head/kernel", "head/bias",
    ]  # fmt: skip
    layers = model.backbone_layers(core)
    assert {layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)} == {0.9}
    assert model.backbone_layer_names() == tuple(layer.name for layer in layers)
    images = np.random.default_rng(0).random((4, 32, 32, 3), dtype="float32")
    vector = keras.Model(core.inputs, core.get_layer("backbone_vector").output)
    calm = vector(images, training=False).numpy()
    np.testing.assert_array_equal(vector(images, training=True), calm)
    set_trainable(layers, "top:6")  # the last pointwise convolution, its normalization and its activation, and before
    before = layers[-2].moving_mean.numpy()
    assert not np.array_equal(vector(images, training=True), calm)
    assert not np.array_equal(layers[-2].moving_mean, before)
    assert {variable.path.split("/")[0] for variable in core.trainable_variables} == {
        "conv_dw_13", "conv_dw_13_bn", "conv_pw_13", "conv_pw_13_bn", "dense_1", "head",
    }  # fmt: skip


@pytest.mark.tensorflow
@pytest.mark.soak
@pytest.mark.parametrize("name", backbone_names())
def test_the_first_convolution_of_every_backbone_gets_what_it_gets_in_keras(name: str) -> None:
    import keras

    from dlrun.models.pretrained.backbone import IMAGENET_DEVIATION, IMAGENET_MEAN, backbone_in

    entry = find_backbone(name)
    side = max(entry.smallest, 33)  # an odd side shows a wrong padding
    features = Features("image", (side, side, 3), pixel_range=IMAGE.pixel_range)
    core = Pretrained(backbone=name, weights="none").build(features, CLASSES)
    pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3)).astype("float32")
    backbone = backbone_in(core)
    given = core.operations[core.operations.index(backbone) - 1].output
    inner = keras.Model(core.inputs, given)
    made = _before_first_convolution(backbone)(inner(pixels / 255))
    module = importlib.import_module(getattr(keras.applications, entry.function).__module__)
    keras.utils.clear_session()
    original = getattr(keras.applications, entry.function)(include_top=False, weights=None, input_shape=(side, side, 3))
    prepared = np.asarray(module.preprocess_input(pixels.copy()))
    expected = np.asarray(_before_first_convolution(original)(prepared))
    if name.startswith("efficientnet_b"):  # its statistics come with the ImageNet weights
        expected = np.where(_is_padding(expected.shape), 0, (expected - IMAGENET_MEAN) / IMAGENET_DEVIATION)
    np.testing.assert_allclose(made, expected, atol=2e-4 * np.abs(expected).max())


def _before_first_convolution(network: Any) -> Any:
    import keras

    first = next(layer for layer in network.layers if type(layer).__name__ in ("Conv2D", "Sequential"))
    return keras.Model(network.inputs, first.input)


def _is_padding(shape: tuple[int, ...]) -> Any:
    """Return which values EfficientNet adds around an image of 33 pixels."""
    inside = np.zeros(shape, bool)
    inside[:, 1:-1, 1:-1] = True
    return ~inside
