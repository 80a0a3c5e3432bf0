"""Build a network of keras.applications: what it expects of pixels, and which of its layers learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlrun.keras_table.backbones import BackboneEntry, Preprocessing
from dlrun.signature import PixelRange
from dlrun.system.keras_internals import fresh_names

if TYPE_CHECKING:
    import keras

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE_MEAN = (123.68, 116.779, 103.939)
"""Statistics of ImageNet by channel, red first: of values from 0 to 1, and the mean of those from 0 to 255."""


def build_backbone(entry: BackboneEntry, shape: Sequence[int], arguments: Mapping[str, Any]) -> keras.Model:
    """Return the network without its classifier, with random weights.

    Args:
        entry: Its description.
        shape: Height and width of the images.
        arguments: Arguments of its function that differ from the defaults.
    """
    import keras

    function = getattr(keras.applications, entry.function)
    with fresh_names():
        backbone = function(include_top=False, weights=None, input_shape=(*shape[:2], 3), **arguments)
    if not any(map(_lacks_statistics, backbone.layers)):
        return backbone
    return keras.models.clone_model(backbone, clone_function=_with_statistics)


def _with_statistics(layer: keras.Layer) -> keras.Layer:
    """Return a copy of a layer; one that normalizes pixels gets the statistics of ImageNet as constants.

    Without ImageNet weights, EfficientNet would normalize by weights that Keras reads only when it loads a file.
    """
    import keras

    if not _lacks_statistics(layer):
        return type(layer).from_config(layer.get_config())
    variance = [deviation**2 for deviation in IMAGENET_DEVIATION]
    return keras.layers.Normalization(mean=list(IMAGENET_MEAN), variance=variance, name=layer.name)


def _lacks_statistics(layer: keras.Layer) -> bool:
    import keras

    return isinstance(layer, keras.layers.Normalization) and layer.input_mean is None


def prepare_pixels(tensor: Any, mode: Preprocessing, pixels: PixelRange) -> Any:
    """Convert the features of an image to what a network expects, as its `preprocess_input` does for pixels.

    A gray image is repeated in all three channels.

    Args:
        tensor: Features of images.
        mode: What the network expects.
        pixels: Features of a black and of a white pixel.

    Formula:
        p = 255 (x - black) / (white - black); then tf: p / 127.5 - 1, torch: (p / 255 - mean) / deviation, caffe:
        p - mean with blue first, inside: p

    Shape:
        tensor: `(batch, height, width, 1 or 3)`. Returns: `(batch, height, width, 3)`, float32.
    """
    import keras

    if tensor.shape[-1] == 1:
        tensor = keras.layers.Concatenate(dtype="float32", name="three_channels")([tensor] * 3)
    scale, offset = _scaling(mode, pixels)
    tensor = keras.layers.Rescaling(scale, offset, dtype="float32", name=f"preprocess_{mode}")(tensor)
    return keras.ops.flip(tensor, axis=-1) if mode == "caffe" else tensor


def _scaling(mode: Preprocessing, pixels: PixelRange) -> tuple[list[float], list[float]]:
    """Return factor and offset of each channel, red first."""
    black, white = (each * 3 if len(each) == 1 else each for each in (pixels.black, pixels.white))
    factors = {
        "tf": ((2.0,) * 3, (-1.0,) * 3),
        "caffe": ((255.0,) * 3, tuple(-mean for mean in _CAFFE_MEAN)),
        "torch": (
            tuple(1 / deviation for deviation in IMAGENET_DEVIATION),
            tuple(-mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)),
        ),
        "inside": ((255.0,) * 3, (0.0,) * 3),
    }[mode]
    scale = [factor / (high - low) for factor, low, high in zip(factors[0], black, white, strict=True)]
    offset = [shift - low * factor for shift, low, factor in zip(factors[1], black, scale, strict=True)]
    return scale, offset


def backbone_in(core: keras.Model) -> keras.Model:
    """Return the network of keras.applications inside a model of type `pretrained`."""
    import keras

    found: keras.Model = next(layer for layer in core.layers if isinstance(layer, keras.Model))
    return found


def set_statistics_momentum(backbone: keras.Model, momentum: float) -> None:
    """Set which part of its moving statistics each batch normalization keeps in a training step.

    The value of most networks suits the hundred thousands of steps on ImageNet. After a few hundred steps on other
    images, the statistics would still be those of ImageNet, which the weights no longer fit.
    """
    import keras

    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
