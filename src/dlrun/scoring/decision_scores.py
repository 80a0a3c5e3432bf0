"""Scores that a decision changes: how well probabilities are calibrated, and how good the predictions by them are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.decision import Decision
from dlrun.scoring.calibration import brier, outcomes, reliability
from dlrun.scoring.classification import SMALLEST_PROBABILITY
from dlrun.scoring.deciding import decide
from dlrun.scoring.thresholds import balanced_accuracy, f1, mean_cost, outcomes_at
from dlrun.signature import Target

Array = npt.NDArray[Any]


def decision_scores(
    probabilities: Array,
    truth: Array,
    target: Target,
    *,
    weights: Array | None = None,
    costs: Mapping[str, float] | None = None,
) -> dict[str, float | None]:
    """Return the scores of probabilities, and of the classes or labels that are predicted by them.

    Args:
        probabilities: Probabilities of classes or labels.
        truth: Truth; see `Split.target`.
        target: Target of the predictions, with its decision.
        weights: Weight of each example; None for equal weights.
        costs: What a `false_positive` and a `false_negative` cost; None to leave out the mean cost.

    Returns:
        `log_loss`, `ece`, `brier` and `accuracy`; with a threshold also `f1` and `balanced_accuracy` of the second
        class, or their means over labels, and the `cost`. An undefined score is None.

    Shape:
        probabilities: `(n, size)`. weights: `(n,)`.
    """
    weight = np.ones(len(truth)) if weights is None else weights.astype(np.float64)
    if not weight.sum() > 0:
        return {}
    confidences, hits = outcomes(probabilities, truth, target)
    repeated = np.repeat(weight, confidences.shape[1])
    right = decide(probabilities, target).reshape(len(truth), -1) == truth.reshape(len(truth), -1)
    found = {
        "log_loss": float(np.average(_log_losses(probabilities, truth, target), weights=weight)),
        "ece": reliability(confidences.reshape(-1), hits.reshape(-1), repeated).error,
        "brier": float(np.average(brier(probabilities, truth, target), weights=weight)),
        "accuracy": float(np.average(right.mean(axis=1), weights=weight)),
    }
    if target.has_threshold:
        found |= _of_thresholds(confidences, hits, weight, target.decision or Decision(), costs)
    return {name: value if np.isfinite(value) else None for name, value in found.items()}


def _of_thresholds(
    probabilities: Array, truth: Array, weight: Array, decision: Decision, costs: Mapping[str, float] | None
) -> dict[str, float]:
    """Return the means over the labels, or the scores of the second class."""
    each = [
        outcomes_at(probabilities[:, label], truth[:, label], weight, threshold=decision.at(label))
        for label in range(probabilities.shape[1])
    ]
    found = {
        "f1": float(np.mean([f1(one) for one in each])),
        "balanced_accuracy": float(np.mean([balanced_accuracy(one) for one in each])),
    }
    return found if costs is None else found | {"cost": float(np.mean([mean_cost(one, **costs) for one in each]))}


def _log_losses(probabilities: Array, truth: Array, target: Target) -> Array:
    """Return the cross-entropy of each example in nats, as a mean over labels or class columns."""
    if target.kind == "labels":
        true = truth.reshape(probabilities.shape) > 0
        own = np.where(true, probabilities, 1 - probabilities)
    else:
        firsts = np.array([part.first for part in target.parts])
        places = truth.reshape(len(truth), -1).astype(np.int64) + firsts
        own = np.take_along_axis(probabilities, places, axis=1)
    return np.asarray(-np.log(np.maximum(own.astype(np.float64), SMALLEST_PROBABILITY)).mean(axis=1))
