"""Provide the batches of a split: gathered by index, preprocessed and encoded inside the graph.

If all examples fit into the device's memory, they stay there. If they do not, a thread gathers the examples of the next
steps while the current steps run. Both ways give the same batches, and so the same result to the bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from dlrun.data import Split
from dlrun.data.mapped import drop_pages, gather
from dlrun.signature import Target
from dlrun.spec.checks.class_weights import weights_by_index
from dlrun.spec.types import Training
from dlrun.training.step.augment.augment import Augment
from dlrun.training.step.gpu_rows import restore_rows, store_rows, stored_spec
from dlrun.training.step.weights import loss_weights, weighing
from dlrun.value_transform import transform_tensor

Rows = tuple[Any, ...]
"""Tensors with one row per example: stored features, then stored targets and weights if there are any."""

Order = npt.NDArray[np.int32]
CHUNK_BYTES = 64 * 2**20
"""The size of what is gathered at a time, if the examples do not stay on the device."""


@dataclass(frozen=True)
class StepRange:
    """A range of consecutive steps of an epoch, whose examples are on the device.

    Args:
        rows: The examples of these steps, perhaps among others; one copy per device.
        order: The rows of the batches, `(examples,)` int32, starting `offset` batches before `first_step`.
        offset: The number of batches in `order` before that of `first_step`.
        first_step: The first step, counted from 0 in the epoch.
        last_step: The step after the last one.
        epoch: The number of the epoch, from 0; it determines the random augmentation.
    """

    rows: tuple[Rows, ...]
    order: Any
    offset: int
    first_step: int
    last_step: int
    epoch: int = 0


class Feed:
    """The examples of one split in their stored dtype, on the device or gathered ahead of the steps.

    Args:
        split: The arrays.
        target: What the model predicts, with the encoding that the loss needs.
        preprocess: The function that turns stored examples into features, such as a Keras model.
        class_weight: The weight of each class, `(classes,)` float32, or None.
        devices: TensorFlow's names of the devices that the steps run on.
        resident: Whether all examples stay on the device.
        augment: The random augmentation of each batch in training, or None.
        holds_features: Whether the examples are what a frozen network has computed, which only the head gets.
    """

    def __init__(  # noqa: PLR0913  each argument is one part of how a batch is made
        self,
        split: Split,
        *,
        target: Target,
        preprocess: Callable[[Any], Any],
        class_weight: npt.NDArray[np.float32] | None = None,
        devices: tuple[str, ...] = ("/CPU:0",),
        resident: bool = True,
        augment: Augment | None = None,
        holds_features: bool = False,
    ) -> None:
        self.examples = len(split)
        self._target_spec = target
        self._preprocess = preprocess
        self._augment = augment
        self.holds_features = holds_features
        self.devices = devices
        arrays: list[npt.NDArray[Any]] = [split.features]
        if split.target is not None:
            arrays.append(_stored(split.target, target))
        weight = loss_weights(split, target, class_weight)
        self._has_target, self._has_weight = split.target is not None, weight is not None
        self._weighs_metrics = split.weight is not None
        # In this order, to which `_made` refers: the weights of the loss, then those of metrics.
        arrays += [np.asarray(each, np.float32) for each in (weight, split.weight) if each is not None]
        if augment is not None:  # the examples' positions in the split, which augmentation hashes
            arrays.append(np.arange(self.examples, dtype=np.int32))
        self._arrays = tuple(arrays)
        self._rows = self._on_device(self._arrays) if resident else None

    @property
    def is_on_gpu(self) -> bool:
        """Whether the steps run on a GPU."""
        return "GPU" in self.devices[0]

    @property
    def specs(self) -> tuple[Rows, ...]:
        """The shapes and dtypes of the rows, so that one traced graph serves all of them."""
        if self.is_on_gpu:
            specs = tuple(stored_spec(array) for array in self._arrays)
        else:
            specs = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in self._arrays)
        return (specs,) * len(self.devices)

    def batch(
        self, rows: Rows, indices: Any, *, epoch: Any = 0, weight: Any = None, before: Any = None
    ) -> tuple[Any, ...]:
        """Return the examples at `indices`, in the form that `model.train_step` takes.

        Args:
            rows: The examples on one device.
            indices: The rows of the batch.
            epoch: The number of the epoch, from 0.
            weight: A factor for the weight of each example; None for 1.
            before: The example before the first one in the batch of all devices, as a ring; None for the last one here.

        Shape:
            indices: `(batch,)` int32, into `rows`. before: `(1,)`. Returns: features `(batch, *features.shape)`, the
            encoded target, and the weights `(batch,)` if there are any; `(batch, 1, ...)` if the target has more than
            two axes.
        """
        return self._made(rows, indices, epoch=epoch, weight=weight, before=before)[0]

    def run(
        self,
        step: Callable[[tuple[Any, ...]], Any],
        rows: Rows,
        indices: Any,
        *,
        epoch: Any = 0,
        weight: Any = None,
        before: Any = None,
    ) -> Any:
        """Run a step on the batch of the examples at `indices`, with the weights that its metrics need.

        Args:
            step: `model.train_step` or `model.test_step`.
            rows: As for `batch`, like all that follow.
            indices: The rows of the batch.
            epoch: The number of the epoch.
            weight: A factor for the weight of each example in the loss.
            before: The example before the first one.

        Returns:
            What the step returns.
        """
        made, of_metrics = self._made(rows, indices, epoch=epoch, weight=weight, before=before)
        with weighing(of_metrics):
            return step(made)

    def _made(
        self, rows: Rows, indices: Any, *, epoch: Any, weight: Any, before: Any
    ) -> tuple[tuple[Any, ...], Any | None]:
        """Return a batch, and the weights of its examples in metrics, `(batch,)`, or None."""
        augment = self._augment
        mixes = augment is not None and augment.mixes
        taken = tf.concat([indices[-1:] if before is None else before, indices], axis=0) if mixes else indices
        stored = self._gathered(rows, 0, taken)
        if augment is not None:
            stored = augment.changed_stored(stored, self._gathered(rows, -1, taken), epoch)
        features = self._preprocess(stored)
        weights = self._gathered(rows, 1 + self._has_target, taken) if self._has_weight else None
        # Weights of metrics come only with weights of the loss.
        of_metrics = self._gathered(rows, 2 + self._has_target, taken) if self._weighs_metrics else None
        if augment is not None:
            features = augment.changed(features, self._gathered(rows, -1, taken), epoch)
        if self._target_spec.kind == "input" or not self._has_target:
            target = features
        else:
            truth = self._gathered(rows, 1, taken)
            if augment is not None and self._target_spec.kind == "mask":
                truth = augment.changed_mask(truth, self._gathered(rows, -1, taken), epoch)
            target = encode(truth, self._target_spec)
        if augment is not None and mixes:
            numbers = self._gathered(rows, -1, taken)
            mixed = augment.mixed_images(features, numbers, epoch)
            if target is features:
                target = mixed
            elif self._target_spec.kind == "mask":
                target = augment.mixed_masks(target, numbers, epoch)
            else:
                target = augment.mixed(target, numbers, epoch)
            features = mixed
            weights, of_metrics = (
                None if each is None else augment.mixed(each, numbers, epoch) for each in (weights, of_metrics)
            )
        if weight is not None:
            weights = tf.fill(tf.shape(indices), weight) if weights is None else weights * weight
        if weights is None:
            return (features, target), None
        return (features, target, broadcast_weights(weights, target, self._target_spec)), of_metrics

    def _gathered(self, rows: Rows, place: int, indices: Any) -> Any:
        """Return the rows of one array at `indices`, as they are stored in the split."""
        found = tf.gather(rows[place], indices)
        return restore_rows(found, self._arrays[place]) if self.is_on_gpu else found

    def step_ranges(
        self, order: Order, *, batch_size: int, first_step: int = 0, last_step: int, epoch: int = 0
    ) -> Iterator[StepRange]:
        """Yield the steps of an epoch in ranges, each with its examples on the device.

        Args:
            order: The order of the examples in the epoch, `(examples,)`.
            batch_size: The number of examples in one step; the last step may have fewer.
            first_step: The first step, counted from 0 in the epoch.
            last_step: The step after the last one.
            epoch: The number of the epoch, from 0.
        """
        if self._rows is not None:
            with tf.device(self.devices[0]):
                indices = tf.constant(order)
            yield StepRange(self._rows, indices, first_step, first_step, last_step, epoch)
            return
        row_bytes = sum(array[:1].nbytes for array in self._arrays)
        steps = max(1, min(CHUNK_BYTES // (row_bytes * batch_size), last_step - first_step))
        identity = tf.range(steps * batch_size)

        def gathered(first: int) -> StepRange:
            last = min(first + steps, last_step)
            indices = order[first * batch_size : last * batch_size]
            # Always the same size, so that XLA compiles only once; rows after the last example are never used.
            chunk = [np.zeros((steps * batch_size, *array.shape[1:]), array.dtype) for array in self._arrays]
            for array, part in zip(self._arrays, chunk, strict=True):
                gather(array, indices, out=part[: len(indices)])
            drop_pages(self._arrays)
            return StepRange(self._on_device(chunk), identity, 0, first, last, epoch)

        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="dlrun-feed") as thread:
            ahead: deque[Future[StepRange]] = deque()
            for first in range(first_step, last_step, steps):
                ahead.append(thread.submit(gathered, first))
                # One range is being trained while the thread gathers the next: two in memory, never more.
                if len(ahead) > 1:
                    yield ahead.popleft().result()
            yield from (future.result() for future in ahead)

    def _on_device(self, arrays: Sequence[npt.NDArray[Any]]) -> tuple[Rows, ...]:
        copies = []
        for device in self.devices:
            with tf.device(device):
                stored = (store_rows(np.asarray(array)) if self.is_on_gpu else np.asarray(array) for array in arrays)
                copies.append(tuple(tf.constant(array) for array in stored))
        return tuple(copies)


def broadcast_weights(weights: Any, y_true: Any, spec: Target) -> Any:
    """Return the weights of examples in a form that broadcasts over what a loss returns.

    Keras' losses average over the last axis only. For an autoencoder of images that leaves rows and columns. A loss of
    masks returns one number for each example.

    Args:
        weights: The weights, `(batch,)`.
        y_true: The encoded target.
        spec: What the model predicts.

    Shape:
        Returns: `(batch,)`, or `(batch, 1, ...)`.
    """
    rest = [] if spec.kind == "mask" else [1] * (y_true.shape.rank - 2)
    return tf.reshape(weights, [-1, *rest]) if rest else weights


def encode(target: Any, spec: Target) -> Any:
    """Return stored targets in the form that the loss takes; see `Target.encoding`.

    Args:
        target: Stored targets.
        spec: What the model predicts, with the encoding that the loss needs.

    Shape:
        target: `(batch,)` or `(batch, size)`; for masks `(batch, height, width)`. Returns: `(batch,)` for `index` with
        one column, else `(batch, units)`; for masks as `Target.encoding` says.
    """
    if spec.encoding == "one_hot":
        indices = tf.cast(target, tf.int32)
        if spec.kind != "class_columns":
            return tf.one_hot(indices, spec.size)  # zeros for `IGNORED_CLASS`, which is none of them
        columns = (tf.one_hot(indices[:, index], count) for index, count in enumerate(spec.class_counts))
        return tf.concat([*columns], axis=1)
    if spec.encoding == "index":
        return tf.cast(target, tf.int32)
    if spec.transform != "none":
        target = transform_tensor(target if target.shape.rank > 1 else target[:, None], spec)
    if target.dtype == tf.float64 and spec.scale:  # float32 would lose digits before the mean is subtracted
        target = target if target.shape.rank > 1 else target[:, None]
        return tf.cast((target - tf.constant(spec.mean, tf.float64)) / tf.constant(spec.scale, tf.float64), tf.float32)
    target = tf.cast(target, tf.float32)
    target = target if target.shape.rank > 1 else target[:, None]
    return (target - tf.constant(spec.mean)) / tf.constant(spec.scale) if spec.scale else target


def epoch_order(examples: int, *, seed: int, epoch: int, shuffle: bool) -> npt.NDArray[np.int32]:
    """Return the order of the examples in an epoch: a permutation that depends only on the arguments.

    Args:
        examples: The number of examples.
        seed: The seed of the run.
        epoch: The number of the epoch, from 0.
        shuffle: Whether to permute the examples at all.

    Shape:
        Returns: `(examples,)`, int32.
    """
    if not shuffle:
        return np.arange(examples, dtype=np.int32)
    # Philox is counter-based: every (seed, epoch) is a stream of its own, which needs no state from earlier epochs.
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)))
    return generator.permutation(examples).astype(np.int32)


def class_weights(split: Split, target: Target, training: Training) -> npt.NDArray[np.float32] | None:
    """Return the weight of each class for `training.class_weight`; None if the key is not set.

    Args:
        split: The training split.
        target: What the model predicts.
        training: The training section of the spec.

    Formula:
        balanced: examples / (classes * examples of the class), or the same with the weights of the examples, so that
        all classes weigh equally in the end; 1 for a class without examples

    Shape:
        Returns: `(classes,)`, float32.

    Reference:
        King and Zeng, 2001, "Logistic Regression in Rare Events Data".
    """
    wanted = training.class_weight
    if wanted is None or split.target is None:
        return None
    if wanted == "balanced":
        classes = split.target.astype(np.int64)
        counts = np.bincount(classes, split.weight, minlength=target.size)
        total = len(split) if split.weight is None else counts.sum()
        balanced = total / (target.size * np.where(counts > 0, counts, 1))
        return np.where(counts > 0, balanced, 1.0).astype(np.float32)
    weights = np.ones(target.size, dtype=np.float32)
    for index, weight in weights_by_index(wanted, target).items():
        weights[index] = weight
    return weights


def _stored(target: npt.NDArray[Any], spec: Target) -> npt.NDArray[Any]:
    if spec.kind in ("classes", "class_columns"):
        return target.astype(np.int32, copy=False)
    if spec.kind == "mask":
        return target  # a byte for each pixel
    is_precise = target.dtype == np.float64 and spec.scale  # `encode` subtracts the mean before it casts to float32
    return target if is_precise else target.astype(np.float32, copy=False)
