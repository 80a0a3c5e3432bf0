"""Write the report of a run: `report.html` and the pictures in `plots/`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

import numpy as np

from dlrun.report import column_plots, decision_plots, plots
from dlrun.report.content import Content, read_content
from dlrun.report.drawing import Drawing
from dlrun.report.examples.examples import class_name
from dlrun.report.findings import Findings, find
from dlrun.report.page import page
from dlrun.report.slices import shown_slices
from dlrun.runs.folder import RunFolder
from dlrun.runs.predictions import StoredPredictions
from dlrun.scoring.deciding import decide
from dlrun.scoring.masks import counts_of, mean_iou
from dlrun.signature import Target
from dlrun.system.disk import disk, explained

_NAME_CHARACTERS = 60
_SAME_AREA = 0.005
_MOST_IN_MATRIX = 1000


def write_report(folder: RunFolder) -> None:
    """Write the report of a run, and replace an earlier one.

    Raises:
        RunError: A file of the run is missing or damaged, or the report cannot be written.
    """
    content = read_content(folder)
    target = content.interface.target if content.interface else None
    findings = {split: find(kept, target) for split, kept in content.predictions.items()} if target else {}
    drawings = list(_drawings(content, findings))
    folder.write_text(folder.report_html, page(content, findings, drawings))
    folder.make_folder(folder.plots)
    with explained(f"write {folder.plots}"):
        for drawing in drawings:
            disk.write_atomically(folder.plots / plot_file(drawing.name), drawing.png)


def plot_file(name: str) -> str:
    """Return a safe file name for a plot: a metric may be named `a/b`, or `../../x` in a run from another user."""
    safe = re.sub(r"[^\w.-]+", "_", name)[:_NAME_CHARACTERS]
    if safe != name:  # a hash keeps two metrics apart
        safe += f"-{sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
    return f"{safe}.png"


def _drawings(content: Content, findings: Mapping[str, Findings]) -> Iterator[Drawing]:
    record = content.record
    for column in shown_slices(record):
        yield from column_plots.slice_scores(column)
    yield from plots.learning_curves(content.rows, best=record.best)
    yield from plots.learning_rate(content.rows)
    if content.interface is not None and content.predictions:
        split, predictions = next(iter(content.predictions.items()))
        yield from _of_predictions(
            predictions, findings[split], content.interface.target, scores=record.result.get(split, {})
        )
    # A shorter phase would be a bar with the label 0.0 s.
    yield from plots.time_spent({phase: seconds for phase, seconds in record.time.items() if seconds >= 0.05})


def _of_predictions(
    predictions: StoredPredictions, found: Findings, target: Target, *, scores: Mapping[str, float | None]
) -> Iterator[Drawing]:
    if target.kind == "input":
        yield from plots.errors(predictions.outputs)
        if predictions.pictures.dtype != "uint8":
            yield from plots.vectors(predictions.pictures, predictions.reconstructions)
        return
    if target.kind == "mask":
        yield from _of_masks(predictions, found, target)
        return
    if target.kind in ("classes", "class_columns"):
        is_small = len(found.breakdown.parts) <= _MOST_IN_MATRIX
        for number, (column, names, matrix) in enumerate(found.breakdown.matrices() if is_small else ()):
            yield from plots.confusion(matrix, names, number=number, column=column)
        yield from _of_classes(predictions, target)
    if target.kind == "classes":
        auc = found.breakdown.overall.get("roc_auc")
        if auc is not None:
            # A metric of the spec may have approximated the same area; show only one of the two numbers.
            is_known = any(value is not None and abs(value - auc) < _SAME_AREA for value in scores.values())
            ranks, truth = predictions.outputs[:, 1], (predictions.target == 1).astype(int)
            area, positive = None if is_known else auc, class_name(target, 1)
            yield from plots.roc(ranks, truth, auc=area, positive=positive, weights=predictions.example_weights)
    yield from decision_plots.decision_plots(predictions, target)
    if target.kind == "values":
        if predictions.naive.size:
            yield from plots.forecast(predictions, target)
        yield from plots.values(predictions, target)
    yield from column_plots.importances(predictions)
    yield from column_plots.dependence(predictions)


def _of_masks(predictions: StoredPredictions, found: Findings, target: Target) -> Iterator[Drawing]:
    if target.size <= _MOST_IN_MATRIX:
        yield from plots.confusion(found.breakdown.matrix(), list(found.breakdown.parts), of_pixels=True)
    counts = counts_of(predictions.outputs.astype(np.float64).reshape(-1, target.size, target.size))
    yield from plots.overlaps(mean_iou(counts))


def _of_classes(predictions: StoredPredictions, target: Target) -> Iterator[Drawing]:
    truths, found = (each.reshape(len(each), -1) for each in (predictions.target, decide(predictions.outputs, target)))
    for number, part in enumerate(target.parts):
        names = [class_name(part.target, index) for index in range(part.target.size)]
        yield from plots.classes(truths[:, number], found[:, number], names, number=number, column=part.name)
