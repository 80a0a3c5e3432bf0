"""Join the predictions of all folds for their validation splits: out-of-fold predictions, one for each example."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.errors import RunError
from dlrun.prediction.columns import Cells, OutputColumn, layout_of
from dlrun.prediction.formats import CsvWriter
from dlrun.runs.fold_predictions import FoldPredictions
from dlrun.scoring.masks import accuracy_of, counts_of, intersection_over_union, mean_iou
from dlrun.signature import Target

Array = npt.NDArray[Any]

_AGAIN = "dlrun batch CONFIG --again trains all folds anew"


@dataclass(frozen=True)
class FoldPart:
    """What the run of one fold contributes.

    Args:
        run: The id of the run.
        repeat: Its repeat, from 0.
        fold: Its fold, from 0.
        target: What its model predicts.
        predictions: Its predictions for the examples of the fold.
        divided: The number of examples that its training and validation split have together.
    """

    run: str
    repeat: int
    fold: int
    target: Target
    predictions: FoldPredictions
    divided: int


def check_parts(parts: Sequence[FoldPart]) -> int:
    """Check that each example is in exactly one fold of each repeat.

    Returns:
        The number of examples.

    Raises:
        RunError: The folds do not belong together, because the data was changed between two of them.
    """
    first: Array | None = None
    for repeat in sorted({part.repeat for part in parts}):
        own = [part for part in parts if part.repeat == repeat]
        rows = np.sort(np.concatenate([part.predictions.rows for part in own]))
        sizes = {part.divided for part in own}
        if (
            sizes != {len(rows)}
            or (np.diff(rows) == 0).any()
            or (first is not None and not np.array_equal(rows, first))
        ):
            runs = ", ".join(part.run for part in own)
            what = f"the folds of {runs} do not divide the same examples: the data has changed between two runs"
            raise RunError(what, expected="each example in exactly one fold", hint=_AGAIN)
        first = rows
    return 0 if first is None else len(first)


def out_of_fold_csv(parts: Sequence[FoldPart]) -> bytes:
    """Return the predictions of all folds as CSV, in the order of repeats and rows.

    The columns are `row` (from 0, in the data before any example was held out), `fold`, `repeat`, `name` for images,
    `weight` if examples have weights, `truth`, `prediction`, and for classes the probability of each. For
    masks they are scores of each image instead: `mean_iou`, `accuracy` of its pixels, and the `iou` of each class.
    """
    text, writer = io.StringIO(), None
    for repeat in sorted({part.repeat for part in parts}):
        own = [list(_columns(part)) for part in parts if part.repeat == repeat]
        if writer is None:
            writer = CsvWriter(text, [column for column, _ in own[0]])
        order = np.argsort(np.concatenate([part.predictions.rows for part in parts if part.repeat == repeat]))
        # For each column, the cells of all folds.
        blocks = zip(*([cells for _, cells in columns] for columns in own), strict=True)
        writer.write([_ordered(each, order) for each in blocks])
    return text.getvalue().encode()


def _ordered(blocks: Sequence[Cells], order: Array) -> Cells:
    if isinstance(blocks[0], np.ndarray):
        return np.asarray(np.concatenate([np.asarray(block) for block in blocks])[order])
    joined = [cell for block in blocks for cell in block]
    return [joined[index] for index in order.tolist()]


def _columns(part: FoldPart) -> Iterator[tuple[OutputColumn, Cells]]:
    """Yield the columns for the examples of one fold, with their cells."""
    found, target = part.predictions, part.target
    for name, numbers in (("row", found.rows), ("fold", part.fold), ("repeat", part.repeat)):
        cells = np.broadcast_to(np.asarray(numbers), (len(found.rows),))
        yield OutputColumn(name, is_text=True), list(map(str, cells.tolist()))
    if found.names.size:
        yield OutputColumn("name", is_text=True), found.names.tolist()
    if found.weights.size:
        yield OutputColumn("weight"), found.weights
    if target.kind == "mask":
        yield from _of_masks(part)
        return
    layout = layout_of(target, top=None)
    predicted = list(zip(layout.columns, layout.cells(found.outputs), strict=True))
    if target.kind in ("classes", "class_columns"):
        # A layout has two columns for each column of classes: the class, and its probability.
        yield from _of_classes(part, [cells for _, cells in predicted[::2]])
    elif target.kind == "input":
        yield from predicted
    else:
        yield from _of_numbers(part, predicted)


def _of_masks(part: FoldPart) -> Iterator[tuple[OutputColumn, Cells]]:
    size = part.target.size
    counts = counts_of(part.predictions.outputs.reshape(-1, size, size))
    yield OutputColumn("mean_iou"), mean_iou(counts).astype(np.float32)
    yield OutputColumn("accuracy"), accuracy_of(counts).astype(np.float32)
    for name, scores in zip(part.target.output_names, intersection_over_union(counts).T, strict=True):
        yield OutputColumn(f"iou_{name}"), scores.astype(np.float32)


def _of_classes(part: FoldPart, predicted: Sequence[Cells]) -> Iterator[tuple[OutputColumn, Cells]]:
    target, outputs = part.target, part.predictions.outputs
    truth = part.predictions.target.reshape(len(outputs), -1)
    for number, (of_column, cells) in enumerate(zip(target.parts, predicted, strict=True)):
        names, end = of_column.target.output_names, f"_{of_column.name}" if of_column.name else ""
        yield OutputColumn(f"truth{end}", is_text=True), [names[index] for index in truth[:, number].tolist()]
        yield OutputColumn(f"prediction{end}", is_text=True), cells
        for name, values in zip(names, outputs[:, of_column.places].T, strict=True):
            yield OutputColumn(f"probability{end}_{name}"), values


def _of_numbers(
    part: FoldPart, predicted: Sequence[tuple[OutputColumn, Cells]]
) -> Iterator[tuple[OutputColumn, Cells]]:
    target = part.target
    truth = part.predictions.target.reshape(len(part.predictions.rows), -1)
    is_precise = truth.dtype == np.float64
    what = "probability" if target.kind == "labels" else "prediction"
    for name, true, (column, cells) in zip(target.output_names, truth.T, predicted, strict=True):
        end = "" if target.kind == "values" and target.size == 1 else f"_{name}"
        yield OutputColumn(f"truth{end}", decimals=0 if is_precise else None), true
        yield replace(column, name=f"{what}{end}"), cells
