"""What makes several devices, each with its part of a batch, compute what one does with the whole: loss, gradients.

Keras takes the mean over each part and the mean of these over the devices, which is the mean over the batch for parts
of one size only. So in training every example weighs `devices * part / batch`, and the running mean of the loss counts
each part as `batch / devices` examples: for every size, sums over parts are then those over the batch. Evaluation has
no gradients, and Keras' running means, to which each part adds its own sums, are right as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from dlrun.errors import UsageError
from dlrun.spec.types import Spec
from dlrun.training.step.feed import Feed
from dlrun.training.step.replicas import Replicas


def check_can_be_parted(spec: Spec, *, replicas: int, examples: int) -> None:
    """Refuse what several devices could not compute like one.

    Args:
        spec: The spec.
        replicas: Devices, in all processes.
        examples: In the training split.

    Raises:
        UsageError: A batch has fewer examples than there are devices, or the loss is one of the batch as a whole.
    """
    if replicas == 1:
        return
    training, rest = spec.training, examples % spec.training.batch_size
    if training.batch_size < replicas:
        said = f"training.batch_size is {training.batch_size}, and {replicas} devices share each batch"
        raise UsageError(said, expected="an example for each device", hint=f"--set training.batch_size={replicas}")
    if 0 < rest < replicas and not training.drop_remainder:
        said = f"the last batch of an epoch has {rest} of {examples} examples, and {replicas} devices share it"
        raise UsageError(said, expected="an example for each device", hint="--set training.drop_remainder=true")
    if spec.loss.is_of_batch:  # those of the parts do not add up to it
        said = f"the loss {spec.loss.type_name} is computed over a whole batch, and {replicas} devices share each batch"
        raise UsageError(said, expected="a loss that is a mean over examples", hint="--set training.device=auto")
    if training.jit == "on":
        said = f"training.jit is on, and {replicas} devices share each batch"
        raise UsageError(said, expected="steps without XLA on several devices", hint="--set training.jit=auto")
    if training.precision == "float16":
        said = f"training.precision is float16, and {replicas} devices share each batch"
        raise UsageError(said, expected="float32 or bfloat16", hint="--set training.precision=auto")


def check_penalties(model: keras.Model, spec: Spec, *, replicas: int, examples: int) -> None:
    """Refuse a penalty on activities, a mean over each part that no weights reach, where parts are not of one size.

    Args:
        model: Built.
        spec: The spec.
        replicas: Devices, in all processes.
        examples: In the training split.

    Raises:
        UsageError: Some batches cannot be cut into equal parts.
    """
    training = spec.training
    rest = 0 if training.drop_remainder else examples % training.batch_size
    if training.batch_size % replicas == 0 and rest % replicas == 0:
        return
    for layer in model._flatten_layers():  # noqa: SLF001, the public model.layers does not look into nested layers
        if layer.activity_regularizer is not None:
            said = f"the layer {layer.name} has a penalty on its activities, and {replicas} devices share each batch"
            raise UsageError(
                f"{said}: {training.batch_size} examples, and {rest or training.batch_size} in the last",
                expected=f"batches that {replicas} devices can share in equal parts",
                hint=f"a training.batch_size that {replicas} divides, and training.drop_remainder=true",
            )


def join_parts(model: keras.Model) -> None:
    """Make a compiled model fit for parts of a batch: its optimizer, its loss tracker, its batch normalization.

    Normalization over a batch takes its statistics over all parts. Dropout draws the same mask for each part, which is
    another than one device draws for the batch.
    """
    for layer in model._flatten_layers():  # noqa: SLF001, the public model.layers does not look into nested layers
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    optimizer = model.optimizer
    optimizer.__class__ = type(type(optimizer).__name__, (_SumsFirst, type(optimizer)), {})
    model._loss_tracker.__class__ = _PartMean  # noqa: SLF001  Keras 3.15 gives no other way to its loss


def part_step(
    step: Callable[[tuple[Any, ...]], Any], model: keras.Model, feed: Feed, team: Replicas, *, may_be_empty: bool
) -> Callable[[Any, Any, Any, Any], None]:
    """A step that takes the device's own part of a batch.

    Args:
        step: `model.train_step` or `model.test_step`.
        model: What it is of.
        feed: Where batches come from.
        team: The devices.
        may_be_empty: Whether there may be batches with fewer examples than there are devices.

    Returns:
        A function of the rows on each device, the indices of the whole batch, their number, and the epoch.
    """

    def whole(rows: Any, indices: Any, size: Any, epoch: Any) -> None:  # noqa: ARG001  as the others
        step(feed.batch(rows[0], indices, epoch=epoch))

    def part_of_training(rows: Any, indices: Any, size: Any, epoch: Any) -> None:
        mine, device = team.part(indices, size)
        fair = tf.cast(size, tf.float32) / team.replicas
        tracker = model._loss_tracker  # noqa: SLF001
        tracker.examples = fair
        weight = tf.cast(tf.shape(mine)[0], tf.float32) / fair
        before = team.before(indices, size)
        step(feed.batch(rows[device], mine, epoch=epoch, weight=weight, before=before))
        tracker.examples = None

    def part_of_evaluation(rows: Any, indices: Any, size: Any, epoch: Any) -> None:  # noqa: ARG001  as the others
        mine, device = team.part(indices, size)
        if may_be_empty:
            nothing = tf.constant(0)
            tf.cond(tf.size(mine) > 0, lambda: (step(feed.batch(rows[device], mine)), nothing)[1], lambda: nothing)
        else:
            step(feed.batch(rows[device], mine))

    if team.replicas == 1:
        return whole
    return part_of_training if step == model.train_step else part_of_evaluation


class _PartMean(keras.metrics.Mean):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """The running mean of the loss, which counts a part as its even share of the batch."""

    examples: Any = None

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add a part's loss."""
        super().update_state(values, sample_weight if self.examples is None else self.examples)


