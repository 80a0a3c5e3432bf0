"""A split on the device, its batches by index: gathered, preprocessed and encoded inside the graph."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.data import Split
from dlrun.signature import Target
from dlrun.spec.types import Training


class Feed:
    """The examples of one split, kept on the device in their stored dtype.

    Args:
        split: The arrays.
        target: What the model has to predict, settled by its loss.
        preprocess: From a stored example to features.
        class_weight: `(classes,)` float32, or None.
    """

    def __init__(
        self,
        split: Split,
        *,
        target: Target,
        preprocess: keras.Model,
        class_weight: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.examples = len(split)
        self._target_spec = target
        self._preprocess = preprocess
        self._features = tf.constant(split.features)
        self._target = None if split.target is None else tf.constant(_stored(split.target, target))
        weight = _weights(split, target, class_weight)
        self._weight = None if weight is None else tf.constant(weight)

    def batch(self, indices: Any) -> tuple[Any, ...]:
        """The examples at `indices`, as `model.train_step` takes them.

        Shape:
            indices: `(batch,)` int32. Returns: features `(batch, *features.shape)`, the encoded target, and
            `(batch,)` weights if there are any.
        """
        features = self._preprocess(tf.gather(self._features, indices))
        if self._target_spec.kind == "input":
            target = features
        else:
            target = encode(tf.gather(self._target, indices), self._target_spec)
        if self._weight is None:
            return features, target
        return features, target, tf.gather(self._weight, indices)


def encode(target: Any, spec: Target) -> Any:
    """Stored targets in the form that the loss takes; see `Target.encoding`."""
    if spec.encoding == "one_hot":
        return tf.one_hot(tf.cast(target, tf.int32), spec.size)
    if spec.encoding == "index":
        return tf.cast(target, tf.int32)
    target = tf.cast(target, tf.float32)
    return target if target.shape.rank > 1 else target[:, None]


def epoch_order(examples: int, *, seed: int, epoch: int, shuffle: bool) -> npt.NDArray[np.int32]:
    """The order in which an epoch takes the examples: a permutation that depends on nothing but its arguments.

    Shape:
        `(examples,)`, int32.
    """
    if not shuffle:
        return np.arange(examples, dtype=np.int32)
    # Philox is counter-based: every (seed, epoch) is a stream of its own, and none needs those before it.
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)))
    return generator.permutation(examples).astype(np.int32)


def class_weights(split: Split, target: Target, training: Training) -> npt.NDArray[np.float32] | None:
    """The weight of each class that `training.class_weight` asks for.

    Formula:
        balanced: examples / (classes * examples of the class); King and Zeng, 2001, "Logistic Regression in Rare Events
        Data". A class without examples weighs 1.

    Shape:
        `(classes,)`, float32.
    """
    wanted = training.class_weight
    if wanted is None or split.target is None:
        return None
    if wanted == "balanced":
        counts = np.bincount(split.target.astype(np.int64), minlength=target.size)
        balanced = len(split) / (target.size * np.maximum(counts, 1))
        return np.where(counts > 0, balanced, 1.0).astype(np.float32)
    names = {name: index for index, name in enumerate(target.class_names)}
    weights = np.ones(target.size, dtype=np.float32)
    for name, weight in wanted.items():
        weights[names[name] if name in names else int(name)] = weight
    return weights


def _stored(target: npt.NDArray[Any], spec: Target) -> npt.NDArray[Any]:
    return target.astype(np.int32 if spec.kind == "classes" else np.float32, copy=False)


def _weights(
    split: Split, target: Target, class_weight: npt.NDArray[np.float32] | None
) -> npt.NDArray[np.float32] | None:
    by_class = None
    if class_weight is not None and split.target is not None and target.kind == "classes":
        by_class = class_weight[split.target.astype(np.int64)]
    given = None if split.sample_weight is None else split.sample_weight.astype(np.float32)
    if by_class is None or given is None:
        return by_class if given is None else given
    return by_class * given
