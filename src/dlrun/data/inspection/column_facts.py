"""Describe the columns of a dataset: kind, missing and distinct values, range, and most frequent categories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dlrun.data.inspection.column_values import ColumnValues, column_values
from dlrun.data.inspection.inspected import Inspected, sampled
from dlrun.data.series.input import SeriesInput
from dlrun.data.table.input import TableInput

_TOP = 4


@dataclass(frozen=True)
class ColumnFacts:
    """The facts of one column.

    Args:
        name: Name of the column.
        kind: Numeric, categorical, date or text.
        missing: Fraction of missing values in the file; None if unknown.
        distinct: Number of distinct values in the file; None if unknown or too many to count.
        low: Smallest number in a sample of training examples.
        mean: Mean of the sample, including replacements of missing values.
        high: Largest number of the sample.
        top: Most frequent categories of the sample, with their fractions.
    """

    name: str
    kind: str
    missing: float | None = None
    distinct: int | None = None
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    top: tuple[tuple[str, float], ...] = ()


def column_facts(inspected: Inspected) -> tuple[ColumnFacts, ...]:
    """Return the facts of every feature column; none for images, texts and sequences without column names."""
    raw = inspected.dataset.raw_input()
    found = {
        column.name: column
        for column in column_values(inspected.dataset, sampled(inspected.dataset.splits["train"].features))
    }
    if not isinstance(raw, TableInput | SeriesInput):
        return tuple(_described(column, column.kind, inspected) for column in found.values())
    facts = []
    for column in raw.columns:
        if column.name in found:
            facts.append(_described(found[column.name], column.kind, inspected))
        else:  # a text, or a date, which consists of several columns of numbers
            facts.append(ColumnFacts(column.name, column.kind, *_counted(column.name, inspected)))
    return tuple(facts)


def _described(column: ColumnValues, kind: str, inspected: Inspected) -> ColumnFacts:
    missing, distinct = _counted(column.name, inspected)
    if column.kind == "categorical":
        return ColumnFacts(column.name, kind, missing, distinct, top=tuple(_most_frequent(column)))
    known = column.values[~np.isnan(column.values)]
    if not len(known):
        return ColumnFacts(column.name, kind, missing, distinct)
    return ColumnFacts(
        column.name, kind, missing, distinct, float(known.min()), float(known.mean()), float(known.max())
    )


def _counted(name: str, inspected: Inspected) -> tuple[float | None, int | None]:
    files = inspected.columns
    return (files.missing(name), files.distinct(name)) if files is not None else (None, None)


def _most_frequent(column: ColumnValues) -> Iterator[tuple[str, float]]:
    shares = column.shares()
    for index in np.argsort(-shares, kind="stable")[:_TOP].tolist():
        if shares[index]:
            yield column.categories[index], float(shares[index])
