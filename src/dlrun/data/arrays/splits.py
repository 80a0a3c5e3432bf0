"""Read the splits of an npz file, and check the length of every array, every row and every label."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlrun.data.arrays.keys import SplitKeys
from dlrun.data.arrays.layout import FeatureLayout
from dlrun.data.files.npz import NpzFile
from dlrun.data.labels import NamedArray, Task, class_targets, is_classes, value_targets
from dlrun.data.splits import Array, Split
from dlrun.errors import DataError
from dlrun.signature import Target

_LARGEST_TOKEN = 2**31 - 2  # the vocabulary size is one more, and must fit int32, too


def read_splits(
    file: NpzFile, keys: Mapping[str, SplitKeys], layout: FeatureLayout, *, task: Task, num_classes: int | None
) -> tuple[dict[str, Split], Target | None, tuple[str, ...]]:
    """Read the arrays of every split.

    Args:
        file: The file.
        keys: Names of the arrays of each split.
        layout: How to read features.
        task: Task of the spec.
        num_classes: Number of classes; None to derive it from the training labels.

    Returns:
        The splits, the target of their labels, and a note for each choice.

    Raises:
        DataError: An array is missing or damaged, lengths differ, a value is not finite, or a label is not a class.
    """
    features = {name: _read_features(file, split.features, layout) for name, split in keys.items()}
    weights = {name: _read_weights(file, split) for name, split in keys.items()}
    labels = {name: _read_labels(file, split) for name, split in keys.items() if split.target}
    targets: Mapping[str, Array] = {}
    target, notes = None, ()  # type: Target | None, tuple[str, ...]
    if labels:
        without = [name for name in keys if name not in labels]
        if without:
            what = f"the {without[0]} split has no labels, but the {next(iter(labels))} split has"
            raise DataError(f"{file.path}: {what}", expected="a target for every split, or for none")
        train = labels["train"].values
        classes, why = is_classes(task, train.dtype, train.shape)
        targets, target = class_targets(labels, num_classes=num_classes) if classes else value_targets(labels)
        kind = f"{target.size} classes" if classes else "numbers" if target.size > 1 else "a number"
        notes = (f"target: {kind}, because {why}",)
    return {name: Split(features[name], targets.get(name), weights[name]) for name in keys}, target, notes


def _read_features(file: NpzFile, key: str, layout: FeatureLayout) -> Array:
    shape = file.header(key).shape[1:]
    if layout.shape_of(shape) != layout.raw_shape:
        raise DataError(
            f"{file.named(key)}: one example has shape {shape}",
            expected=f"{layout.raw_shape}, as in the training split",
        )
    stored = file.array(key)
    if layout.kind == "tokens":
        _check_tokens(stored, name=file.named(key))
    kept = layout.kept(stored)
    NamedArray(file.named(key), kept).check_finite()
    return kept


def _check_tokens(stored: Array, *, name: str) -> None:
    # Check before the conversion to int32, in which a larger id would wrap around to another token.
    outside = (stored < 0) | (stored > _LARGEST_TOKEN)
    if outside.any():
        row, column = (int(index) for index in np.unravel_index(int(np.argmax(outside)), stored.shape))
        found = f"{'negative ' if stored[row, column] < 0 else ''}token id {stored[row, column]}"
        raise DataError(f"{name}: row {row} contains the {found}", expected=f"from 0 to {_LARGEST_TOKEN}")


def _read_labels(file: NpzFile, keys: SplitKeys) -> NamedArray:
    key = keys.target or ""
    _check_length(file, key, keys)
    return NamedArray(file.named(key), file.array(key))


def _read_weights(file: NpzFile, keys: SplitKeys) -> Array | None:
    key = keys.sample_weight
    if key is None:
        return None
    _check_length(file, key, keys)
    weights = file.array(key).astype(np.float32)
    NamedArray(file.named(key), weights).check_finite()
    if weights.ndim > 1 or (weights < 0).any():
        what = f"has shape {weights.shape}" if weights.ndim > 1 else f"row {int(np.argmax(weights < 0))} is negative"
        raise DataError(f"{file.named(key)}: {what}", expected="one weight of 0 or more for each example")
    return weights


def _check_length(file: NpzFile, key: str, keys: SplitKeys) -> None:
    found, expected = len(file.header(key)), len(file.header(keys.features))
    if found != expected:
        raise DataError(
            f"{file.named(key)} has {found:,} rows", expected=f"{expected:,}, as many as {keys.features} has"
        )
