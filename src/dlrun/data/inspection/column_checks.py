"""Find columns without information: with a single value, with many missing values, or with ids."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dlrun.data.inspection.column_values import ColumnValues, column_values
from dlrun.data.inspection.finding import Finding, named, percent
from dlrun.data.inspection.inspected import Inspected, sampled

ALMOST_CONSTANT = 0.995
"""Fraction of training examples with the same value from which on a column is almost constant."""

MUCH_MISSING = 0.3
"""Fraction of missing values above which the replacements dominate the known values."""

LIKE_IDS = 0.5
"""Number of distinct categories relative to the number of rows above which a column is almost an id."""


def check_constant(inspected: Inspected) -> Iterator[Finding]:
    """Find columns in which all or nearly all examples have the same value."""
    columns = column_values(inspected.dataset, sampled(inspected.dataset.splits["train"].features))
    if not columns:
        return
    # Parts of dates may well be constant: the hour of a date without a time is always 0.
    found = [(column.name, _largest_share(column)) for column in columns if not column.name.endswith(")")]
    almost = [f"{name} ({share:.2%} one value)" for name, share in found if share >= ALMOST_CONSTANT]
    threshold = f"no value in {ALMOST_CONSTANT:.1%} of the training examples or more"
    constant = [f"{name} (only one value, left out)" for name in _left_out(inspected, "same value")]
    constant += [f"{name} (no values, left out)" for name in _left_out(inspected, "every value is missing")]
    constant += almost
    if constant:
        advice = f"ignore: [{', '.join(name for name, share in found if share >= ALMOST_CONSTANT)}]" if almost else ""
        if inspected.columns is None or not almost:
            advice = "remove them from the file: they cost time and contain no information"
        yield Finding("warning", "constant columns", named(constant), threshold, advice)
    else:
        yield Finding("pass", "constant columns", f"none of {len(found):,}", threshold)


def check_missing(inspected: Inspected) -> Iterator[Finding]:
    """Find columns with many missing values."""
    files = inspected.columns
    if files is None:
        return
    # Columns without any value are reported as constant; gaps in a column that is left out do not matter.
    shares = {name: files.missing(name) or 0.0 for name in files.surveys if name not in files.left_out}
    if not shares:
        return
    much = {name: f"{name} ({percent(share)})" for name, share in shares.items() if share > MUCH_MISSING}
    threshold = f"{MUCH_MISSING:.0%} of a column's values"
    if much:
        kinds = {column.name: column.kind for column in inspected.dataset.raw_input().columns}  # type: ignore[attr-defined]
        if {kinds.get(name) for name in much} <= {"categorical", "text"}:
            advice = (
                f"missing values are a category of their own; to leave the columns out: ignore: [{', '.join(much)}]"
            )
        else:
            advice = "missing: {numeric: indicator} shows the model which values are missing; or ignore the columns"
        columns = "1 column" if len(much) == 1 else f"{len(much):,} columns"
        yield Finding("warning", "missing values", f"{columns}: {named([*much.values()])}", threshold, advice)
        return
    most = max(shares, key=lambda name: shares[name])
    found = f"most in {most}, {percent(shares[most])}" if shares[most] else f"none in {len(shares):,} columns"
    yield Finding("pass", "missing values", found, threshold)


def check_ids(inspected: Inspected) -> Iterator[Finding]:
    """Find columns in which nearly every row has its own value."""
    files = inspected.columns
    if files is None:
        return
    kept = []
    for column in inspected.dataset.raw_input().columns:  # type: ignore[attr-defined]  # of a table or a series
        distinct, rows = files.distinct(column.name), files.surveys[column.name].rows
        if column.kind == "categorical" and (distinct is None or distinct > LIKE_IDS * rows):
            kept.append(f"{column.name} ({distinct or 'too many to count':,} values in {rows:,} rows)")
    threshold = f"{1 / LIKE_IDS:.0f} rows per category on average"
    left_out = _left_out(inspected, "numbers the rows", "an id", "value of its own")
    if kept:
        advice = "ignore them: a model memorizes such values, and new rows have other values"
        yield Finding("warning", "ids", named(kept), threshold, advice)
    else:
        found = f"left out: {named(left_out)}" if left_out else "no column is nearly unique"
        yield Finding("pass", "ids", found, threshold)


def _left_out(inspected: Inspected, *reasons: str) -> list[str]:
    ignored = inspected.columns.left_out if inspected.columns is not None else {}
    return [name for name, why in ignored.items() if any(reason in why for reason in reasons)]


def _largest_share(column: ColumnValues) -> float:
    values = column.values[~np.isnan(column.values)] if column.kind == "numeric" else column.values
    if not len(values):
        return 1.0
    return float(np.unique(values, return_counts=True)[1].max() / len(values))
