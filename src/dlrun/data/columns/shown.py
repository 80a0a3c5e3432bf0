"""A stored row as people read it: numbers, dates, names of categories and words in place of what a row holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from dlrun.data.columns.column import Column
from dlrun.data.columns.dates import PARTS

MISSING, UNKNOWN = "missing", "unknown"

_SHOWN_WORDS = 40


def shown_row(columns: Sequence[Column], stored: npt.NDArray[Any]) -> dict[str, str]:
    """The values of one row, by column; where a missing number was filled in without a mark, what it was filled with.

    Args:
        columns: In the order of a stored row.
        stored: The row.

    Shape:
        stored: `(total width of the columns,)`.
    """
    shown: dict[str, str] = {}
    begun = 0
    for column in columns:
        shown[column.name] = _shown(column, stored[begun : begun + column.width].tolist())
        begun += column.width
    return shown


def _shown(column: Column, values: list[float]) -> str:
    if column.kind in ("numeric", "date") and column.indicator and values[-1]:
        return MISSING
    if column.kind == "numeric":
        return f"{values[0] + column.offset:.15g}" if column.offset else f"{values[0]:.7g}"
    if column.kind == "date":
        part = dict(zip(PARTS, map(int, values), strict=False))
        return f"{part['year']:04d}-{part['month']:02d}-{part['day']:02d} {part['hour']:02d}:00"
    if column.kind == "categorical":
        return category_name(column.vocabulary, int(values[0]), has_missing=column.has_missing)
    known = ("", UNKNOWN, *column.vocabulary)
    words = [known[int(number)] for number in values if number]
    return " ".join(words[:_SHOWN_WORDS]) + (" ..." if len(words) > _SHOWN_WORDS else "")


def category_name(vocabulary: Sequence[str], number: int, *, has_missing: bool) -> str:
    """What the id of a category stands for.

    Args:
        vocabulary: The known categories.
        number: The id.
        has_missing: Whether the last id is that of missing values.
    """
    if number == 0:
        return UNKNOWN
    return MISSING if has_missing and number > len(vocabulary) else vocabulary[number - 1]
