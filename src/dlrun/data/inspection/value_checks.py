"""Check stored numbers: NaN, large values, outliers, and differences between splits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.dates import PARTS
from dlrun.data.dataset import Dataset
from dlrun.data.inspection.column_values import ColumnValues, column_values
from dlrun.data.inspection.finding import Finding, named
from dlrun.data.inspection.inspected import Inspected, distinct_splits, sampled
from dlrun.data.mapped import blocks
from dlrun.data.series.source import Series

UNSCALED = 10.0
"""Magnitude of an input above which a network learns slowly or not at all."""

FAR_OFF = 20.0
"""Number of standard deviations from the mean above which a value is probably a mistake or a code."""

DRIFT = 0.25
"""Difference of two splits above which they differ: of means in standard deviations, or of category fractions."""

_SURE = 4.0
_FEW = 2
Array = npt.NDArray[Any]


def check_nan(inspected: Inspected) -> Iterator[Finding]:
    """Find NaN and infinity in the stored numbers of every split."""
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
            found = f"{bad:,} {name} examples contain NaN or infinity, the first is number {first}"
            yield Finding("failure", f"NaN {name}", found, "none", "replace them, or remove such rows from the file")
        else:
            yield Finding("pass", f"NaN {name}", f"none in {len(split):,} examples", "none")


def check_range(inspected: Inspected) -> Iterator[Finding]:
    """Check the range of the numbers that the network gets."""
    given = _as_given(inspected.dataset)
    if given is None:
        return
    threshold = f"between -{UNSCALED:.0f} and {UNSCALED:.0f}"
    values, is_standardized = given
    if is_standardized:
        yield Finding("pass", "range", "numbers are standardized to mean 0 and variance 1", threshold)
        return
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    found = f"the network gets values from {low:.4g} to {high:.4g}"
    if max(abs(low), abs(high)) <= UNSCALED:
        yield Finding("pass", "range", found, threshold)
    else:
        yield Finding("warning", "range", found, threshold, "dataset: {standardize: true}")


def check_far_off(inspected: Inspected) -> Iterator[Finding]:
    """Find columns with a value far from all others."""
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
            far.append(f"{column.name} ({value:.6g} is {distance:.0f} standard deviations from the mean)")
    threshold = f"{FAR_OFF:.0f} standard deviations from the mean"
    if far:
        advice = "list codes of missing values (-999, 9999) under also_missing; remove mistakes from the file"
        yield Finding("warning", "far-off values", named(far), threshold, advice)
    else:
        yield Finding("pass", "far-off values", f"none in {len(numeric):,} columns", threshold)


def check_drift(inspected: Inspected) -> Iterator[Finding]:
    """Find columns whose means or category fractions differ between training and another split."""
    splits, times = distinct_splits(inspected), _times(inspected)
    train = [c for c in column_values(inspected.dataset, sampled(splits["train"].features)) if c.name not in times]
    for name, split in splits.items():
        if name == "train" or not train or not len(split):
            continue
        others = [c for c in column_values(inspected.dataset, sampled(split.features)) if c.name not in times]
        shifts = {mine.name: _shift(mine, other) for mine, other in zip(train, others, strict=True)}
        moved = sorted(((by, column) for column, (by, sure) in shifts.items() if by > DRIFT and sure), reverse=True)
        threshold = f"{DRIFT} standard deviations of a mean, or {DRIFT} of category fractions, and more than chance"
        if moved:
            found = named([f"{column} ({by:.2f})" for by, column in moved])
            advice = f"the {name} split differs from training, for example in time or place; its scores show the effect"
            yield Finding("warning", f"drift {name}", found, threshold, advice)
        else:
            most = max(shifts, key=lambda column: shifts[column][0])
            chance = ", which may be chance with so few examples" if shifts[most][0] > DRIFT else ""
            found = f"the largest difference of {len(shifts):,} columns is {shifts[most][0]:.2f} in {most}{chance}"
            yield Finding("pass", f"drift {name}", found, threshold)


def _times(inspected: Inspected) -> set[str]:
    """Return the time columns of a series, including all parts of dates, which always differ between splits."""
    if not isinstance(inspected.source, Series):
        return set()
    columns = inspected.dataset.raw_input().columns  # type: ignore[attr-defined]  # of a series
    dates = {f"{column.name} ({part})" for column in columns if column.kind == "date" for part in PARTS}
    return {*inspected.source.times, *dates}


def _without_usual(values: Array) -> Array:
    """Return the values without one that makes up more than half of them, such as 0 mm of rain in most hours."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) > _FEW and counts.max() > len(values) / 2:
        return np.asarray(values[values != distinct[counts.argmax()]])
    return values


def _shift(mine: ColumnValues, other: ColumnValues) -> tuple[float, bool]:
    """Return the difference of a column between two splits, and whether it is more than chance.

    Formula:
        For numbers, |mean - mean'| / s with the standard deviation s of training; for categories, sum |p - p'| / 2. By
        chance, the first is about sqrt(1/n + 1/n'), and the second sum sqrt(p (1 - p) (1/n + 1/n')) / 2.
    """
    spread = 1 / max(1, len(mine.values)) + 1 / max(1, len(other.values))
    if mine.kind == "categorical":
        size = max(int(mine.values.max()), int(other.values.max())) + 1
        p, q = mine.shares(size=size), other.shares(size=size)
        both = (p + q) / 2
        chance = np.sqrt(both * (1 - both) * spread)
        # With two categories, both differences are the same, so chance exceeds the lower bound for many categories.
        sure = _SURE if np.count_nonzero(both) <= _FEW else _SURE / 2
        return float(np.abs(p - q).sum() / 2), bool(np.abs(p - q).sum() > sure * chance.sum())
    # A constant column has no deviation; its difference is then in its own unit.
    deviation = float(np.nanstd(mine.values)) or 1.0
    by = abs(float(np.nanmean(mine.values)) - float(np.nanmean(other.values))) / deviation
    return by, by > _SURE * spread**0.5


def _as_given(dataset: Dataset) -> tuple[Array, bool] | None:
    """Return a sample of the numbers for the network, and whether they are standardized; None for ids and words."""
    values = dataset.preprocess.numeric_values(sampled(dataset.splits["train"].features))
    return None if values is None else (values, dataset.preprocess.is_standardized)


def _numbered(array: Array) -> Iterator[tuple[int, Array]]:
    start = 0
    for block in blocks(array):
        yield start, block
        start += len(block)
