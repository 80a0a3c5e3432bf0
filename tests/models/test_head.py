import pytest

from dlrun.models.head import pixel_head
from dlrun.models.linear import Linear
from dlrun.signature import Features, Target

IMAGE = Features("image", (4, 4, 1))


CLASSES = Target("classes", 3)


@pytest.mark.tensorflow
def test_head_applies_the_targets_activation() -> None:
    import numpy as np

    model = Linear().build(IMAGE, CLASSES.with_encoding("one_hot", "softmax"))
    np.testing.assert_allclose(np.sum(model(np.ones((2, 4, 4, 1))), axis=1), 1, rtol=1e-5)


@pytest.mark.tensorflow
def test_the_head_of_masks_applies_the_targets_activation_to_each_pixel() -> None:
    import keras
    import numpy as np

    inputs = keras.Input((4, 5, 2))
    target = Target("mask", 3).with_encoding("one_hot", "softmax")
    model = keras.Model(inputs, pixel_head(inputs, target, use_bias=False))
    kernel = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 0.0]], "float32")
    model.set_weights([kernel.reshape(1, 1, 2, 3)])
    image = np.random.default_rng(0).normal(size=(2, 4, 5, 2)).astype("float32")
    powers = np.exp(image @ kernel)
    np.testing.assert_allclose(model(image), powers / powers.sum(axis=-1, keepdims=True), rtol=1e-5)
