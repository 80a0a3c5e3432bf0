"""Fit columns on the training split, and convert coded rows to their stored form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.column import CategoricalColumn, Column, NumericColumn, Stored
from dlrun.data.columns.dates import DateColumn
from dlrun.data.columns.keys import ColumnKeys
from dlrun.data.columns.planned import PlannedColumn
from dlrun.data.columns.rows import CodedColumn, CodedRows
from dlrun.data.columns.text_column import TextColumn
from dlrun.data.mapped import drop_pages

Indices = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 1 << 16


def fit_columns(
    rows: CodedRows, planned: Sequence[PlannedColumn], keys: ColumnKeys, *, train: Indices
) -> tuple[Column, ...]:
    """Measure medians, means, variances and vocabularies.

    Args:
        rows: All coded rows.
        planned: The feature columns.
        keys: The keys of the dataset.
        train: The rows of the training split in ascending order. Other rows are not used.

    Returns:
        The columns in the order of a stored row.
    """
    fitted: list[Column] = []
    for column in planned:
        coded = rows.columns[column.name]
        if column.kind == "numeric":
            fitted.append(_fit_numeric(coded, column, keys, train))
        elif column.kind == "date":
            fitted.append(_fit_dates(coded, column, keys, train))
        elif column.kind == "categorical":
            fitted.append(_fit_categorical(coded, keys, train))
        else:
            fitted.append(_fit_text(coded, keys, train))
    return tuple(sorted(fitted, key=_turn))


def stored_blocks(rows: CodedRows, columns: Sequence[Column], indices: Indices) -> Iterator[Stored]:
    """Yield the rows at `indices` in their stored form, block by block.

    Shape:
        Each block: `(some rows, total width of the columns)`, float32.
    """
    finishers = [_Finisher(column, rows.columns[column.name]) for column in columns]
    for start in range(0, len(indices), _ROWS_AT_ONCE):
        some = indices[start : start + _ROWS_AT_ONCE]
        yield np.concatenate([finisher(some) for finisher in finishers], axis=1)
        drop_pages(finisher.coded.values for finisher in finishers)


def in_float32(values: npt.NDArray[Any], offset: float) -> npt.NDArray[np.float32]:
    """Return coded numbers in float32. Those in float64 still include the offset, which is subtracted."""
    return (values - offset).astype(np.float32) if values.dtype == np.float64 else np.asarray(values, np.float32)


def _turn(column: Column) -> int:
    """Return the sort key of a column: numbers, then one-hot columns, then embedded columns, then texts."""
    if column.kind == "categorical":
        return 1 + bool(column.size)
    return 3 if column.kind == "text" else 0


class _Finisher:
    """Converts the provisional values of a column to its stored values."""

    def __init__(self, column: Column, coded: CodedColumn) -> None:
        self.coded = coded
        self._column = column
        self._final: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        if column.kind in ("categorical", "text"):
            # MISSING is -1, so it indexes the last entry.
            last = column.missing_id if column.kind == "categorical" else 0
            self._final = np.array([*_final_ids(column, coded.texts), last], np.float32)

    def __call__(self, indices: Indices) -> Stored:
        values = self.coded.values[indices]
        if self._column.kind == "numeric":
            return self._column.fill(in_float32(values, self._column.offset))
        if self._column.kind == "date":
            return self._column.fill(values)
        found = self._final[values]
        return found if found.ndim > 1 else found[:, None]


def _final_ids(column: CategoricalColumn | TextColumn, texts: Sequence[str]) -> Iterator[int]:
    first = 1 if column.kind == "categorical" else 2
    ids = {text: index for index, text in enumerate(column.vocabulary, start=first)}
    for index, text in enumerate(texts):
        yield 0 if column.kind == "text" and index == 0 else ids.get(text, first - 1)


def _fit_numeric(coded: CodedColumn, planned: PlannedColumn, keys: ColumnKeys, train: Indices) -> NumericColumn:
    values = in_float32(coded.values[train], planned.offset)
    drop_pages((coded.values,))
    median, mean, variance, is_missing = _measure(values)
    # A number is filled forward wherever it is marked, so also if only later rows have gaps.
    indicator = keys.missing.numeric == "last" or (keys.missing.numeric == "indicator" and is_missing)
    required = keys.requires("numeric")
    return NumericColumn(
        coded.name, median, mean, variance, planned.notation, indicator, required, offset=planned.offset
    )


def _fit_dates(coded: CodedColumn, planned: PlannedColumn, keys: ColumnKeys, train: Indices) -> DateColumn:
    parts = [_measure(coded.values[train, index]) for index in range(coded.values.shape[1])]
    drop_pages((coded.values,))
    median, mean, variance, is_missing = zip(*parts, strict=True)
    indicator = keys.missing.numeric in ("indicator", "last") and any(is_missing)
    required = keys.requires("date")
    return DateColumn(coded.name, planned.layout, median, mean, variance, indicator, required, in_utc=True)


def _measure(values: npt.NDArray[np.float32]) -> tuple[float, float, float, bool]:
    """Return median, mean, variance, and whether there is a NaN. Replaces NaN in `values` by the median."""
    known = values[~np.isnan(values)]
    median = float(np.median(known)) if len(known) else 0.0
    np.nan_to_num(values, copy=False, nan=median)
    # Sums in float32 would lose digits, and a float64 copy of the whole column would take twice its memory.
    blocks = [values[start : start + _ROWS_AT_ONCE] for start in range(0, len(values), _ROWS_AT_ONCE)]
    mean = float(sum(block.sum(dtype=np.float64) for block in blocks)) / len(values)
    variance = float(sum(np.square(block.astype(np.float64) - mean).sum() for block in blocks)) / len(values)
    return median, mean, variance or 1.0, len(known) < len(values)


def _fit_categorical(coded: CodedColumn, keys: ColumnKeys, train: Indices) -> CategoricalColumn:
    counts = _counts(coded, train)
    vocabulary = _most_frequent(coded.texts, counts[1:], most=keys.max_categories)
    has_missing = bool(counts[0])
    size = keys.embeds(len(vocabulary) + has_missing)
    required = keys.requires("categorical")
    # A category that occurs once would be unknown without its row, so such rows show how often new categories appear.
    kept = np.sort(counts[1:])[::-1][: len(vocabulary)]
    new = counts[1:].sum() - kept[kept > 1].sum()
    return CategoricalColumn(
        coded.name, vocabulary, has_missing, size, required, new_share=float(new / max(1, counts[1:].sum()))
    )


def _fit_text(coded: CodedColumn, keys: ColumnKeys, train: Indices) -> TextColumn:
    counts = _counts(coded, train)
    counts[1] = 0  # the empty text is not a word
    vocabulary = _most_frequent(coded.texts, counts[1:], most=keys.max_categories)
    return TextColumn(coded.name, vocabulary, keys.text_length, keys.text_size)


def _counts(coded: CodedColumn, train: Indices) -> npt.NDArray[np.int64]:
    """Return how often each id occurs in the training split, starting with MISSING."""
    counts = np.zeros(len(coded.texts) + 1, np.int64)
    for start in range(0, len(train), _ROWS_AT_ONCE):
        ids: Any = coded.values[train[start : start + _ROWS_AT_ONCE]]
        # MISSING is -1, but bincount takes no negative numbers.
        counts += np.bincount(ids.ravel() + 1, minlength=len(counts))
    drop_pages((coded.values,))
    return counts


def _most_frequent(texts: Sequence[str], counts: npt.NDArray[np.int64], *, most: int) -> tuple[str, ...]:
    # Equal counts are ordered by text, so that the vocabulary does not depend on the order of the rows.
    present = [(-int(counts[index]), texts[index]) for index in np.flatnonzero(counts).tolist()]
    return tuple(text for _, text in sorted(present)[:most])
