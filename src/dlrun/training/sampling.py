"""Select and predict the examples that the report of a run shows: a sample of a split, and its worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data import Split
from dlrun.data.audio.preprocess import AudioPreprocess
from dlrun.runs.predictions import StoredPredictions
from dlrun.scoring.deciding import decide
from dlrun.scoring.masks import confusion_counts, counts_of, mean_iou
from dlrun.signature import Target
from dlrun.training.predictor import Predictor
from dlrun.training.setup import TrainingSetup

Array = npt.NDArray[Any]

MOST_EXAMPLES = 10_000
_MOST_BYTES = 1 << 25
_SHOWN = 12
_LONGEST_TEXT, _LONGEST_CELL = 600, 200
_MOST_FEATURES = 100
_MOST_SOUND_BYTES = 3 << 20
_MOST_MASK_BYTES = 1 << 27
"""Bytes that the shown images and their masks may take in the file of predictions, which has to be read at once."""
_IMAGE_RANK = 4
_NOTHING: Array = np.zeros(0, np.float32)


def sample_predictions(setup: TrainingSetup, split: str, predictor: Predictor) -> StoredPredictions:
    """Predict a split, or an even sample of a large one.

    Args:
        setup: The training setup of the run, with the final weights.
        split: The name of the split.
        predictor: The predictor of that model.

    Returns:
        The predictions, with the examples that the report shows.
    """
    examples, target, naive = setup.dataset.splits[split], setup.target, setup.dataset.naive.get(split)
    # An output is a float32 of four bytes; with many classes, fewer examples fit.
    numbers = target.size**2 if target.kind == "mask" else target.size
    most = max(1, min(MOST_EXAMPLES, _MOST_BYTES // (4 * numbers)))
    rows = even_sample(len(examples), most=most, in_a_row=naive is not None)
    part = examples.take(rows)
    if target.kind == "input":
        return _of_autoencoder(part, rows, setup, predictor, total=len(examples))
    if target.kind == "mask":
        return _of_masks(part, rows, setup, predictor, total=len(examples))
    outputs = predictor(part.features)
    truth = _NOTHING if part.target is None else part.target
    shown = _worst(outputs, truth, target)
    columns = measured_columns(setup)
    times = setup.dataset.times.get(split)
    is_calibrated = target.decision is not None and target.decision.calibration != "none"
    return StoredPredictions(
        examples=len(examples),
        rows=rows,
        outputs=outputs,
        target=truth,
        naive=_NOTHING if naive is None else naive[rows],
        shown=shown,
        pictures=_pictures(part.features[shown], setup, predictor),
        reconstructions=_NOTHING,
        texts=_texts(part, shown, setup),
        columns=np.array(list(columns), np.str_) if columns else _NOTHING,
        cells=_cells(part, shown, setup, list(columns)),
        times=_NOTHING if times is None else times[rows],
        weights=_NOTHING if part.weight is None else part.weight,
        uncalibrated=setup.decided_by(None).predictor()(part.features) if is_calibrated else _NOTHING,
        **_sounds(part.features[shown], setup),
    )


def measured_columns(setup: TrainingSetup) -> Mapping[str, tuple[int, ...]]:
    """Return the positions of the values of each column of a table, or of each feature of a vector."""
    columns = setup.dataset.raw_input().columns_of_stored()
    width = setup.dataset.features.shape[-1]
    if columns or setup.dataset.features.kind != "vector" or width > _MOST_FEATURES:
        return columns
    return {f"feature {place}": (place,) for place in range(width)}


def _of_autoencoder(
    part: Split, rows: Array, setup: TrainingSetup, predictor: Predictor, *, total: int
) -> StoredPredictions:
    errors = predictor.reconstruction_errors(part.features)
    order = np.argsort(errors)
    # Show the best, some in between, and the worst: what the model has learnt, and what it has not.
    shown = order[np.unique(np.linspace(0, len(order) - 1, _SHOWN).astype(int))]
    features, reconstructions = predictor.features(part.features[shown]), predictor(part.features[shown])
    low, high = float(features.min()), float(features.max())
    shown_as = setup.dataset.preprocess.pictured
    pictures, again = (
        _as_bytes(shown_as(values), low, high) if values.ndim == _IMAGE_RANK else values
        for values in (features, reconstructions)
    )
    sounds = _sounds(part.features[shown], setup)
    return StoredPredictions(total, rows, errors, _NOTHING, _NOTHING, shown, pictures, again, _NOTHING, **sounds)


def _of_masks(part: Split, rows: Array, setup: TrainingSetup, predictor: Predictor, *, total: int) -> StoredPredictions:
    size, truth = setup.target.size, np.asarray(part.target)
    counts = np.zeros((0, size * size))
    for start in range(0, len(rows), predictor.batch_size):  # only a batch of masks at a time
        these = slice(start, start + predictor.batch_size)
        found = confusion_counts(truth[these], predictor.masks(part.features[these]), size)
        counts = np.concatenate([counts, found])
    scores = mean_iou(counts_of(counts.reshape(-1, size, size)))
    # Three channels at most, and two masks.
    most = max(1, min(_SHOWN, _MOST_MASK_BYTES // (5 * truth[0].size)))
    shown = np.argsort(scores, kind="stable")[:most]
    return StoredPredictions(
        examples=total,
        rows=rows,
        outputs=counts.astype(np.float32),
        target=_NOTHING,
        naive=_NOTHING,
        shown=shown,
        pictures=_pictures(part.features[shown], setup, predictor),
        reconstructions=_NOTHING,
        texts=_texts(part, shown, setup),
        weights=_NOTHING if part.weight is None else part.weight,
        masks=truth[shown],
        predicted_masks=predictor.masks(part.features[shown]),
    )


def even_sample(total: int, *, most: int, in_a_row: bool = False) -> Array:
    """Return the positions of at most `most` examples, evenly spaced, or the first ones in a row."""
    count = min(total, most)
    if in_a_row:  # a forecast is shown as a curve, which needs consecutive rows
        return np.arange(count)
    return np.linspace(0, total - 1, count).astype(np.int64)


def _worst(outputs: Array, truth: Array, target: Target) -> Array:
    """Return the positions of the worst predictions: the most confident mistakes, or the largest errors."""
    if not truth.size:
        return np.zeros(0, np.int64)
    if target.kind == "classes":
        chosen = decide(outputs, target)
        wrong = np.flatnonzero(chosen != truth)
        by = outputs[wrong, chosen[wrong]]
        return wrong[np.argsort(-by, kind="stable")][:_SHOWN]
    if target.kind == "class_columns":
        rows, surest = np.arange(len(outputs)), np.zeros(len(outputs))
        for number, part in enumerate(target.parts):
            own = outputs[:, part.places]
            surest = np.maximum(surest, own.max(axis=1) - own[rows, truth[:, number]])
        return np.argsort(-surest, kind="stable")[: min(_SHOWN, np.count_nonzero(surest))]
    errors = np.abs(outputs - truth.reshape(outputs.shape)).max(axis=1)
    return np.argsort(-errors, kind="stable")[:_SHOWN]


def _sounds(stored: Array, setup: TrainingSetup) -> dict[str, Array]:
    """Return as many of the shown recordings as a report may embed, without the silence behind the longest of them."""
    preprocess = setup.dataset.preprocess
    if not isinstance(preprocess, AudioPreprocess) or not len(stored):
        return {}
    heard = stored[: max(1, _MOST_SOUND_BYTES // stored[0].nbytes)]
    last = int(np.flatnonzero(heard.any(axis=0)).max(initial=0)) + 1
    if heard[:, :last].nbytes > _MOST_SOUND_BYTES:  # a single recording may be longer than all may be together
        last = _MOST_SOUND_BYTES // heard.itemsize
    return {"sounds": heard[:, :last], "sampling_rate": np.array(preprocess.spectrogram.sampling_rate)}


def _pictures(stored: Array, setup: TrainingSetup, predictor: Predictor) -> Array:
    if setup.dataset.features.kind != "image" or not len(stored):
        return _NOTHING
    if isinstance(setup.dataset.preprocess, AudioPreprocess):
        return _as_bytes(setup.dataset.preprocess.pictured(predictor.features(stored)), 0.0, 1.0)
    # Scale as the network sees it: a stored 16 may mean white. Standardized images are shown by their own range.
    scaled = stored * np.float32(getattr(setup.dataset.preprocess, "scale", 1.0))
    if scaled.min() >= 0 and scaled.max() <= 1:
        return _as_bytes(scaled, 0.0, 1.0)
    return _as_bytes(stored, float(stored.min()), float(stored.max()))


def _as_bytes(values: Array, low: float, high: float) -> Array:
    span = high - low or 1.0
    return np.clip((values - low) * 255 / span, 0, 255).round().astype(np.uint8)


def _cells(part: Split, shown: Array, setup: TrainingSetup, columns: Sequence[str]) -> Array:
    """Return the values of the shown examples, by column."""
    if not columns or not len(shown):
        return _NOTHING
    raw = setup.dataset.raw_input()
    rows = [raw.shown(row) or _numbers(row, columns) for row in part.features[shown]]
    return np.array([[row.get(column, "")[:_LONGEST_CELL] for column in columns] for row in rows], np.str_)


def _numbers(row: Array, columns: Sequence[str]) -> Mapping[str, str]:
    return {column: f"{value:.4g}" for column, value in zip(columns, row.reshape(-1).tolist(), strict=True)}


def _texts(part: Split, shown: Array, setup: TrainingSetup) -> Array:
    if part.origins is not None:
        texts = [str(text) for text in part.origins[shown]]
    else:
        raw = setup.dataset.raw_input()
        texts = [
            ", ".join(f"{name}: {value}" for name, value in raw.shown(row).items()) for row in part.features[shown]
        ]
    return np.array([text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "..." for text in texts], np.str_)
