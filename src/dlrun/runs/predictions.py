"""What a final model predicted for the examples of a split, as one `.npz` file of a run: what a report is made from."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.errors import RunError
from dlrun.files.disk import disk, explained
from dlrun.runs.folder import RunFolder
from dlrun.runs.sums import check_presence, check_sum, record_sums

Array = npt.NDArray[Any]

_LARGEST_BYTES = 1 << 28
_LATER = ("columns", "cells", "importances", "measure", "times")
"""What versions before did not keep."""


def _nothing() -> Array:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class Predictions:
    """Predictions for a split, or for a sample of it.

    Args:
        examples: Number of examples in the split.
        rows: Which of them were predicted.
        outputs: Probabilities of classes or labels, or values in their own unit; of an autoencoder the error.
        target: Class indices, labels, or values in their own unit; of an autoencoder nothing.
        naive: What a forecast without a model would be; empty where there is none.
        shown: Places in `rows` of the examples that are kept to be looked at, the worst first.
        pictures: Of these.
        reconstructions: Of these, by an autoencoder.
        texts: Of these: what was read, as people read it.
        columns: Names of the columns that the model reads, if its input is a table.
        cells: Their values in the examples that are kept to be looked at.
        importances: How much worse the predictions get when the values of each column are exchanged.
        measure: What that is measured by.
        times: When the first value that is predicted was measured, of a series: whole numbers are seconds since 1970,
            others are the series' own.

    Shape:
        rows: `(k,)`. outputs, naive: `(k, size)`; `(k,)` for errors. target: `(k,)` or `(k, size)`. shown: `(m,)`.
        pictures, reconstructions: `(m, height, width, 1 or 3)` uint8, or float32 `(m, ...)` of what is no picture.
        texts: `(m,)`. columns, importances: `(c,)`. cells: `(m, c)`. measure: `()` or `(0,)`. times: `(k,)`.
        An array that there is not is empty.
    """

    examples: int
    rows: Array
    outputs: Array
    target: Array
    naive: Array
    shown: Array
    pictures: Array
    reconstructions: Array
    texts: Array
    columns: Array = field(default_factory=_nothing)
    cells: Array = field(default_factory=_nothing)
    importances: Array = field(default_factory=_nothing)
    measure: Array = field(default_factory=_nothing)
    times: Array = field(default_factory=_nothing)


def predictions_file(folder: RunFolder, split: str) -> Path:
    """Where the predictions for a split are kept."""
    return folder.evaluation / f"{split}.npz"


def write_predictions(folder: RunFolder, split: str, predictions: Predictions) -> None:
    """Keep the predictions for a split, in place of those before.

    Raises:
        RunError: They cannot be written.
    """
    buffer = io.BytesIO()
    arrays = {each.name: np.asarray(getattr(predictions, each.name)) for each in fields(Predictions)}
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    path = predictions_file(folder, split)
    folder.make_folder(path.parent)
    with explained(f"write {path}"):
        disk.write_atomically(path, buffer.getvalue())
    record_sums(folder, {path: sha256(buffer.getvalue()).hexdigest()})


def read_predictions(folder: RunFolder, split: str) -> Predictions | None:
    """The predictions for a split; None if none were kept.

    Raises:
        RunError: They are damaged.
    """
    path = predictions_file(folder, split)
    hint = f"dlrun resume {folder.id} predicts again"
    check_presence(folder, path, hint=hint)
    if not path.is_file():
        return None
    with explained(f"read {path}"):
        data = disk.read_file(path, largest=_LARGEST_BYTES)
    check_sum(folder, path, data, hint=hint)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            names = [each.name for each in fields(Predictions) if each.name in file or each.name not in _LATER]
            arrays = {name: file[name] for name in names}
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise RunError(f"{path} is damaged: {error}", hint=hint) from error
    kept = Predictions(**{**arrays, "examples": int(arrays["examples"])})
    if wrong := _wrong_shape(kept):
        raise RunError(f"{path} is damaged: {wrong}", hint=hint)
    return kept


def _wrong_shape(kept: Predictions) -> str:
    """Return which of the arrays about columns and times does not fit the others; empty if all do."""
    columns = kept.columns.shape
    fits = {
        "columns": len(columns) == 1,
        "cells": kept.cells.size == 0 or kept.cells.shape == (*kept.shown.shape, *columns),
        "importances": kept.importances.size == 0
        or (kept.importances.shape == columns and kept.importances.dtype.kind == "f"),
        "measure": kept.measure.ndim == 0 or kept.measure.size == 0,
        "times": kept.times.size == 0 or (kept.times.shape == kept.rows.shape and kept.times.dtype.kind in "if"),
    }
    return ", ".join(
        f"{name} has the shape {getattr(kept, name).shape}" for name, is_right in fits.items() if not is_right
    )
