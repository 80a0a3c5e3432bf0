"""Store the predictions of a final model for the examples of a split, in one `.npz` file that the report reads."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import suppress
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
from dlrun.signature import IGNORED_CLASS, Target
from dlrun.system.disk import disk, explained

Array = npt.NDArray[Any]

_LARGEST_BYTES = 1 << 28
_LATER = (
    "columns", "cells", "importances", "measure", "times", "importance_intervals", "measured", "dependence",
    "dependence_points", "dependence_names", "dependence_values", "dependence_columns", "dependence_outputs", "weights",
    "uncalibrated", "sounds", "sampling_rate", "masks", "predicted_masks",
)  # fmt: skip
"""The arrays that earlier versions did not store."""
_MOST_ROWS, _MOST_SHOWN = 100_000, 1000
_PICTURE_RANK = 4
_HIGHEST_RATE = 1_000_000


def _nothing() -> Array:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class StoredPredictions:
    """Predictions for a split, or for a sample of it.

    Args:
        examples: The number of examples in the split.
        rows: The positions of the predicted examples in the split.
        outputs: Probabilities of classes or labels, or values in their original unit; for an autoencoder the
            reconstruction errors; for masks the counts of pixels by true and predicted class.
        target: Class indices, labels, or values in their original unit; empty for an autoencoder and for masks.
        naive: The naive forecasts; empty if there are none.
        shown: The positions in `rows` of the examples to show in the report, the worst first.
        pictures: The images of the shown examples.
        reconstructions: Their reconstructions by an autoencoder.
        texts: The inputs of the shown examples in readable form.
        columns: The names of the columns that the model reads, if its input is a table.
        cells: The values of these columns in the shown examples.
        importances: How much worse the predictions get if the values of each column are permuted.
        measure: The name of the measure for that.
        times: For a series, the time of the first predicted value: whole numbers are seconds since 1970, others are in
            the unit of the series.
        importance_intervals: The 95 % interval of each importance.
        measured: The number of examples, and of shuffles, that the importances were measured with.
        dependence: The mean predictions for values of the most important columns.
        dependence_points: These values, nan behind the last; for categories, the part of the examples that have each.
        dependence_names: The names of the categories, empty for numbers.
        dependence_values: Values of these columns in examples, nan behind the last.
        dependence_columns: The names of these columns.
        dependence_outputs: The names of the predictions.
        weights: What each example counts in scores; empty if all count once.
        uncalibrated: The outputs without the calibration of the run's decision; empty if nothing is calibrated.
        sounds: The recordings of the first of the shown examples; empty for other data.
        sampling_rate: Their samples per second.
        masks: The true masks of the shown examples, with `IGNORED_CLASS` where a pixel does not count.
        predicted_masks: Their predicted masks.

    Shape:
        rows: `(k,)`. outputs, naive: `(k, size)`; `(k,)` for errors; `(k, size * size)` for counts. uncalibrated:
        `(k, size)`. target: `(k,)` or `(k, size)`. shown: `(m,)`.
        pictures, reconstructions: `(m, height, width, 1 or 3)` uint8, or `(m, ...)` float32 if they are not images.
        masks, predicted_masks: `(m, height, width)` uint8. texts: `(m,)`. columns, importances: `(c,)`. cells:
        `(m, c)`. measure: `()` or `(0,)`. times: `(k,)`.
        importance_intervals: `(c, 2)`. measured: `(2,)`. dependence: `(d, points, outputs)`. dependence_points,
        dependence_names: `(d, points)`. dependence_values: `(d, values)`. dependence_columns: `(d,)`.
        dependence_outputs: `(outputs,)`. weights: `(k,)`. sounds: `(s, samples)` int16, with s at most m.
        sampling_rate: `()`.
        A missing array is empty.
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
    importance_intervals: Array = field(default_factory=_nothing)
    measured: Array = field(default_factory=_nothing)
    dependence: Array = field(default_factory=_nothing)
    dependence_points: Array = field(default_factory=_nothing)
    dependence_names: Array = field(default_factory=_nothing)
    dependence_values: Array = field(default_factory=_nothing)
    dependence_columns: Array = field(default_factory=_nothing)
    dependence_outputs: Array = field(default_factory=_nothing)
    weights: Array = field(default_factory=_nothing)
    uncalibrated: Array = field(default_factory=_nothing)
    sounds: Array = field(default_factory=_nothing)
    sampling_rate: Array = field(default_factory=_nothing)
    masks: Array = field(default_factory=_nothing)
    predicted_masks: Array = field(default_factory=_nothing)

    @property
    def example_weights(self) -> Array | None:
        """What each example counts in scores; None if all count once."""
        return self.weights if self.weights.size else None


def predictions_file(folder: RunFolder, split: str) -> Path:
    """Return the path of the predictions for a split."""
    return folder.evaluation / f"{split}.npz"


def has_predictions(folder: RunFolder, split: str) -> bool:
    """Return whether there are valid predictions for a split."""
    try:
        return read_predictions(folder, split) is not None
    except RunError:
        return False


