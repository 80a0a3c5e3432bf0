"""Choose classes and labels from probabilities: by the thresholds of a decision, or else the most probable."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.decision import HALF, Decision
from dlrun.signature import Target

Array = npt.NDArray[Any]


def decide(probabilities: Array, target: Target) -> Array:
    """Return what is predicted for each example.

    Args:
        probabilities: Probabilities of classes or labels, as `Predictor` returns them.
        target: Target of the predictions, with its decision.

    Shape:
        probabilities: `(n, size)`. Returns: the index of the class, `(n,)` int64; for class columns the index in each
        column, `(n, columns)`; for labels whether each applies, `(n, labels)` bool. For masks: `(n, height, width,
        size)`. Returns: the index of the class of each pixel, `(n, height, width)` int64.
    """
    if target.kind == "labels":
        return _above(probabilities, target)
    if target.kind == "class_columns":
        return np.stack([probabilities[:, part.places].argmax(axis=1) for part in target.parts], axis=1)
    if target.decision is not None and target.decision.thresholds:
        return _above(probabilities[:, 1:], target)[:, 0].astype(np.int64)
    return np.asarray(probabilities.argmax(axis=-1))


def name_of_accuracy(target: Target) -> str:
    """Return the name of the accuracy for people, with the threshold that it holds for: `accuracy at 0.37`."""
    decision = target.decision or Decision()
    if decision.thresholds:
        few = len(decision.thresholds) == 1
        return f"accuracy at {decision.thresholds[0]:g}" if few else "accuracy at the chosen thresholds"
    # A curve can move a probability to the other side of 0.5, while a temperature cannot.
    return f"accuracy at {HALF:g} after calibration" if decision.curves else "accuracy"


def _above(probabilities: Array, target: Target) -> Array:
    decision = target.decision or Decision()
    thresholds = np.array(decision.thresholds or (HALF,), np.float64)
    # In float64, because a threshold between two float32 numbers would otherwise be rounded to one of them.
    return np.asarray(probabilities.astype(np.float64) > thresholds)
