"""Give each member of a jointly trained ensemble a loss of its own, and score the mean of the members.

Such a model (`Model.trains_members`) returns the outputs of all members in training, with one axis more than elsewhere.
The loss of their mean would not do: members would learn to correct each other instead of being right.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from dlrun.models.parts.members import MeanOfMembers
from dlrun.signature import Target

_AXES = 3  # batch, members, outputs


class MembersLoss(keras.losses.Loss):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """The mean of the members' losses; outside of training, the loss of what they predict together.

    Args:
        loss: The loss of one member.
        is_of_batch: Whether it is one number for the whole batch.

    Formula:
        mean_m loss(y, f_m(x))
    """

    def __init__(self, loss: keras.losses.Loss, *, is_of_batch: bool) -> None:
        super().__init__(name=loss.name, dtype="float32")
        self._loss = loss
        self._is_of_batch = is_of_batch

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example, or of the batch if the loss is not a mean over examples.

        Shape:
            y_true: as without members. y_pred: `(batch, members, outputs)`, or `(batch, outputs)`. Returns: `(batch,)`.
        """
        if len(y_pred.shape) != _AXES:
            return self._loss.call(y_true, y_pred)
        _, members, outputs = y_pred.shape
        if self._is_of_batch:
            return ops.mean(ops.stack([self._loss.call(y_true, y_pred[:, member]) for member in range(members)]))
        losses = self._loss.call(ops.repeat(y_true, members, axis=0), ops.reshape(y_pred, (-1, outputs)))
        return ops.mean(ops.reshape(losses, (-1, members)), axis=1)


def score_mean(metric: keras.metrics.Metric, target: Target) -> keras.metrics.Metric:
    """Let a metric score the mean of the members in training, too. The metric is changed in place.

    Args:
        metric: A metric of the target.
        target: What the model predicts.
    """
    update, mean = metric.update_state, MeanOfMembers.of(target)

    def update_state(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        joined = mean(y_pred) if len(y_pred.shape) == _AXES else y_pred
        return update(y_true, joined, sample_weight=sample_weight)

    metric.update_state = update_state
    return metric
