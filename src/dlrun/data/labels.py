"""Check the labels of every split, and convert them to class indices or values, with their target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.errors import DataError
from dlrun.signature import Target

Labels = npt.NDArray[Any]
Task = Literal["auto", "classification", "regression"]


@dataclass(frozen=True)
class NamedArray:
    """An array with its name for messages (`y_train in mnist.npz`), and the number of its first row."""

    name: str
    values: npt.NDArray[Any]
    first_row: int = 0

    def check_finite(self) -> None:
        """Check that all values are finite.

        Raises:
            DataError: A value is NaN or infinite; the error names the first row.
        """
        if self.values.dtype.kind != "f":
            return
        finite = np.isfinite(self.values).reshape(len(self.values), -1).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            bad = self.values[row][~np.isfinite(self.values[row])].flat[0] if self.values.ndim > 1 else self.values[row]
            count = int((~finite).sum())
            raise DataError(
                f"{self.name}: row {row + self.first_row} contains {bad}"
                + (
                    ""
                    if count == 1
                    else f", and {count - 1:,} more {'row has such a value' if count == 2 else 'rows have such values'}"
                ),
                expected="only finite numbers within the range of float32",
                hint="remove such rows, or replace the values, before saving the file",
            )


def is_classes(task: Task, dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[bool, str]:
    """Return whether labels are classes, and the reason.

    Args:
        task: Task of the spec.
        dtype: Data type of the stored labels.
        shape: Shape of the stored labels, including the axis of examples.
    """
    if task != "auto":
        return task == "classification", f"task: {task}"
    if dtype.kind == "f":
        return False, f"the target's dtype is {dtype} (task: classification to read it as classes)"
    if len(shape) > 1 and shape[1:] != (1,):
        return False, f"the target has {shape[1:]} numbers for each example (task: classification if they are one-hot)"
    return True, f"the target's dtype is {dtype} (task: regression to read it as a number)"


def class_targets(
    labels: Mapping[str, NamedArray], *, num_classes: int | None = None
) -> tuple[dict[str, npt.NDArray[np.int32]], Target]:
    """Return class indices for every split, and their target.

    Args:
        labels: Labels by split: whole numbers, or one-hot rows.
        num_classes: Number of classes; None if the training split contains all classes.

    Shape:
        labels: `(examples,)` or `(examples, 1)` for whole numbers; `(examples, classes)` for one-hot rows.

    Raises:
        DataError: A label is not a whole number, is negative, or is too large; or a class has no training example.
    """
    indices = {split: _class_indices(array) for split, array in labels.items()}
    size = num_classes or max(2, int(indices["train"].max()) + 1)
    for split, array in labels.items():
        outside = (indices[split] < 0) | (indices[split] >= size)
        if outside.any():
            row = int(np.argmax(outside))
            known = "the training split" if num_classes is None else f"num_classes: {num_classes}"
            raise DataError(
                f"{array.name}: row {row} has the label {indices[split][row]}",
                expected=f"labels from 0 to {size - 1}, according to {known}",
                hint="number the classes from 0" + ("; set num_classes for more" if num_classes is None else ""),
            )
    present = np.unique(indices["train"])
    if num_classes is None and len(present) < size:
        # The first len(present) + 5 numbers include at least five that are not labels, however high the labels are.
        absent = ", ".join(map(str, np.setdiff1d(np.arange(min(size, len(present) + 5)), present)[:5]))
        raise DataError(
            f"{labels['train'].name}: no example has the label {absent}; the labels are {_listed(present)}",
            expected=f"every label from 0 to {size - 1}",
            hint=f"number the classes 0, 1, 2, ... without gaps, or set num_classes: {size}",
        )
    return {split: values.astype(np.int32) for split, values in indices.items()}, Target("classes", size)


def _listed(labels: npt.NDArray[Any], *, most: int = 10) -> str:
    return ", ".join(map(str, labels[:most])) + (", ..." if len(labels) > most else "")


def value_targets(labels: Mapping[str, NamedArray]) -> tuple[dict[str, npt.NDArray[np.float32]], Target]:
    """Return values for every split, and their target.

    Raises:
        DataError: A value is not finite, or splits have different numbers of values per example.
    """
    values = {}
    for split, array in labels.items():
        with np.errstate(over="ignore"):  # a value too large for float32 becomes infinite, and is refused below
            flat = array.values.reshape(len(array.values), -1).astype(np.float32)
        NamedArray(array.name, flat).check_finite()
        values[split] = flat[:, 0] if flat.shape[1] == 1 else flat
    shapes = {values[split].shape[1:] for split in values}
    if len(shapes) > 1:
        counts = ", ".join(f"{array.name}: {array.values.shape[1:] or 1}" for array in labels.values())
        raise DataError(f"the splits have different numbers of target values per example ({counts})")
    size = int(np.prod(shapes.pop(), dtype=int))
    return values, Target("values", size, encoding="value")


def stored_targets(array: NamedArray, target: Target) -> Labels:
    """Return the labels of a file in the form of the target of a trained model.

    Args:
        array: Whole numbers, class names, one-hot rows, yes-or-no labels, or values in their own unit.
        target: Target of the model.

    Shape:
        array: `(n,)` or `(n, ...)`. Returns: the shape of `Split.target`.

    Raises:
        DataError: The model does not know a label.
    """
    if array.values.dtype.kind not in ("iufbU" if target.kind == "classes" else "iufb"):
        raise DataError(f"{array.name}: its labels have dtype {array.values.dtype}", expected="numbers")
    if target.kind == "classes":
        return _known_classes(array, target)
    with np.errstate(over="ignore"):
        values = array.values.reshape(len(array.values), -1).astype(np.float32)
    NamedArray(array.name, values, first_row=array.first_row).check_finite()
    if values.shape[1] != target.size:
        raise DataError(f"{array.name}: {values.shape[1]} numbers for each example", expected=f"{target.size}")
    if target.kind == "labels" and (wrong := (values != 0) & (values != 1)).any():
        row, column = (int(index) for index in np.argwhere(wrong)[0])
        what = f"{array.name}: row {row + array.first_row} contains {values[row, column]}"
        raise DataError(what, expected="0 or 1 for each label")
    return values[:, 0] if target.kind == "values" and target.size == 1 else values


def _known_classes(array: NamedArray, target: Target) -> Labels:
    if array.values.dtype.kind == "U":
        known = {name: index for index, name in enumerate(target.class_names)}
        names = array.values.reshape(len(array.values)).tolist()
        indices = np.array([known.get(name, -1) for name in names], np.int64)
        found: list[Any] = names
    else:
        indices = _class_indices(array)
        found = indices.tolist()
    outside = (indices < 0) | (indices >= target.size)
    if outside.any():
        row = int(np.argmax(outside))
        expected = f"a class from 0 to {target.size - 1}"
        if target.class_names:
            expected += f", or its name: {_listed(np.array(target.class_names, dtype=object))}"
        raise DataError(f"{array.name}: row {row + array.first_row} has the label {found[row]!r}", expected=expected)
    return indices.astype(np.int32)


def _class_indices(array: NamedArray) -> npt.NDArray[np.int64]:
    array.check_finite()
    values = array.values
    # An array `(examples, 1)` contains indices; only longer rows can be one-hot.
    if values.ndim > 1 and values[0].size > 1:
        return _one_hot_indices(array)
    values = values.reshape(len(values))
    whole = values.astype(np.int64)
    if values.dtype.kind == "f" and (whole != values).any():
        row = int(np.argmax(whole != values))
        raise DataError(
            f"{array.name}: row {row + array.first_row} has the label {values[row]}",
            expected="a whole number, the index of a class",
            hint="task: regression if labels are numbers to predict",
        )
    return whole


def _one_hot_indices(array: NamedArray) -> npt.NDArray[np.int64]:
    values = array.values
    good = np.zeros(len(values), dtype=bool)
    if values.ndim == 2:
        good = ((values == 0) | (values == 1)).all(axis=1) & (values.sum(axis=1) == 1)
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(
            f"{array.name}: row {row + array.first_row} has {values[row].size} numbers that are not one-hot",
            expected="one class index for each example, or rows with a single 1",
            hint="task: regression if they are numbers to predict",
        )
    return np.asarray(values.argmax(axis=1), np.int64)
