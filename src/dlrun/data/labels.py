"""From the stored labels of every split to the target: class indices and their number, or values; each checked."""

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
    """An array, what to call it in a message (`y_train in mnist.npz`), and which row of that its first one is."""

    name: str
    values: npt.NDArray[Any]
    first_row: int = 0

    def check_finite(self) -> None:
        """Refuse NaN and infinity.

        Raises:
            DataError: Names the first row that has one.
        """
        if self.values.dtype.kind != "f":
            return
        finite = np.isfinite(self.values).reshape(len(self.values), -1).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            bad = self.values[row][~np.isfinite(self.values[row])].flat[0] if self.values.ndim > 1 else self.values[row]
            count = int((~finite).sum())
            raise DataError(
                f"{self.name}: row {row + self.first_row} holds {bad}"
                + (f", and so do {count - 1:,} more rows" if count > 1 else ""),
                expected="a finite number everywhere (that float32 can hold)",
                hint="drop such rows, or fill them in, before saving the file",
            )


def is_classes(task: Task, dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[bool, str]:
    """Whether labels are classes, and the reason.

    Args:
        task: What the user says.
        dtype: Of the stored labels.
        shape: Of the stored labels, the examples' axis included.
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
    """Class indices for every split, and the target that they make up.

    Args:
        labels: By split; whole numbers `(examples,)` or `(examples, 1)`, or one-hot rows `(examples, classes)`.
        num_classes: How many classes there are; None: the training split has them all.

    Raises:
        DataError: A label is no whole number, is negative, is not below the number of classes; or a class has no
            training example.
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
                expected=f"labels from 0 to {size - 1}, by {known}",
                hint="number the classes from 0"
                + ("; a label beyond is read with num_classes" if num_classes is None else ""),
            )
    present = np.unique(indices["train"])
    if num_classes is None and len(present) < size:
        # Among the first len(present) + 5 numbers there are five that no label is, whatever the highest label.
        absent = ", ".join(map(str, np.setdiff1d(np.arange(min(size, len(present) + 5)), present)[:5]))
        raise DataError(
            f"{labels['train'].name}: no example has the label {absent}; there are the labels {_listed(present)}",
            expected=f"every label from 0 to {size - 1}",
            hint=f"number the classes 0, 1, 2, ... without gaps, or set num_classes: {size}",
        )
    return {split: values.astype(np.int32) for split, values in indices.items()}, Target("classes", size)


def _listed(labels: npt.NDArray[Any], *, most: int = 10) -> str:
    return ", ".join(map(str, labels[:most])) + (", ..." if len(labels) > most else "")


def value_targets(labels: Mapping[str, NamedArray]) -> tuple[dict[str, npt.NDArray[np.float32]], Target]:
    """Real numbers for every split, and the target that they make up.

    Raises:
        DataError: One is not finite, or splits differ in how many numbers an example has.
    """
    values = {}
    for split, array in labels.items():
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused as that
            flat = array.values.reshape(len(array.values), -1).astype(np.float32)
        NamedArray(array.name, flat).check_finite()
        values[split] = flat[:, 0] if flat.shape[1] == 1 else flat
    shapes = {values[split].shape[1:] for split in values}
    if len(shapes) > 1:
        said = ", ".join(f"{array.name}: {array.values.shape[1:] or 1}" for array in labels.values())
        raise DataError(f"the splits differ in how many numbers an example has to predict ({said})")
    size = int(np.prod(shapes.pop(), dtype=int))
    return values, Target("values", size, encoding="value")


def stored_targets(array: NamedArray, target: Target) -> Labels:
    """Labels of a file as the target of a model that is trained already.

    Args:
        array: Whole numbers, names of classes, one-hot rows, yes-or-no labels, or values in their own unit.
        target: What the model predicts.

    Shape:
        array: `(n,)` or `(n, ...)`. Returns: as `Split.target` holds it.

    Raises:
        DataError: A label is none of the model's.
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
        said = f"{array.name}: row {row + array.first_row} holds {values[row, column]}"
        raise DataError(said, expected="0 or 1 for each label")
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
    if values.ndim > 1 and values[0].size > 1:
        return _one_hot_indices(array)
    values = values.reshape(len(values))
    whole = values.astype(np.int64)
    if values.dtype.kind == "f" and (whole != values).any():
        row = int(np.argmax(whole != values))
        raise DataError(
            f"{array.name}: row {row + array.first_row} has the label {values[row]}",
            expected="a whole number, the index of a class",
            hint="task: regression, if it is a number to predict",
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
            hint="task: regression, if they are numbers to predict",
        )
    return np.asarray(values.argmax(axis=1), np.int64)
