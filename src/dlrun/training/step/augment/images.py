"""Change training images at random: mirror, move, recolour and erase them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from dlrun.data.augmentation import Augmentation
from dlrun.training.step.augment.augment import MIXING, Augment, each_image, either_way


class ImageAugment(Augment):
    """Changes a batch of images.

    Args:
        keys: Which changes to make, and how strong they may be.
        shape: The shape of one image, `(height, width, channels)`.
        low: The smallest value of each channel, `(channels,)`.
        high: The largest value of each channel, `(channels,)`.
        seed: The seed of the run.
    """

    draws = (
        "flip x", "flip y", "angle", "shift x", "shift y", "zoom", "contrast", "brightness", "cut x", "cut y", *MIXING,
    )  # fmt: skip

    def __init__(self, keys: Augmentation, shape: tuple[int, ...], *, low: Any, high: Any, seed: int) -> None:
        super().__init__(keys, shape, seed=seed)
        self._keys = keys
        self._low, self._high = (np.asarray(end, np.float32) for end in (low, high))

    def changed(self, features: Any, numbers: Any, epoch: Any) -> Any:
        """Return the images, each changed independently."""
        draws = self._draws(numbers, epoch)
        images = self._move(self._flip(features, draws), draws)
        images = self._recolour(images, draws)
        return self._cut(images, draws)

    def changed_mask(self, masks: Any, numbers: Any, epoch: Any) -> Any:
        """Return the masks, mirrored and moved as their images, each pixel with the class of the nearest one."""
        draws = self._draws(numbers, epoch)
        moved = self._flip(masks[..., None], draws)
        if self._keys.moves:  # as floats, because not every device moves bytes
            moved = self._move(tf.cast(moved, tf.float32), draws, interpolation="NEAREST")
        return tf.cast(moved[..., 0], masks.dtype)

    def _flip(self, images: Any, draws: dict[str, Any]) -> Any:
        for key, axis, draw in (("horizontal", 2, "flip x"), ("vertical", 1, "flip y")):
            if self._keys.flip in (key, "both"):
                images = tf.where(each_image(draws[draw]) < 0.5, tf.reverse(images, (axis,)), images)
        return images

    def _move(self, images: Any, draws: dict[str, Any], *, interpolation: str = "BILINEAR") -> Any:
        """Rotate, zoom and shift, in one interpolation; the image is mirrored at its edges.

        Formula:
            in = c + R(-a) (out - c - t) / z, with the centre c, the angle a, the zoom z and the shift t
        """
        keys = self._keys
        if not keys.moves:
            return images
        angle = math.radians(keys.rotation) * either_way(draws["angle"])
        size = 1 + keys.zoom * either_way(draws["zoom"])
        cosine, sine = tf.cos(angle) / size, tf.sin(angle) / size
        x, y = (self._width - 1) / 2, (self._height - 1) / 2
        to_x = x + keys.translation * self._width * either_way(draws["shift x"])
        to_y = y + keys.translation * self._height * either_way(draws["shift y"])
        zero = tf.zeros_like(angle)
        rows = (cosine, -sine, x - cosine * to_x + sine * to_y, sine, cosine, y - sine * to_x - cosine * to_y)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=tf.stack([*rows, zero, zero], axis=1),
            output_shape=(self._height, self._width),
            fill_value=0.0,
            interpolation=interpolation,
            fill_mode="REFLECT",
        )

    def _recolour(self, images: Any, draws: dict[str, Any]) -> Any:
        """Scale each channel around its mean, shift all channels equally, and clip to the range of values."""
        keys = self._keys
        if keys.contrast:
            mean = tf.reduce_mean(images, axis=(1, 2), keepdims=True)
            images = mean + (images - mean) * (1 + keys.contrast * either_way(each_image(draws["contrast"])))
        if keys.brightness:
            images += keys.brightness * either_way(each_image(draws["brightness"])) * (self._high - self._low)
        return tf.clip_by_value(images, self._low, self._high) if keys.contrast or keys.brightness else images

    def _cut(self, images: Any, draws: dict[str, Any]) -> Any:
        """Fill a square with the middle of the range; the centre of the square may be anywhere in the image.

        Reference:
            DeVries and Taylor, 2017, "Improved Regularization of Convolutional Neural Networks with Cutout".
        """
        if not self._keys.cutout:
            return images
        side = max(1, round(self._keys.cutout * min(self._height, self._width)))
        inside = None
        for draw, length, shape in (("cut y", self._height, (1, -1, 1, 1)), ("cut x", self._width, (1, 1, -1, 1))):
            first = tf.floor(each_image(draws[draw]) * length) - side // 2
            place = tf.reshape(tf.range(length, dtype=tf.float32), shape)
            within = (place >= first) & (place < first + side)
            inside = within if inside is None else inside & within
        return tf.where(inside, (self._low + self._high) / 2, images)
