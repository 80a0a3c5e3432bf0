"""A loss or metric of classes in; for a target of several columns of classes the mean of it over the columns out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from dlrun.losses import Loss
from dlrun.metrics.metric import Metric
from dlrun.signature import Part, Target


def build_loss(loss: Loss, target: Target) -> keras.losses.Loss:
    """Make the Keras loss of a target, whatever its kind.

    Args:
        loss: Accepts the target.
        target: Settled, with the activation that the model's last layer really applies.

    Shape:
        y_true: as `target.encoding` says. y_pred: `(batch, target.units)`.
    """
    if target.kind != "class_columns":
        return loss.build(target)
    return _ColumnsLoss(loss, target.parts)


def build_metric(metric: Metric, target: Target) -> keras.metrics.Metric:
    """Make the Keras metric of a target, whatever its kind.

    Args:
        metric: Accepts the target.
        target: Settled, with the activation that the model's last layer really applies.

    Shape:
        As `build_loss` takes them.
    """
    if target.kind != "class_columns":
        return metric.build(target)
    return _ColumnsMetric(metric, target.parts)


class _ColumnsLoss(keras.losses.Loss):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """The mean of the columns' losses: that of binary cross-entropy over several labels is a mean, too."""

    def __init__(self, loss: Loss, parts: Sequence[Part]) -> None:
        super().__init__(name=loss.type_name, dtype="float32")
        self._parts = parts
        # The model gives logits. A loss of probabilities is given the softmax of each column.
        self._takes_probabilities = loss.takes.head == "softmax"
        activation = loss.takes.head
        self._losses = [loss.build(replace(part.target, activation=activation)) for part in parts]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each example, `(batch,)`; or the batch's, for a loss that is no mean over examples."""
        found = []
        for number, (part, loss) in enumerate(zip(self._parts, self._losses, strict=True)):
            truth, output = _own(y_true, y_pred, part, number)
            found.append(loss.call(truth, ops.softmax(output, axis=-1) if self._takes_probabilities else output))
        return ops.mean(ops.stack(found), axis=0)


class _ColumnsMetric(keras.metrics.Metric):  # type: ignore[misc, unused-ignore]  # Keras has no types
    """The mean of the columns' metrics, each of which counts its own."""

    def __init__(self, metric: Metric, parts: Sequence[Part]) -> None:
        super().__init__(name=metric.log_name, dtype="float32")
        self._parts = parts
        self.columns = [metric.build(part.target) for part in parts]
        found = [getattr(column, "exact", ()) for column in self.columns]
        self.exact = tuple(exact for each in found for exact in each) if all(found) else ()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch."""
        for number, (part, metric) in enumerate(zip(self._parts, self.columns, strict=True)):
            metric.update_state(*_own(y_true, y_pred, part, number), sample_weight=sample_weight)

    def result(self) -> Any:
        """The mean over the columns."""
        return ops.mean(ops.stack([metric.result() for metric in self.columns]))

    def reset_state(self) -> None:
        """Begin again, each in its own way: not all of them begin at 0."""
        for metric in self.columns:
            metric.reset_state()


def _own(y_true: Any, y_pred: Any, part: Part, number: int) -> tuple[Any, Any]:
    """What a column has of truth and prediction."""
    truth = y_true[:, number] if part.target.encoding == "index" else y_true[:, part.places]
    return truth, y_pred[:, part.places]
