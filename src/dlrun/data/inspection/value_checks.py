"""Stored numbers: NaN, values that a network finds large, values far from all others, and splits that differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.dates import PARTS
from dlrun.data.dataset import Dataset
from dlrun.data.inspection.column_values import ColumnValues, column_values
from dlrun.data.inspection.finding import Finding, named
from dlrun.data.inspection.inspected import Inspected, blocks, distinct_splits, sampled
from dlrun.data.series.source import Series

UNSCALED = 10.0
"""Size of a number that a network is given, above which it learns slowly or not at all."""

FAR_OFF = 20.0
"""Standard deviations from the mean, above which a value is likely a mistake, or a code for something else."""

DRIFT = 0.25
"""Difference of two splits' means in standard deviations, or of their categories' shares, above which they differ."""

_SURE = 4.0
_FEW = 2
Array = npt.NDArray[Any]


def check_nan(inspected: Inspected) -> Iterator[Finding]:
    """NaN and infinity in the stored numbers of every split."""
    for name, split in distinct_splits(inspected).items():
        if split.features.dtype.kind != "f":
            continue
        bad, first = 0, None
        for start, block in _numbered(split.features):
            rows = ~np.isfinite(block).reshape(len(block), -1).all(axis=1)
            if rows.any():
                first = start + int(np.argmax(rows)) if first is None else first
                bad += int(rows.sum())
        if bad:
            said = f"{bad:,} {name} examples hold NaN or infinity, the first is number {first}"
            yield Finding("failure", f"NaN {name}", said, "none", "fill them in, or drop such rows from the file")
        else:
            yield Finding("pass", f"NaN {name}", f"none in {len(split):,} examples", "none")


def check_range(inspected: Inspected) -> Iterator[Finding]:
    """Numbers that reach the network unscaled."""
    given = _as_given(inspected.dataset)
    if given is None:
        return
    threshold = f"within {UNSCALED:.0f} either way"
    values, is_standardized = given
    if is_standardized:
        yield Finding("pass", "range", "numbers are brought to mean 0 and variance 1", threshold)
        return
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    said = f"the network is given values from {low:.4g} to {high:.4g}"
    if max(abs(low), abs(high)) <= UNSCALED:
        yield Finding("pass", "range", said, threshold)
    else:
        yield Finding("warning", "range", said, threshold, "dataset: {standardize: true}")


def check_far_off(inspected: Inspected) -> Iterator[Finding]:
    """Columns with a value far from all others."""
    columns = column_values(inspected.dataset, sampled(inspected.dataset.splits["train"].features))
    numeric = [column for column in columns if column.kind == "numeric"]
    if not numeric:
        return
    far = []
    for column in numeric:
        values = _without_usual(column.values[np.isfinite(column.values)])
        deviation = float(values.std()) if len(values) else 0.0
        if deviation and (distance := float(np.abs(values - values.mean()).max()) / deviation) > FAR_OFF:
            value = values[np.abs(values - values.mean()).argmax()]
            far.append(f"{column.name} ({value:.6g} is {distance:.0f} standard deviations off)")
    threshold = f"{FAR_OFF:.0f} standard deviations from the mean"
    if far:
        advice = "a code for missing (-999, 9999) belongs under missing_values; a mistake has to leave the file"
        yield Finding("warning", "far-off values", named(far), threshold, advice)
    else:
        yield Finding("pass", "far-off values", f"none in {len(numeric):,} columns", threshold)


def check_drift(inspected: Inspected) -> Iterator[Finding]:
    """Columns whose mean, or whose categories' shares, differ between training and another split."""
    splits, times = distinct_splits(inspected), _times(inspected)
    train = [c for c in column_values(inspected.dataset, sampled(splits["train"].features)) if c.name not in times]
    for name, split in splits.items():
        if name == "train" or not train or not len(split):
            continue
        others = [c for c in column_values(inspected.dataset, sampled(split.features)) if c.name not in times]
        shifts = {mine.name: _shift(mine, other) for mine, other in zip(train, others, strict=True)}
        moved = sorted(((by, column) for column, (by, sure) in shifts.items() if by > DRIFT and sure), reverse=True)
        threshold = f"{DRIFT} standard deviations of a mean, or of the shares of categories, and more than chance"
        if moved:
            said = named([f"{column} ({by:.2f})" for by, column in moved])
            advice = f"the {name} split is of another time or place than training: its scores say how much that costs"
            yield Finding("warning", f"drift {name}", said, threshold, advice)
        else:
            most = max(shifts, key=lambda column: shifts[column][0])
            chance = ", which is chance among so few examples" if shifts[most][0] > DRIFT else ""
            said = f"the largest of {len(shifts):,} columns is {most} with {shifts[most][0]:.2f}{chance}"
            yield Finding("pass", f"drift {name}", said, threshold)


def _times(inspected: Inspected) -> set[str]:
    """The columns of a series' time, which is another in every split; of its dates every part."""
    if not isinstance(inspected.source, Series):
        return set()
    columns = inspected.dataset.raw_input().columns  # type: ignore[attr-defined]  # of a series
    dates = {f"{column.name} ({part})" for column in columns if column.kind == "date" for part in PARTS}
    return {*inspected.source.times, *dates}


def _without_usual(values: Array) -> Array:
    """The values but for one that more than half of them are: of hours without rain nothing is known about rain."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) > _FEW and counts.max() > len(values) / 2:
        return np.asarray(values[values != distinct[counts.argmax()]])
    return values


def _shift(mine: ColumnValues, other: ColumnValues) -> tuple[float, bool]:
    """How much two splits' values of a column differ, and whether that is more than chance.

    Formula:
        |mean - mean'| / s of numbers, s of training; sum |p - p'| / 2 of categories. By chance the first is about
        sqrt(1/n + 1/n'), the second sum sqrt(p (1 - p) (1/n + 1/n')) / 2.
    """
    spread = 1 / max(1, len(mine.values)) + 1 / max(1, len(other.values))
    if mine.kind == "categorical":
        size = max(int(mine.values.max()), int(other.values.max())) + 1
        p, q = mine.shares(size=size), other.shares(size=size)
        both = (p + q) / 2
        chance = np.sqrt(both * (1 - both) * spread)
        # Two categories are one difference twice, for which half the bound of many is exceeded by chance.
        sure = _SURE if np.count_nonzero(both) <= _FEW else _SURE / 2
        return float(np.abs(p - q).sum() / 2), bool(np.abs(p - q).sum() > sure * chance.sum())
    deviation = float(np.nanstd(mine.values)) or 1.0
    by = abs(float(np.nanmean(mine.values)) - float(np.nanmean(other.values))) / deviation
    return by, by > _SURE * spread**0.5


def _as_given(dataset: Dataset) -> tuple[Array, bool] | None:
    """A sample of the numbers that the network is given, and whether they are standardized; None for ids and words."""
    values = dataset.preprocess.numeric_values(sampled(dataset.splits["train"].features))
    return None if values is None else (values, dataset.preprocess.is_standardized)


def _numbered(array: Array) -> Iterator[tuple[int, Array]]:
    start = 0
    for block in blocks(array):
        yield start, block
        start += len(block)
