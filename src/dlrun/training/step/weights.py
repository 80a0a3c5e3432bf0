"""The weights of examples inside a step: of the loss, and of the metrics.

A loss is the mean over a batch, so its weights are scaled to mean 1 over the split: the learning rate, penalties and
the parts of a batch then keep their meaning, and the loss of a split is its weighted mean. Metrics get the weights as
they are. Keras hands one weight to both, with class weights and the factors of parts in it, so metrics take theirs from
the block in which a step is traced.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from dlrun.data import Split
from dlrun.signature import Target

Weights = npt.NDArray[np.float32]

# Each replica traces its step in a thread of its own, and they take turns within a step.
_traced = threading.local()


@contextmanager
def weighing(weights: Any | None) -> Iterator[None]:
    """Give the metrics of a step that is traced inside the block the weights of its examples.

    Args:
        weights: The weights, `(batch,)`; None if every example counts once.
    """
    _traced.weights = weights
    try:
        yield
    finally:
        _traced.weights = None


def weighed(metric: keras.metrics.Metric) -> keras.metrics.Metric:
    """Return a metric that weighs examples by the weights of `weighing`, unless it is given others."""
    update = metric.update_state

    def update_state(y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        weights = getattr(_traced, "weights", None) if sample_weight is None else sample_weight
        update(y_true, y_pred, sample_weight=weights)

    metric.update_state = update_state
    return metric


def loss_weights(split: Split, target: Target, class_weight: Weights | None) -> Weights | None:
    """Return the weight of each example in the loss; None if all count once.

    Args:
        split: The split.
        target: What the model predicts.
        class_weight: The weight of each class, `(classes,)`; None for equal weights.

    Formula:
        class_weight[class] * sample_weight * weight / mean(weight)

    Shape:
        Returns: `(examples,)`.
    """
    factors = []
    if class_weight is not None and split.target is not None and target.kind == "classes":
        factors.append(class_weight[split.target.astype(np.int64)])
    if split.sample_weight is not None:
        factors.append(split.sample_weight.astype(np.float32))
    if split.weight is not None:
        factors.append((split.weight / split.weight.mean(dtype=np.float64)).astype(np.float32))
    if not factors:
        return None
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    return product
