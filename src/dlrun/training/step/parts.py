"""Make several devices, each with a part of every batch, compute the same as one device with the whole batch.

Keras averages the loss over each part, and then over the devices. That is the mean over the batch only if all parts
have the same size. So in training every example gets the weight `devices * part / batch`, and the running mean of the
loss counts each part as `batch / devices` examples: for any sizes, sums over the parts then equal sums over the batch.
Evaluation has no gradients, and Keras' running means, to which each part adds its own sums, are correct already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from dlrun.errors import UsageError
from dlrun.spec.types import Spec
from dlrun.system.keras_internals import SumsFirst, all_layers, loss_tracker
from dlrun.training.step.feed import Feed
from dlrun.training.step.replicas import Replicas


def check_can_be_parted(spec: Spec, *, replicas: int, examples: int) -> None:
    """Check that several devices can compute the same as one.

    Args:
        spec: The spec.
        replicas: The number of replicas (devices) in all processes.
        examples: The number of examples in the training split.

    Raises:
        UsageError: A batch has fewer examples than there are devices, or the spec asks for a loss, a precision or XLA
            in a way that works on one device only.
    """
    if replicas == 1:
        return
    training, rest = spec.training, examples % spec.training.batch_size
    if training.batch_size < replicas:
        message = f"training.batch_size is {training.batch_size}, but {replicas} devices share each batch"
        raise UsageError(
            message, expected="at least one example per device", hint=f"--set training.batch_size={replicas}"
        )
    if 0 < rest < replicas and not training.drop_remainder:
        message = f"the last batch of an epoch has {rest} of {examples} examples, but {replicas} devices share it"
        raise UsageError(message, expected="at least one example per device", hint="--set training.drop_remainder=true")
    if spec.loss.is_of_batch:  # such a loss is not the sum of the losses of the parts
        message = (
            f"the loss {spec.loss.type_name} is computed over a whole batch, but {replicas} devices share each batch"
        )
        raise UsageError(message, expected="a loss that is a mean over examples", hint="--set training.device=auto")
    if training.phases is not None:
        message = f"the spec has training.phases, but {replicas} devices share each batch"
        raise UsageError(message, expected="a single device", hint="--set training.device=gpu:0, or cpu")
    if training.jit == "on":
        message = f"training.jit is on, but {replicas} devices share each batch"
        raise UsageError(message, expected="steps without XLA on several devices", hint="--set training.jit=auto")
    if training.precision == "float16":
        message = f"training.precision is float16, but {replicas} devices share each batch"
        raise UsageError(message, expected="float32 or bfloat16", hint="--set training.precision=auto")


def check_penalties(model: keras.Model, spec: Spec, *, replicas: int, examples: int) -> None:
    """Check that activity penalties have equal parts of each batch, since example weights do not apply to them.

    Args:
        model: The built model.
        spec: The spec.
        replicas: The number of replicas (devices) in all processes.
        examples: The number of examples in the training split.

    Raises:
        UsageError: A layer has an activity penalty, and some batches cannot be divided into equal parts.
    """
    training = spec.training
    rest = 0 if training.drop_remainder else examples % training.batch_size
    if training.batch_size % replicas == 0 and rest % replicas == 0:
        return
    for layer in all_layers(model):
        if layer.activity_regularizer is not None:
            message = f"the layer {layer.name} has a penalty on its activities, but {replicas} devices share each batch"
            raise UsageError(
                f"{message}: {training.batch_size} examples, and {rest or training.batch_size} in the last",
                expected=f"batches that divide into {replicas} equal parts",
                hint=f"set training.batch_size to a multiple of {replicas}, and training.drop_remainder=true",
            )


def join_parts(model: keras.Model) -> None:
    """Adapt a compiled model to parts of a batch: its optimizer, its loss tracker and its batch normalization.

    Batch normalization uses the statistics of all parts. Dropout draws the same mask for each part, so it differs from
    the mask that one device draws for the whole batch.
    """
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    optimizer = model.optimizer
    optimizer.__class__ = type(type(optimizer).__name__, (SumsFirst, type(optimizer)), {})
    loss_tracker(model).__class__ = PartMean


def part_step(
    step: Callable[[tuple[Any, ...]], Any], model: keras.Model, feed: Feed, replicas: Replicas, *, may_be_empty: bool
) -> Callable[[Any, Any, Any, Any], None]:
    """Return a step that computes this device's part of a batch.

    Args:
        step: `model.train_step` or `model.test_step`.
        model: The model that `step` belongs to.
        feed: The source of the batches.
        replicas: The replicas.
        may_be_empty: Whether a batch may have fewer examples than there are devices.

    Returns:
        A function of the rows on each device, the indices of the whole batch, their number, and the epoch.
    """

    def whole(rows: Any, indices: Any, size: Any, epoch: Any) -> None:  # noqa: ARG001  the same signature for all
        feed.run(step, rows[0], indices, epoch=epoch)

    def part_of_training(rows: Any, indices: Any, size: Any, epoch: Any) -> None:
        mine, device = replicas.part(indices, size)
        fair = tf.cast(size, tf.float32) / replicas.count
        tracker = loss_tracker(model)
        tracker.examples = fair
        # See the module docstring: `fair` is the even share of the batch, and the weight corrects for uneven parts.
        weight = tf.cast(tf.shape(mine)[0], tf.float32) / fair
        before = replicas.before(indices, size)
        feed.run(step, rows[device], mine, epoch=epoch, weight=weight, before=before)
        tracker.examples = None

    def part_of_evaluation(rows: Any, indices: Any, size: Any, epoch: Any) -> None:  # noqa: ARG001
        mine, device = replicas.part(indices, size)
        if may_be_empty:
            nothing = tf.constant(0)
            tf.cond(tf.size(mine) > 0, lambda: (feed.run(step, rows[device], mine), nothing)[1], lambda: nothing)
        else:
            feed.run(step, rows[device], mine)

    if replicas.count == 1:
        return whole
    return part_of_training if step == model.train_step else part_of_evaluation


class PartMean(keras.metrics.Mean):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """The running mean of the loss, which counts each part as `examples`, such as its even share of the batch."""

    examples: Any = None

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add the loss of a part."""
        super().update_state(values, sample_weight if self.examples is None else self.examples)
