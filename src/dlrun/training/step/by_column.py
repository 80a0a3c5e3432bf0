"""Build the loss and metrics of any target; for several columns of classes, the mean over the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from dlrun.losses import Loss
from dlrun.metrics.metric import Metric
from dlrun.signature import Part, Target
from dlrun.training.step.weights import weighed


def build_loss(loss: Loss, target: Target) -> keras.losses.Loss:
    """Return the Keras loss for a target of any kind.

    Args:
        loss: The loss of the spec, which accepts this target.
        target: What the model predicts, with the activation that its last layer really applies.

    Shape:
        y_true: as `target.encoding` defines. y_pred: `(batch, target.units)`.
    """
    if target.kind != "class_columns":
        return loss.build(target)
    return _ColumnsLoss(loss, target.parts)


def build_metric(metric: Metric, target: Target) -> keras.metrics.Metric:
    """Return the Keras metric for a target of any kind. It uses the weights of the examples in a step.

    Args:
        metric: The metric of the spec, which accepts this target.
        target: What the model predicts, with the activation that its last layer really applies.

    Shape:
        y_true: as `target.encoding` defines. y_pred: `(batch, target.units)`.
    """
    built = metric.build(target) if target.kind != "class_columns" else _ColumnsMetric(metric, target.parts)
    return weighed(built)


class _ColumnsLoss(keras.losses.Loss):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """The mean of the columns' losses, in the same way as binary cross-entropy is a mean over labels."""

    def __init__(self, loss: Loss, parts: Sequence[Part]) -> None:
        super().__init__(name=loss.type_name, dtype="float32")
        self._parts = parts
        # The model returns logits. A loss that takes probabilities gets the softmax of each column.
        self._takes_probabilities = loss.takes.head == "softmax"
        activation = loss.takes.head
        self._losses = [loss.build(replace(part.target, activation=activation)) for part in parts]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example, `(batch,)`, or of the batch if the loss is not a mean over examples."""
        found = []
        for number, (part, loss) in enumerate(zip(self._parts, self._losses, strict=True)):
            truth, output = _own(y_true, y_pred, part, number)
            found.append(loss.call(truth, ops.softmax(output, axis=-1) if self._takes_probabilities else output))
        return ops.mean(ops.stack(found), axis=0)


class _ColumnsMetric(keras.metrics.Metric):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """The mean of one metric per column."""

    def __init__(self, metric: Metric, parts: Sequence[Part]) -> None:
        super().__init__(name=metric.log_name, dtype="float32")
        self._parts = parts
        self.columns = [metric.build(part.target) for part in parts]
        found = [getattr(column, "exact", ()) for column in self.columns]
        self.exact = tuple(exact for each in found for exact in each) if all(found) else ()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch to the metric of each column."""
        for number, (part, metric) in enumerate(zip(self._parts, self.columns, strict=True)):
            metric.update_state(*_own(y_true, y_pred, part, number), sample_weight=sample_weight)

    def result(self) -> Any:
        """Return the mean over the columns."""
        return ops.mean(ops.stack([metric.result() for metric in self.columns]))

    def reset_state(self) -> None:
        """Reset the metric of each column in its own way: not every state starts at 0."""
        for metric in self.columns:
            metric.reset_state()


def _own(y_true: Any, y_pred: Any, part: Part, number: int) -> tuple[Any, Any]:
    """Return the part of targets and predictions that belongs to a column."""
    truth = y_true[:, number] if part.target.encoding == "index" else y_true[:, part.places]
    return truth, y_pred[:, part.places]
