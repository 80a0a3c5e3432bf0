"""Convert columns to trimmed texts with null for missing values, and split texts into words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.numbers import is_numbers

if TYPE_CHECKING:
    import pyarrow as pa

MISSING_VALUES = (
    "", "?", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None",
)  # fmt: skip
"""Texts that mark missing values by default."""

# The characters that TextVectorization of Keras strips. It lowercases ASCII letters only.
_PUNCTUATION = r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']"""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?|[+-]?inf", re.IGNORECASE)
_WHOLE = 2.0**53


def known_values(array: pa.Array, missing: Sequence[str]) -> pa.Array:
    """Return a column with null for missing values and trimmed texts. Numbers stay numbers, and may be NaN.

    Args:
        array: Texts, int64 or float64.
        missing: Texts that mark missing values.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if is_numbers(array):
        numbers = missing_numbers(missing)
        if not numbers:
            return array
        markers = pc.is_in(pc.cast(array, pa.float64(), safe=False), value_set=pa.array(numbers, pa.float64()))
        return pc.if_else(markers, pa.scalar(None, array.type), array)
    trimmed = pc.utf8_trim_whitespace(array)
    markers = pc.is_in(trimmed, value_set=pa.array(list(missing), pa.string()))
    return pc.if_else(markers, pa.scalar(None, pa.string()), trimmed)


def is_missing(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which values are missing, including NaN."""
    import pyarrow.compute as pc

    return np.asarray(pc.is_null(values, nan_is_null=is_numbers(values)))


def missing_numbers(missing: Sequence[str]) -> tuple[float, ...]:
    """Return the numbers among the texts that mark missing values, such as -999 or inf."""
    return tuple(float(text) for text in missing if _NUMBER.fullmatch(text))


def as_texts(array: pa.Array) -> pa.Array:
    """Return numbers as texts, with `1` instead of `1.0` and null for NaN. Texts are unchanged."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(array.type):
        return array.cast(pa.string())
    values = np.array(pc.fill_null(array, float("nan")).to_numpy(zero_copy_only=False), np.float64)
    # Python writes the numbers one by one, which is slow, so each is written once.
    distinct, inverse = np.unique(values, return_inverse=True)
    names = [None if np.isnan(value) else _written(float(value)) for value in distinct]
    return pa.array(names, pa.string()).take(pa.array(inverse.astype(np.int32)))


def split_words(array: pa.Array) -> pa.ListArray:
    """Return the words of each text, split like TextVectorization of Keras does. Null has no words.

    ASCII letters become lowercase, ASCII punctuation is removed, and the text is split at whitespace.
    """
    import pyarrow.compute as pc

    return pc.ascii_split_whitespace(pc.ascii_trim_whitespace(without_punctuation(pc.fill_null(array, ""))))


def without_punctuation(array: pa.Array) -> pa.Array:
    """Return texts in lowercase ASCII without ASCII punctuation, like TextVectorization of Keras."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(pc.ascii_lower(array), _PUNCTUATION, "")


def first_words(words: pa.ListArray, ids: npt.NDArray[np.int32], *, length: int) -> npt.NDArray[np.int32]:
    """Return the first ids of each list as rows of equal length, padded with 0.

    Args:
        words: Words of each row.
        ids: Ids of all words, one after another; 0 for an empty text.
        length: Length of a row.

    Shape:
        ids: `(words,)`. Returns: `(rows, length)`.
    """
    ends: Any = words.offsets.to_numpy()
    # The offsets of a sliced array do not begin at 0, but its flat words do.
    starts, counts = ends[:-1] - ends[0], np.diff(ends)
    rows = np.zeros((len(words), length), np.int32)
    taken = np.minimum(counts, length)
    row_of = np.repeat(np.arange(len(words)), taken)
    within = np.arange(int(taken.sum())) - np.repeat(np.cumsum(taken) - taken, taken)
    rows[row_of, within] = ids[np.repeat(starts, taken) + within]
    return rows


def _written(value: float) -> str:
    if value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    with np.errstate(over="ignore"):
        short = np.float32(value)
    return str(short) if float(short) == value else repr(value)  # float32 0.1 is 0.1, not 0.10000000149011612
