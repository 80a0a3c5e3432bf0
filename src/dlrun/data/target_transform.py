"""Fit the transformation of a target with heavy tails to the training split, and refuse values that it cannot take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.dataset import Dataset
from dlrun.errors import DataError
from dlrun.monotone import MonotoneCurve, normal_scores
from dlrun.signature import Target, Transform
from dlrun.value_transform import transform_values

Array = npt.NDArray[Any]


def transform_target(dataset: Dataset, transform: Transform) -> Dataset:
    """Return a dataset whose target is learned transformed and standardized.

    The splits keep the values in the unit of the data.

    Args:
        dataset: The loaded dataset. A target that does not consist of numbers is returned unchanged.
        transform: The transformation of the spec.

    Raises:
        DataError: A value is not in the range of the transformation, or all training values are equal.
    """
    target, values = dataset.target, dataset.splits["train"].target
    if transform == "none" or target is None or target.kind != "values" or values is None:
        return dataset
    for name, split in dataset.splits.items():
        if split.target is not None:
            check_transformable(split.target, target.output_names, transform, place=_in_split(dataset.name, name))
    fitted = fit_transform(values, target, transform)
    names = ", ".join(target.output_names[:3]) + (", ..." if target.size > 3 else "")
    how = "log(1 + value)" if transform == "log1p" else f"normal scores of {len(fitted.curves[0].x):,} quantiles"
    note = f"target_transform: {names} is learned as {how}; predictions and metrics are in the unit of the data"
    return replace(dataset, target=fitted, notes=(*dataset.notes, note))


def fit_transform(values: Array, target: Target, transform: Transform) -> Target:
    """Return a target with a transformation that is fitted to the values of the training split.

    Args:
        values: The values of the training split, in the unit of the data.
        target: The target.
        transform: `log1p` or `quantile`.

    Shape:
        values: `(examples,)` or `(examples, size)`.

    Raises:
        DataError: All values are equal.
    """
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    curves: tuple[MonotoneCurve, ...] = ()
    if transform == "quantile":
        for name, column in zip(target.output_names, flat.T, strict=True):
            if np.float32(column.min()) == np.float32(column.max()):
                what = f"the target {name!r} is {column[0]:g} in every training example"
                raise DataError(what, expected="different values for target_transform: quantile")
        curves = tuple(normal_scores(column) for column in flat.T)
    fitted = replace(target, transform=transform, curves=curves)
    learned = transform_values(flat, fitted)
    mean, scale = learned.mean(axis=0), learned.std(axis=0)
    scale[scale == 0] = 1.0
    return replace(fitted, mean=tuple(mean.tolist()), scale=tuple(scale.tolist()))


def check_transformable(
    values: Array, names: tuple[str, ...], transform: Transform, *, place: Callable[[int], str]
) -> None:
    """Check that a transformation is defined for values of a target.

    Args:
        values: The values in the unit of the data; missing ones are ignored.
        names: The name of each value.
        transform: The transformation.
        place: Function that returns the place of a row for messages.

    Shape:
        values: `(rows,)` or `(rows, len(names))`.

    Raises:
        DataError: A value is out of the range of the transformation.
    """
    if transform != "log1p":
        return
    flat = values.reshape(len(values), -1)
    wrong = flat <= -1
    if not wrong.any():
        return
    row, column = (int(each) for each in np.argwhere(wrong)[0])
    count = int(wrong.any(axis=1).sum())
    more = f", and {count - 1:,} more rows have such values" if count > 1 else ""
    raise DataError(
        f"{place(row)}: the target {names[column]!r} is {flat[row, column]:g}, which has no log(1 + value){more}",
        expected="values above -1 for target_transform: log1p",
        hint="target_transform: quantile, which takes any numbers",
    )


def _in_split(dataset: str, split: str) -> Callable[[int], str]:
    return lambda row: f"{dataset}: example {row + 1:,} of the {split} split"
