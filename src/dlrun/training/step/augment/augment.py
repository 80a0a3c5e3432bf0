"""Change training examples at random inside the training step, a whole batch at once.

Every random number is a hash of (seed, epoch, example). So an example is changed in the same way whenever a batch is
computed again, wherever its examples are stored, and on however many devices. `data/augmentation.py` defines the keys;
`images.py` and `audio.py` make the changes.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from dlrun.data.augmentation import RandomChanges
from dlrun.training.step.randomness import drawn_from, smaller_parts, uniform

MIXING = ("mix", "box x", "box y", "kind of mix")
"""What is drawn for mixtures of examples."""


class Augment(abc.ABC):
    """Changes a batch of examples; with mixup or cutmix, also its targets and weights.

    Args:
        keys: Which changes to make, and how strong they may be.
        shape: The shape of the features of one example, `(height, width, channels)`.
        seed: The seed of the run.
    """

    draws: ClassVar[tuple[str, ...]]
    """What is drawn for each example, with `MIXING` among it. A new name goes to the end, so that the numbers of the
    others stay the same."""

    def __init__(self, keys: RandomChanges, shape: tuple[int, ...], *, seed: int) -> None:
        self._seed = seed
        self._height, self._width, _ = shape
        self._mixes = keys.mixes
        self._parts = smaller_parts(keys.mixup) if keys.mixup else np.zeros(0, np.float32)
        self._areas = smaller_parts(keys.cutmix) if keys.cutmix else np.zeros(0, np.float32)

    @property
    def mixes(self) -> bool:
        """Whether each example is mixed with the previous one in the batch."""
        return self._mixes

    def changed_stored(self, stored: Any, numbers: Any, epoch: Any) -> Any:  # noqa: ARG002  for subclasses
        """Return stored examples, each changed independently before it is preprocessed.

        Args:
            stored: The stored examples of a batch.
            numbers: The positions of the examples in the split, which their random numbers depend on.
            epoch: The number of the current epoch, from 0.

        Shape:
            stored: `(batch, *raw_shape)`. numbers: `(batch,)` int32. epoch: scalar int32. Returns: as `stored`.
        """
        return stored

    @abc.abstractmethod
    def changed(self, features: Any, numbers: Any, epoch: Any) -> Any:
        """Return features, each changed independently.

        Args:
            features: The features of a batch.
            numbers: The positions of the examples in the split, which their random numbers depend on.
            epoch: The number of the current epoch, from 0.

        Shape:
            features: `(batch, height, width, channels)`. numbers: `(batch,)` int32. epoch: scalar int32. Returns: as
            `features`.
        """

    def changed_mask(self, masks: Any, numbers: Any, epoch: Any) -> Any:  # noqa: ARG002  for subclasses
        """Return the masks of images, moved as `changed` moves the images.

        Shape:
            masks: `(batch, height, width)` uint8. numbers: `(batch,)` int32. epoch: scalar int32. Returns: as `masks`.
        """
        return masks

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
        if len(self._areas):
            inside = tf.cast(self._inside(draws), tf.float32)
            cut = tf.reduce_sum(inside, axis=(1, 2, 3)) / (self._height * self._width)
            part = cut if part is None else tf.where(_is_cut(draws), cut, part)
        return _joined(values, tf.reshape(part, [-1, *[1] * (values.shape.rank - 1)]))

    def mixed_images(self, images: Any, numbers: Any, epoch: Any) -> Any:
        """Return each image but the first, mixed with the one before it; see `mixed`.

        Shape:
            images: `(1 + batch, height, width, channels)`. numbers: `(1 + batch,)` int32. Returns: `(batch, ...)`.
        """
        if not len(self._areas):
            return self.mixed(images, numbers, epoch)
        draws = self._draws(numbers[1:], epoch)
        part = self._blended(draws)
        cut = tf.where(self._inside(draws), images[:-1], images[1:])
        if part is None:
            return cut
        return tf.where(each_image(_is_cut(draws)), cut, _joined(images, each_image(part)))

    def mixed_masks(self, masks: Any, numbers: Any, epoch: Any) -> Any:
        """Return each encoded mask but the first, mixed with the one before it pixel by pixel, as the images are.

        Shape:
            masks: `(1 + batch, height, width)` of classes, without mixup, or `(1 + batch, height, width, classes)`.
            numbers: `(1 + batch,)` int32. Returns: `(batch, ...)`.
        """
        if masks.shape.rank > 3:
            return self.mixed_images(masks, numbers, epoch)
        return self.mixed_images(masks[..., None], numbers, epoch)[..., 0]

    def _blended(self, draws: dict[str, Any]) -> Any:
        """Return the part of the previous example in a mixture of all pixels; None without mixup."""
        return drawn_from(self._parts, draws["mix"]) if len(self._parts) else None

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
            within.append((place >= each_image(first)) & (place < each_image(first + side)))
        return within[0] & within[1]

    def _draws(self, numbers: Any, epoch: Any) -> dict[str, Any]:
        drawn = uniform(numbers, seed=self._seed, epoch=epoch, draws=len(self.draws))
        return dict(zip(self.draws, tf.unstack(drawn, axis=1), strict=True))


def each_image(draws: Any) -> Any:
    """Return a number for each example in a form that broadcasts over images.

    Shape:
        draws: `(batch,)`. Returns: `(batch, 1, 1, 1)`.
    """
    return draws[:, None, None, None]


def either_way(draws: Any) -> Any:
    """Map numbers from [0, 1] to [-1, 1]."""
    return 2 * draws - 1


def _joined(values: Any, part: Any) -> Any:
    """Mix each value with a part of the one before it."""
    return (1 - part) * values[1:] + part * values[:-1]


def _is_cut(draws: dict[str, Any]) -> Any:
    """Return whether an example that could be mixed in both ways is mixed by cutmix."""
    return draws["kind of mix"] < 0.5
