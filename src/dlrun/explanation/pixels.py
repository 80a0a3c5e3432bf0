"""Measure the importance of pixels: with Grad-CAM for convolutional networks, otherwise with SmoothGrad.

Reference:
    Selvaraju et al., 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization".
    Smilkov et al., 2017, "SmoothGrad: removing noise by adding noise".
    Vinogradova et al., 2020, "Towards Interpretable Semantic Segmentation via Gradient-weighted Class Activation
    Mapping".
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.errors import UsageError
from dlrun.signature import Target

if TYPE_CHECKING:
    import keras


Array = npt.NDArray[Any]
Method = Literal["auto", "grad_cam", "smooth_grad"]

_IMAGE_RANK = 4
_SAMPLES = 25
_NOISE = 0.15

_LEAST_PIXELS = 256
_MOST_OPAQUE = 0.65


def heat(core: keras.Model, features: Array, output: int, target: Target, *, method: Method) -> tuple[Array, str]:
    """Return how much each pixel of an image supports an output.

    Args:
        core: The trained network.
        features: Features of the image.
        output: Index of the class, label or value.
        target: Target with the encoding of the output of the network.
        method: Method; `auto` for Grad-CAM if a layer outputs an image, otherwise SmoothGrad. For masks, `auto` is
            SmoothGrad: few of the features of small objects pass through the layer that Grad-CAM looks at.

    Formula:
        grad_cam: relu(sum over channels c of a_c A_c), A the output of the last convolution and a_c the mean of
        d score / d A_c over its positions. smooth_grad: the mean of |d score / d features| over copies with noise of
        0.15 of the range of the features. For masks, score is the sum over the pixels that are predicted as the class,
        and A the output of the last of the layers with the fewest pixels.

    Shape:
        features: `(height, width, channels)`. Result: `(height, width)` from 0 to 1, and the method.

    Raises:
        UsageError: No layer outputs an image, which Grad-CAM needs.
    """
    score = partial(_score, output=output, target=target)
    if target.kind == "mask":
        score = partial(_sum_over, output=output, pixels=_pixels_of(core, features, output))
    images = _images(core)
    layer = images[-1] if images else None
    if target.kind == "mask" and images:
        # The last layer of a model of masks is the mask itself: what it looks at is where it has shrunk the image.
        layer = min(reversed(images), key=_pixels)
    if method == "grad_cam" and layer is None:
        raise UsageError(
            "Grad-CAM needs a layer that outputs an image, and this model has none", expected="--method smooth_grad"
        )
    if layer is not None and (method == "grad_cam" or (method == "auto" and target.kind != "mask")):
        found, name = _grad_cam(core, layer, features, score), "grad_cam"
    else:
        found, name = _smooth_grad(core, features, score), "smooth_grad"
    span = float(found.max() - found.min())
    return (found - found.min()) / (span or 1.0), name


def _grad_cam(core: keras.Model, layer: Any, features: Array, score_of: Callable[[Any], Any]) -> Array:
    import keras
    import tensorflow as tf

    # One forward pass returns the feature maps and the output that depends on them, so that the tape connects both.
    both = keras.Model(core.inputs, [layer.output, core.output])
    with tf.GradientTape() as tape:
        places, outputs = both(tf.constant(features[None]), training=False)
        score = score_of(outputs)
    slopes = tf.reduce_mean(tape.gradient(score, places), axis=(1, 2), keepdims=True)
    map_ = tf.nn.relu(tf.reduce_sum(slopes * places, axis=-1, keepdims=True))
    return np.asarray(tf.image.resize(map_, features.shape[:2])[0, :, :, 0].numpy(), np.float32)


def _smooth_grad(core: keras.Model, features: Array, score_of: Callable[[Any], Any]) -> Array:
    import tensorflow as tf

    # A fixed seed, so that the same image has the same explanation.
    noise = np.random.default_rng(0).normal(0, _NOISE * (np.ptp(features) or 1.0), (_SAMPLES, *features.shape))
    copies = tf.constant(features[None] + noise.astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(copies)
        score = score_of(core(copies, training=False))
    slopes = np.abs(tape.gradient(score, copies).numpy())
    # The mean of absolute slopes: slopes of opposite sign would cancel each other.
    return np.asarray(slopes.mean(axis=(0, -1)), np.float32)


def _images(core: keras.Model) -> list[Any]:
    """Return the layers, except the input, that output an image of more than one pixel."""
    layers = [layer for layer in core.layers if layer.__class__.__name__ != "InputLayer"]
    images = []
    for layer in layers:
        shape: tuple[int | None, ...] = tuple(getattr(getattr(layer, "output", None), "shape", ()))
        if len(shape) == _IMAGE_RANK and _pixels(layer) > 1:
            images.append(layer)
    return images


def _pixels(layer: Any) -> int:
    # An axis of any length is None here, which counts as more than one pixel.
    return (layer.output.shape[1] or 2) * (layer.output.shape[2] or 2)


def _score(outputs: Any, output: int, target: Target) -> Any:
    """Return the output for a class, label or value; negated for the first of two classes that share an output."""
    if target.kind == "classes" and target.units == 1:
        return outputs[:, 0] if output == 1 else -outputs[:, 0]
    return outputs[:, target.main_level * target.size + output]


def _sum_over(outputs: Any, output: int, pixels: Array) -> Any:
    """Return the sum of the output for a class of masks over some pixels."""
    import tensorflow as tf

    return tf.reduce_sum(outputs[..., output] * pixels)


def _pixels_of(core: keras.Model, features: Array, output: int) -> Array:
    """Return 1 for each pixel that is predicted as a class, and 0 for the others; 1 for all if none is.

    Shape:
        features: `(height, width, channels)`. Returns: `(height, width)` float32.
    """
    import tensorflow as tf

    are_own = core(tf.constant(features[None]), training=False).numpy()[0].argmax(axis=-1) == output
    return np.asarray(are_own if are_own.any() else np.ones_like(are_own), np.float32)


def overlay(picture: Array, heat: Array) -> bytes:
    """Return the image next to a gray copy with the heat map in color on top, as PNG.

    Shape:
        picture: `(height, width, channels)`, uint8. heat: `(height, width)`, from 0 to 1.
    """
    from matplotlib import colormaps
    from matplotlib.image import imsave

    # Enlarge by whole pixels: interpolation would blur a small image and its heat map.
    times = max(1, -(-_LEAST_PIXELS // max(picture.shape[:2])))
    plain = _enlarge(picture if picture.shape[2] >= 3 else np.repeat(picture[:, :, :1], 3, axis=2), times)[:, :, :3]
    warm = _enlarge(heat, times)
    grey = np.repeat(plain.mean(axis=2, keepdims=True), 3, axis=2)
    colours = 255 * colormaps["inferno"](warm)[:, :, :3]
    opacity = _MOST_OPAQUE * warm[:, :, None]
    above = (1 - opacity) * grey + opacity * colours
    edge = np.full((plain.shape[0], 8, 3), 255.0)
    both = np.concatenate([plain, edge, above], axis=1).round().astype(np.uint8)
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(both), format="png")
    return buffer.getvalue()


def _enlarge(pixels: Array, times: int) -> Array:
    return np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)
