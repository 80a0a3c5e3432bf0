"""Several yes-or-no labels and their probabilities in; precision, recall, F1, accuracy and ROC AUC of each out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.scoring.classification import ClassCounts, roc_auc

Array = npt.NDArray[Any]
THRESHOLD = 0.5
"""A label is predicted where its probability is above this."""


@dataclass(frozen=True)
class LabelScores:
    """How well labels are told, each by itself and all together.

    Args:
        counts: Of each label: precision, recall and F1 follow from them.
        accuracy: Part of the examples for which the label is right, `(labels,)`.
        roc_auc: Of each label, `(labels,)`; nan where all examples are alike.
        exact_match: Part of the examples for which every label is right.
    """

    counts: ClassCounts
    accuracy: npt.NDArray[np.float64]
    roc_auc: npt.NDArray[np.float64]
    exact_match: float


def label_scores(truth: Array, probabilities: Array) -> LabelScores:
    """Score.

    Reference:
        Zhang and Zhou, 2014, "A Review on Multi-Label Learning Algorithms".

    Shape:
        truth: `(n, labels)` of 0 and 1. probabilities: `(n, labels)`.
    """
    predicted = probabilities > THRESHOLD
    right = truth.astype(bool) == predicted
    aucs = [roc_auc(truth[:, label] > 0, probabilities[:, label]) for label in range(truth.shape[1])]
    return LabelScores(
        ClassCounts.of_labels(truth, predicted),
        accuracy=right.mean(axis=0) if len(truth) else np.full(truth.shape[1], np.nan),
        roc_auc=np.array(aucs),
        exact_match=float(right.all(axis=1).mean()) if len(truth) else np.nan,
    )