class _SumsFirst:
    """An optimizer that is given the sums of gradients over devices: clipping and accumulation are of the batch's.

    After that every device does the same to its own copy of the variables. Keras 3.15 sums after clipping, and meets
    the other devices inside of what it does only now and then, which TensorFlow cannot.
    """

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Sum the gradients, then do what the optimizer does."""
        context = tf.distribute.get_replica_context()
        there = [gradient for gradient in grads if gradient is not None]
        summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, there))
        grads = [None if gradient is None else next(summed) for gradient in grads]
        super().apply(grads, trainable_variables)  # type: ignore[misc]

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, _own_copy(variable), learning_rate)  # type: ignore[attr-defined]

    def _apply_weight_decay(self, variables: Any) -> None:
        if self.weight_decay is None:  # type: ignore[attr-defined]
            return
        for variable in map(_own_copy, variables):
            if self._use_weight_decay(variable):  # type: ignore[attr-defined]
                rate = tf.cast(self.learning_rate, variable.dtype)  # type: ignore[attr-defined]
                decay = tf.cast(self.weight_decay, variable.dtype)  # type: ignore[attr-defined]
                variable.assign_sub(variable * decay * rate)

    def _backend_increment_gradient_accumulators(self, grads: Any, acc_grads: Any) -> None:
        for gradient, accumulated in zip(grads, acc_grads, strict=True):
            _own_copy(accumulated).assign_add(gradient)

    def _overwrite_model_variables_with_average_value(self, trainable_variables: Any) -> None:
        if tf.distribute.in_cross_replica_context():  # at the end of training
            super()._overwrite_model_variables_with_average_value(trainable_variables)  # type: ignore[misc]
            return
        averages = self._model_variables_moving_average  # type: ignore[attr-defined]
        for variable, average in zip(trainable_variables, averages, strict=True):
            _own_copy(variable).assign(_own_copy(average))


def _own_copy(variable: Any) -> Any:
    """Inside a replica: its own copy of a variable."""
    copies = tf.distribute.get_strategy().experimental_local_results(getattr(variable, "value", variable))
    replica = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
    return copies[replica % len(copies)]
