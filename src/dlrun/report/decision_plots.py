"""The plots of a report about the decision of a classifier: how reliable its probabilities are, and its threshold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.decision import HALF, Decision
from dlrun.report.drawing import COLOURS, Drawing, draw_figure
from dlrun.runs.predictions import StoredPredictions
from dlrun.scoring.calibration import outcomes, reliability
from dlrun.scoring.classification import ratio
from dlrun.scoring.thresholds import outcomes_at
from dlrun.signature import Target

Array = npt.NDArray[Any]

_MOST_LABELS = 6
_LONGEST = 24


def decision_plots(predictions: StoredPredictions, target: Target) -> Iterator[Drawing]:
    """Draw the plots for a target of classes or labels; none for another."""
    if target.is_decided and predictions.target.size:
        yield from reliability_diagram(predictions, target)
        if target.has_threshold:
            yield from precision_recall(predictions, target)


def reliability_diagram(predictions: StoredPredictions, target: Target) -> Iterator[Drawing]:
    """Draw how often predictions come true against their probability, before and after the calibration.

    Reference:
        DeGroot and Fienberg, 1983, "The Comparison and Evaluation of Forecasters"; Niculescu-Mizil and Caruana, 2005,
        "Predicting Good Probabilities with Supervised Learning".
    """
    before, outputs, weights = predictions.uncalibrated, predictions.outputs, predictions.example_weights
    series = [("calibrated", outputs), ("as trained", before)] if before.size else [("as trained", outputs)]

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#d0d7de", linewidth=1)
        for (name, probabilities), line in zip(series, ("-", "--"), strict=False):
            confidences, hits = outcomes(probabilities, predictions.target, target)
            each = None if weights is None else np.repeat(weights, confidences.shape[1])
            found = reliability(confidences.reshape(-1), hits.reshape(-1), each)
            label = f"{name}: ECE {found.error:.3f}"
            axes.plot(found.confidence, found.frequency, marker="o", markersize=4, linestyle=line, label=label)
        axes.set_xlabel(_what(target))
        axes.set_ylabel("fraction of examples where it is true")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.grid(visible=True)
        axes.legend(loc="upper left")

    yield draw_figure("reliability", "reliability of probabilities", draw)


def precision_recall(predictions: StoredPredictions, target: Target) -> Iterator[Drawing]:
    """Draw precision over recall of the second class, or of each label, and mark the threshold.

    Without a chosen threshold the mark is at 0.5.
    """
    probabilities, is_positive = outcomes(predictions.outputs, predictions.target, target)
    decision, names, weights = target.decision or Decision(), target.threshold_names, predictions.example_weights

    def draw(axes: Any) -> None:
        for label, name in enumerate(names[:_MOST_LABELS]):
            own, true = probabilities[:, label], is_positive[:, label]
            colour, threshold = COLOURS[label % len(COLOURS)], decision.at(label)
            axes.plot(*_curve(own, true, weights), color=colour)
            found = outcomes_at(own, true, weights, threshold=threshold)
            predicted, positive = found.true_positive + found.false_positive, found.true_positive + found.false_negative
            if predicted > 0 and positive > 0:
                point = found.true_positive / positive, found.true_positive / predicted
                text = f"{_short(name)}: threshold {threshold:g}"
                axes.plot(*([each] for each in point), marker="o", color=colour, linestyle="none", label=text)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.05)
        axes.grid(visible=True)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower left")

    chosen = "chosen threshold" if decision.thresholds else f"threshold {HALF:g}"
    yield draw_figure("precision_recall", f"precision and recall, {chosen} marked", draw)


def _curve(probabilities: Array, is_positive: Array, weights: Array | None) -> tuple[Array, Array]:
    """Return recall and precision at every threshold at which the predictions change, from the highest on."""
    order = np.argsort(-probabilities, kind="stable")
    weight = np.ones(len(order)) if weights is None else weights[order].astype(np.float64)
    hits, chosen = np.cumsum(weight * is_positive[order]), np.cumsum(weight)
    # Examples with equal probabilities pass a threshold together, so only the last of them is a point of the curve.
    ends = np.append(np.flatnonzero(np.diff(probabilities[order])), len(order) - 1)
    recall = ratio(hits[ends], np.full(len(ends), hits[-1]), otherwise=0.0)
    precision = ratio(hits[ends], chosen[ends], otherwise=1.0)
    return np.append(0.0, recall), np.append(precision[0], precision)


def _what(target: Target) -> str:
    if target.kind == "labels":
        return "predicted probability of a label"
    if target.has_threshold:
        return f"predicted probability of {_short(target.threshold_names[0])}"
    return "probability of the most probable class"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."
