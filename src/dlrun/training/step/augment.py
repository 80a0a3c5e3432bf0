"""Augment images at random inside the training step, a whole batch at once.

Every random number is a hash of (seed, epoch, example). So an example is augmented in the same way whenever a batch is
computed again, wherever its examples are stored, and on however many devices. `data/augmentation.py` defines the keys.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from dlrun.data import Dataset
from dlrun.data.augmentation import Augmentation
from dlrun.training.step.randomness import drawn_from, smaller_parts, uniform

_DRAWS = (
    "flip x", "flip y", "angle", "shift x", "shift y", "zoom", "contrast", "brightness", "cut x", "cut y", "mix",
    "box x", "box y", "kind of mix",
)  # fmt: skip
"""What is drawn for each example. A new name goes to the end, so that the numbers of the others stay the same."""


class Augment:
    """Augments a batch of images; with mixup or cutmix, also its targets and weights.

    Args:
        keys: Which changes to make, and how strong they may be.
        shape: The shape of one image, `(height, width, channels)`.
        low: The smallest value of each channel, `(channels,)`.
        high: The largest value of each channel, `(channels,)`.
        seed: The seed of the run.
    """

    def __init__(self, keys: Augmentation, shape: tuple[int, ...], *, low: Any, high: Any, seed: int) -> None:
        self._keys = keys
        self._height, self._width, _ = shape
        self._low, self._high = (np.asarray(end, np.float32) for end in (low, high))
        self._seed = seed
        self._parts = smaller_parts(keys.mixup) if keys.mixup else np.zeros(0, np.float32)
        self._areas = smaller_parts(keys.cutmix) if keys.cutmix else np.zeros(0, np.float32)

    @property
    def mixes(self) -> bool:
        """Whether each example is mixed with the previous one in the batch."""
        return self._keys.mixes

    def changed(self, images: Any, numbers: Any, epoch: Any) -> Any:
        """Return the images, each changed independently.

        Args:
            images: The images of a batch.
            numbers: The positions of the examples in the split, which their random numbers depend on.
            epoch: The number of the current epoch, from 0.

        Shape:
            images: `(batch, height, width, channels)`. numbers: `(batch,)` int32. epoch: scalar int32. Returns: as
            `images`.
        """
        draws = self._draws(numbers, epoch)
        images = self._move(self._flip(images, draws), draws)
        images = self._recolour(images, draws)
        return self._cut(images, draws)

    def mixed(self, values: Any, numbers: Any, epoch: Any) -> Any:
        """Return each target or weight but the first, mixed with the one before it.

        Args:
            values: Targets or weights of a batch and of the example before it.
            numbers: The positions of the examples in the split.
            epoch: The number of the current epoch, from 0.

        Formula:
            (1 - t) y_i + t y_(i-1). With mixup, t = min(s, 1 - s) with s drawn from Beta(alpha, alpha), so that example
            i has the larger part. With cutmix, t is the part of the image that is replaced.

        Shape:
            values: `(1 + batch, ...)` float. numbers: `(1 + batch,)` int32. Returns: `(batch, ...)`.

        Reference:
            Zhang et al., 2018, "mixup: Beyond Empirical Risk Minimization"; Yun et al., 2019, "CutMix: Regularization
            Strategy to Train Strong Classifiers with Localizable Features".
        """
        draws = self._draws(numbers[1:], epoch)
        part = self._blended(draws)
        if self._keys.cutmix:
            inside = tf.cast(self._inside(draws), tf.float32)
            cut = tf.reduce_sum(inside, axis=(1, 2, 3)) / (self._height * self._width)
            part = cut if part is None else tf.where(_is_cut(draws), cut, part)
        return _joined(values, tf.reshape(part, [-1, *[1] * (values.shape.rank - 1)]))

    def mixed_images(self, images: Any, numbers: Any, epoch: Any) -> Any:
        """Return each image but the first, mixed with the one before it; see `mixed`.

        Shape:
            images: `(1 + batch, height, width, channels)`. numbers: `(1 + batch,)` int32. Returns: `(batch, ...)`.
        """
        if not self._keys.cutmix:
            return self.mixed(images, numbers, epoch)
        draws = self._draws(numbers[1:], epoch)
        part = self._blended(draws)
        cut = tf.where(self._inside(draws), images[:-1], images[1:])
        if part is None:
            return cut
        return tf.where(_each(_is_cut(draws)), cut, _joined(images, _each(part)))

    def _blended(self, draws: dict[str, Any]) -> Any:
        """Return the part of the previous example in a mixture of all pixels; None without mixup."""
        return drawn_from(self._parts, draws["mix"]) if self._keys.mixup else None

    def _inside(self, draws: dict[str, Any]) -> Any:
        """Return whether each pixel is in the rectangle that cutmix replaces.

        Its sides have the proportions of the image, its centre may be anywhere, and what is outside of the image does
        not count.

        Shape:
            Returns: `(batch, height, width, 1)` bool.
        """
        scale = tf.sqrt(drawn_from(self._areas, draws["mix"]))
        within = []
        for draw, length, shape in (("box y", self._height, (1, -1, 1, 1)), ("box x", self._width, (1, 1, -1, 1))):
            side = tf.round(scale * length)
            first = tf.floor(draws[draw] * length) - tf.floor(side / 2)
            place = tf.reshape(tf.range(length, dtype=tf.float32), shape)
            within.append((place >= _each(first)) & (place < _each(first + side)))
        return within[0] & within[1]

    def _draws(self, numbers: Any, epoch: Any) -> dict[str, Any]:
        drawn = uniform(numbers, seed=self._seed, epoch=epoch, draws=len(_DRAWS))
        return dict(zip(_DRAWS, tf.unstack(drawn, axis=1), strict=True))

    def _flip(self, images: Any, draws: dict[str, Any]) -> Any:
        for key, axis, draw in (("horizontal", 2, "flip x"), ("vertical", 1, "flip y")):
            if self._keys.flip in (key, "both"):
                images = tf.where(_each(draws[draw]) < 0.5, tf.reverse(images, (axis,)), images)
        return images

    def _move(self, images: Any, draws: dict[str, Any]) -> Any:
        """Rotate, zoom and shift, in one bilinear interpolation; the image is mirrored at its edges.

        Formula:
            in = c + R(-a) (out - c - t) / z, with the centre c, the angle a, the zoom z and the shift t
        """
        keys = self._keys
        if not keys.moves:
            return images
        angle = math.radians(keys.rotation) * _either_way(draws["angle"])
        size = 1 + keys.zoom * _either_way(draws["zoom"])
        cosine, sine = tf.cos(angle) / size, tf.sin(angle) / size
        x, y = (self._width - 1) / 2, (self._height - 1) / 2
        to_x = x + keys.translation * self._width * _either_way(draws["shift x"])
        to_y = y + keys.translation * self._height * _either_way(draws["shift y"])
        zero = tf.zeros_like(angle)
        rows = (cosine, -sine, x - cosine * to_x + sine * to_y, sine, cosine, y - sine * to_x - cosine * to_y)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=tf.stack([*rows, zero, zero], axis=1),
            output_shape=(self._height, self._width),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="REFLECT",
        )

    def _recolour(self, images: Any, draws: dict[str, Any]) -> Any:
        """Scale each channel around its mean, shift all channels equally, and clip to the range of values."""
        keys = self._keys
        if keys.contrast:
            mean = tf.reduce_mean(images, axis=(1, 2), keepdims=True)
            images = mean + (images - mean) * (1 + keys.contrast * _either_way(_each(draws["contrast"])))
        if keys.brightness:
            images += keys.brightness * _either_way(_each(draws["brightness"])) * (self._high - self._low)
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
            first = tf.floor(_each(draws[draw]) * length) - side // 2
            place = tf.reshape(tf.range(length, dtype=tf.float32), shape)
            within = (place >= first) & (place < first + side)
            inside = within if inside is None else inside & within
        return tf.where(inside, (self._low + self._high) / 2, images)


def augments(dataset: Dataset) -> bool:
    """Return whether the images of a dataset change in each epoch."""
    return dataset.augmentation is not None and dataset.augmentation.changes


def augment_of(dataset: Dataset, *, seed: int) -> Augment | None:
    """Return the augmentation of a dataset's images in training; None if there is none.

    Args:
        dataset: The dataset, with the augmentation keys of the spec.
        seed: The seed of the run.
    """
    keys = dataset.augmentation
    if keys is None or not keys.changes:
        return None
    known = dataset.preprocess.value_range(dataset.splits["train"].features)
    if known is None:
        return None
    return Augment(keys, dataset.features.shape, low=known[0], high=known[1], seed=seed)


def _joined(values: Any, part: Any) -> Any:
    """Mix each value with a part of the one before it."""
    return (1 - part) * values[1:] + part * values[:-1]


def _is_cut(draws: dict[str, Any]) -> Any:
    """Return whether an example that could be mixed in both ways is mixed by cutmix."""
    return draws["kind of mix"] < 0.5


def _each(draws: Any) -> Any:
    return draws[:, None, None, None]


def _either_way(draws: Any) -> Any:
    """Map numbers from [0, 1] to [-1, 1]."""
    return 2 * draws - 1
