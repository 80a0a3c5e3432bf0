"""Which pixels decide."""

from typing import Any

import numpy as np
import pytest

from dlrun.explanation.outputs import chosen_output
from dlrun.explanation.pixels import overlay
from dlrun.signature import Target


def test_a_picture_shows_the_image_and_the_heat_map_side_by_side() -> None:
    png = overlay(np.full((4, 8, 1), 100, np.uint8), np.eye(4, 8, dtype=np.float32))
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == 2 * 256 + 8


@pytest.mark.tensorflow
@pytest.mark.parametrize("method", ["grad_cam", "smooth_grad"])
def test_the_decisive_pixel_is_the_warmest(method: Any) -> None:
    import keras

    from dlrun.explanation.pixels import heat

    inputs = keras.Input((6, 6, 1))
    places = keras.layers.Conv2D(1, 1, kernel_initializer="ones")(inputs)
    head = keras.layers.Dense(2, kernel_initializer="zeros")
    core = keras.Model(inputs, head(keras.layers.Flatten()(places)))
    weights = np.zeros((36, 2), np.float32)
    weights[[8, 20], [0, 1]] = 1  # (1, 2) speaks for the first class, (3, 2) for the second
    head.set_weights([weights, np.zeros(2, np.float32)])
    image = np.zeros((6, 6, 1), np.float32)
    image[1, 2] = image[3, 2] = 1
    for output, place in ((0, (1, 2)), (1, (3, 2))):
        found, name = heat(core, image, output, Target("classes", 2), method=method)
        assert name == method
        assert found.max() == 1
        if method == "smooth_grad":
            assert found[place] == 1
            assert (found == 1).sum() == 1
        else:  # its weights are means over places, so both are as warm
            assert found[place] == 1


@pytest.mark.tensorflow
@pytest.mark.parametrize("method", ["grad_cam", "smooth_grad"])
def test_of_a_mask_the_pixels_of_the_class_count_and_no_others(method: Any) -> None:
    import keras

    from dlrun.explanation.pixels import heat

    inputs = keras.Input((8, 8, 2))
    same = keras.layers.Conv2D(2, 1)
    small = keras.layers.AveragePooling2D(2)(same(inputs))
    core = keras.Model(inputs, keras.layers.UpSampling2D(2)(small))
    same.set_weights([np.eye(2).reshape(1, 1, 2, 2), np.zeros(2)])  # the first channel is the first class
    image = np.zeros((8, 8, 2), np.float32)
    image[..., 0] = 0.1
    image[4:6, 2:4, 1] = 1
    found, name = heat(core, image, 1, Target("mask", 2), method=method)
    assert (name, found.shape) == (method, (8, 8))
    assert found.max() == 1
    row, column = np.unravel_index(int(found.argmax()), found.shape)
    assert 4 <= row < 6
    assert 2 <= column < 4
    assert found[:2].max() < 0.5
    assert heat(core, image, 1, Target("mask", 2), method="auto")[1] == "smooth_grad"


def test_the_most_frequent_class_of_a_mask_but_the_first_is_explained() -> None:
    target = Target("mask", 3, ("ground", "a", "b"))
    outputs = np.zeros((4, 5, 3), np.float32)
    outputs[..., 0] = 0.5
    assert chosen_output(outputs, None, target) == (0, "ground", 1.0)
    outputs[0, :, 2] = 1
    assert chosen_output(outputs, None, target) == (2, "b", 0.25)
    assert chosen_output(outputs, 1, target) == (1, "a", 0.0)