def write_predictions(folder: RunFolder, split: str, predictions: StoredPredictions) -> None:
    """Store the predictions for a split, replacing earlier ones.

    Args:
        folder: The run.
        split: The name of the split.
        predictions: The predictions.

    Raises:
        RunError: They cannot be written.
    """
    buffer = io.BytesIO()
    arrays = {each.name: np.asarray(getattr(predictions, each.name)) for each in fields(StoredPredictions)}
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    path = predictions_file(folder, split)
    folder.make_folder(path.parent)
    with explained(f"write {path}"):
        disk.write_atomically(path, buffer.getvalue())
    folder.record_sums({path: sha256(buffer.getvalue()).hexdigest()})


def remove_predictions(folder: RunFolder, splits: Iterable[str]) -> None:
    """Remove the stored predictions of splits, if there are any.

    Args:
        folder: The run.
        splits: The names of the splits.

    Raises:
        RunError: They cannot be removed.
    """
    paths = [predictions_file(folder, split) for split in splits]
    # First the sums: a sum without its file would be damage.
    folder.record_sums(dict.fromkeys(paths))
    for path in paths:
        with explained(f"remove {path}"), suppress(FileNotFoundError):
            disk.unlink(path)


def read_predictions(folder: RunFolder, split: str) -> StoredPredictions | None:
    """Return the predictions for a split; None if there are none.

    Args:
        folder: The run.
        split: The name of the split.

    Raises:
        RunError: The file is damaged.
    """
    path = predictions_file(folder, split)
    hint = f"dlrun resume {folder.id} predicts again"
    check_presence(folder.path, path, hint=hint)
    if not path.is_file():
        return None
    with explained(f"read {path}"):
        data = disk.read_file(path, largest=_LARGEST_BYTES)
    check_sum(folder.path, path, data, hint=hint)
    try:
        arrays = {
            name: _writable(array)
            for name, array in read_arrays(data, origin=str(path), largest=_LARGEST_BYTES).items()
        }
    except DataError as error:
        raise RunError(f"{path} is damaged: {error.what}", hint=hint) from error
    names = [each.name for each in fields(StoredPredictions)]
    if missing := [name for name in names if name not in arrays and name not in _LATER]:
        raise RunError(f"{path} is damaged: it has no {', '.join(missing)}", hint=hint)
    examples = arrays.pop("examples")
    if examples.shape != () or examples.dtype.kind not in "iu" or examples < 0:
        raise RunError(f"{path} is damaged: examples is not a count", hint=hint)
    kept = StoredPredictions(int(examples), **{name: arrays[name] for name in names if name in arrays})
    if wrong := _wrong(kept):
        raise RunError(f"{path} is damaged: {wrong}", hint=hint)
    return kept


def find_misfit(kept: StoredPredictions, target: Target) -> str:
    """Return why stored predictions do not fit a model that predicts `target`; empty if they fit.

    Args:
        kept: The predictions from `read_predictions`.
        target: What the run's model predicts.
    """
    count = len(kept.rows)
    if target.kind == "input":
        return "" if kept.outputs.shape == (count,) else f"outputs has the shape {kept.outputs.shape}"
    if target.kind == "mask":
        return _find_mask_misfit(kept, target)
    if kept.outputs.shape != (count, target.size):
        return f"outputs has the shape {kept.outputs.shape} instead of {(count, target.size)}"
    if kept.naive.size not in (0, kept.outputs.size):
        return f"naive has the shape {kept.naive.shape}"
    each = {"classes": 1, "class_columns": len(target.class_counts)}.get(target.kind, target.size)
    if kept.target.size != count * each:
        return f"target has the shape {kept.target.shape} instead of {(count, each)}"
    if target.kind in ("classes", "class_columns"):
        # One bound for each class column, or a single one, which numpy applies to all.
        most = np.array(target.class_counts or (target.size,))
        if kept.target.dtype.kind not in "iub" or (kept.target < 0).any() or (kept.target >= most).any():
            return "target has classes that the model does not know"
    return ""


def _find_mask_misfit(kept: StoredPredictions, target: Target) -> str:
    """Return why stored predictions of masks do not fit the classes of the model; empty if they fit."""
    if kept.outputs.shape != (len(kept.rows), target.size**2) or (kept.outputs < 0).any():
        return f"outputs has the shape {kept.outputs.shape}, or negative counts"
    if (kept.predicted_masks >= target.size).any():
        return "predicted_masks has classes that the model does not know"
    if ((kept.masks >= target.size) & (kept.masks != IGNORED_CLASS)).any():
        return "masks has classes that the model does not know"
    return ""


def _writable(array: Array) -> Array:
    """Return texts without lone surrogates, which no page can encode; return any other array unchanged."""
    if array.dtype.kind != "U":
        return array
    return np.array([text.encode(errors="replace").decode() for text in array.reshape(-1).tolist()], np.str_).reshape(
        array.shape
    )


