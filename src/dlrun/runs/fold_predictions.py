"""Store what the run of a fold predicts for each example of its validation split, in one `.npz` file."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.files.npz import read_arrays
from dlrun.errors import DataError, RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.sums import check_presence, check_sum
from dlrun.system.disk import disk, explained

Array = npt.NDArray[Any]

_LARGEST_BYTES = 1 << 34


@dataclass(frozen=True)
class FoldPredictions:
    """The predictions of a run for the examples of its fold, all of them.

    Args:
        rows: The positions of the examples in the data, from 0, before any were held out; ascending.
        outputs: Probabilities of classes or labels, or values in their original unit; for an autoencoder the
            reconstruction errors; for masks the counts of pixels by true and predicted class.
        target: Class indices, labels, or values in their original unit; empty for an autoencoder and for masks.
        names: The names of the files of images; empty for other data.
        weights: The weights of the examples; empty if they have none.

    Shape:
        rows: `(k,)` int64. outputs: `(k, size)`; `(k,)` for errors; `(k, size * size)` for counts. target: `(k,)` or
        `(k, size)`. names: `(k,)`. weights: `(k,)`.
    """

    rows: Array
    outputs: Array
    target: Array
    names: Array
    weights: Array = field(default_factory=lambda: np.zeros(0, np.float32))


def fold_predictions_file(folder: RunFolder) -> Path:
    """Return the path of the predictions of a run for its fold."""
    return folder.evaluation / "fold.npz"


def write_fold_predictions(folder: RunFolder, predictions: FoldPredictions) -> None:
    """Store the predictions of a run for its fold, replacing earlier ones.

    Args:
        folder: The run.
        predictions: The predictions.

    Raises:
        RunError: They cannot be written.
    """
    buffer = io.BytesIO()
    arrays = {each.name: np.asarray(getattr(predictions, each.name)) for each in fields(FoldPredictions)}
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    path = fold_predictions_file(folder)
    folder.make_folder(path.parent)
    with explained(f"write {path}"):
        disk.write_atomically(path, buffer.getvalue())
    folder.record_sums({path: sha256(buffer.getvalue()).hexdigest()})


def read_fold_predictions(folder: RunFolder) -> FoldPredictions:
    """Return the predictions of a run for its fold.

    Args:
        folder: The run.

    Raises:
        RunError: It has none, or the file is damaged.
    """
    path, hint = fold_predictions_file(folder), f"dlrun resume {folder.id} predicts again"
    check_presence(folder.path, path, hint=hint)
    if not path.is_file():
        expected = "a complete run of a fold"
        raise RunError(f"{folder.path} has no predictions for a fold", expected=expected, hint=hint)
    with explained(f"read {path}"):
        data = disk.read_file(path, largest=_LARGEST_BYTES)
    check_sum(folder.path, path, data, hint=hint)
    try:
        arrays = read_arrays(data, origin=str(path), largest=_LARGEST_BYTES)
    except DataError as error:
        raise RunError(f"{path} is damaged: {error.what}", hint=hint) from error
    names = [each.name for each in fields(FoldPredictions)]
    if arrays.keys() != set(names) or not _fits(found := FoldPredictions(**{name: arrays[name] for name in names})):
        raise RunError(f"{path} is damaged: its arrays do not belong together", hint=hint)
    return found


def has_fold_predictions(folder: RunFolder) -> bool:
    """Return whether a run has valid predictions for its fold."""
    try:
        read_fold_predictions(folder)
    except RunError:
        return False
    return True


def _fits(found: FoldPredictions) -> bool:
    count = len(found.rows) if found.rows.ndim == 1 else -1
    return (
        found.rows.dtype.kind in "iu"
        and found.outputs.dtype.kind == "f"
        and found.outputs.ndim in (1, 2)
        and len(found.outputs) == count
        and (found.target.size == 0 or (found.target.dtype.kind in "biuf" and found.target.shape[:1] == (count,)))
        and (found.weights.size == 0 or (found.weights.dtype.kind == "f" and found.weights.shape == (count,)))
        and (found.names.size == 0 or (found.names.dtype.kind == "U" and found.names.shape == (count,)))
    )