def _wrong(kept: StoredPredictions) -> str:
    """Return which arrays do not fit the others; empty if all do."""
    count, shown = len(kept.rows), len(kept.shown)
    columns = kept.columns.shape
    fits = {
        "rows": _is(kept.rows, "iu", 1) and 0 < count <= _MOST_ROWS,
        "outputs": _is(kept.outputs, "f", 1, 2) and len(kept.outputs) == count,
        "target": kept.target.size == 0 or (kept.target.dtype.kind in "biuf" and kept.target.shape[:1] == (count,)),
        "naive": kept.naive.size == 0 or (kept.naive.dtype.kind == "f" and kept.naive.shape[:1] == (count,)),
        "shown": _is(kept.shown, "iu", 1) and shown <= _MOST_SHOWN and _are_places(kept.shown, count),
        "pictures": _is_absent(kept.pictures) or _are_pictures(kept.pictures, shown),
        "reconstructions": _is_absent(kept.reconstructions) or kept.reconstructions.shape == kept.pictures.shape,
        "texts": kept.texts.size == 0 or (_is(kept.texts, "U", 1) and len(kept.texts) == shown),
        "columns": columns == (0,) or _is(kept.columns, "U", 1),
        "cells": kept.cells.size == 0 or (_is(kept.cells, "U", 2) and kept.cells.shape == (shown, *columns)),
        "importances": kept.importances.size == 0
        or (_is(kept.importances, "f", 1) and kept.importances.shape == columns),
        "importance_intervals": kept.importance_intervals.size == 0
        or (_is(kept.importance_intervals, "f", 2) and kept.importance_intervals.shape == (*columns, 2)),
        "measured": kept.measured.size == 0 or (_is(kept.measured, "iu", 1) and kept.measured.shape == (2,)),
        "dependence": kept.dependence.size == 0 or _is_dependence(kept),
        "measure": kept.measure.ndim == 0 or kept.measure.size == 0,
        "uncalibrated": kept.uncalibrated.size == 0
        or (_is(kept.uncalibrated, "f", 2) and kept.uncalibrated.shape == kept.outputs.shape),
        "times": kept.times.size == 0 or (_is(kept.times, "if", 1) and len(kept.times) == count),
        "sounds": kept.sounds.size == 0 or _are_sounds(kept),
        "masks": kept.masks.size == 0 or _are_masks(kept.masks, kept),
        "predicted_masks": kept.predicted_masks.shape == kept.masks.shape
        and (kept.masks.size == 0 or _are_masks(kept.predicted_masks, kept)),
        "weights": kept.weights.size == 0 or (_is(kept.weights, "f", 1) and len(kept.weights) == count),
    }
    return ", ".join(
        f"{name} has the shape {getattr(kept, name).shape} and the dtype {getattr(kept, name).dtype}"
        for name, is_right in fits.items()
        if not is_right
    )


def _is(array: Array, kinds: str, *ranks: int) -> bool:
    return array.dtype.kind in kinds and array.ndim in ranks


def _is_dependence(kept: StoredPredictions) -> bool:
    """Return whether the arrays of partial dependence fit each other."""
    if not _is(kept.dependence, "f", 3):
        return False
    columns, points, outputs = kept.dependence.shape
    wanted = {
        "dependence_points": ("f", (columns, points)),
        "dependence_names": ("U", (columns, points)),
        "dependence_values": ("f", (columns, *kept.dependence_values.shape[1:2])),
        "dependence_columns": ("U", (columns,)),
        "dependence_outputs": ("U", (outputs,)),
    }
    return all(
        (array := getattr(kept, name)).dtype.kind == kind and array.shape == shape
        for name, (kind, shape) in wanted.items()
    )


def _are_sounds(kept: StoredPredictions) -> bool:
    """Return whether there are recordings of the first shown examples, with a sampling rate."""
    rate = kept.sampling_rate
    is_rate = rate.shape == () and rate.dtype.kind in "iu" and 0 < int(rate) <= _HIGHEST_RATE
    sounds = kept.sounds
    return is_rate and sounds.ndim == 2 and sounds.dtype == np.int16 and len(sounds) <= len(kept.shown)


def _are_masks(masks: Array, kept: StoredPredictions) -> bool:
    """Return whether there is a mask of the size of its picture for each shown example."""
    return masks.dtype == np.uint8 and masks.shape == kept.pictures.shape[:3]


def _is_absent(array: Array) -> bool:
    return array.shape[:1] == (0,)


def _are_places(shown: Array, count: int) -> bool:
    return bool(((shown >= 0) & (shown < count)).all())


def _are_pictures(pictures: Array, shown: int) -> bool:
    """Return whether each shown example has an array: grey or colour bytes, or floats if it is not an image."""
    if 0 in pictures.shape or pictures.shape[:1] != (shown,) or pictures.ndim < 2 or pictures.dtype.kind not in "uf":
        return False
    return pictures.dtype.kind == "f" or (
        pictures.dtype == np.uint8 and pictures.ndim == _PICTURE_RANK and pictures.shape[-1] in (1, 3)
    )
