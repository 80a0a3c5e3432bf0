"""A column as trimmed text with null for what is missing, and text as words."""

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
"""What is read as missing, unless the spec says otherwise."""

# What Keras' TextVectorization strips and where it splits; it lowers the letters of ASCII only.
_PUNCTUATION = r"""[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']"""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?|[+-]?inf", re.IGNORECASE)
_WHOLE = 2.0**53


def known_values(array: pa.Array, missing: Sequence[str]) -> pa.Array:
    """A column with null for what is missing (or NaN, of numbers): text is trimmed, numbers stay numbers.

    Args:
        array: Text, int64 or float64.
        missing: The texts that mean missing.
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
    """Which values are missing, of numbers those that are NaN too."""
    import pyarrow.compute as pc

    return np.asarray(pc.is_null(values, nan_is_null=is_numbers(values)))


def missing_numbers(missing: Sequence[str]) -> tuple[float, ...]:
    """The numbers among the texts that mean missing, such as -999 or inf."""
    return tuple(float(text) for text in missing if _NUMBER.fullmatch(text))


def as_texts(array: pa.Array) -> pa.Array:
    """Numbers as text: `1`, not `1.0`; NaN is missing. Text stays as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(array.type):
        return array.cast(pa.string())
    values = np.array(pc.fill_null(array, float("nan")).to_numpy(zero_copy_only=False), np.float64)
    distinct, inverse = np.unique(values, return_inverse=True)
    names = [None if np.isnan(value) else _written(float(value)) for value in distinct]
    return pa.array(names, pa.string()).take(pa.array(inverse.astype(np.int32)))


def split_words(array: pa.Array) -> pa.ListArray:
    """The words of each text, as Keras' TextVectorization makes them; null has none.

    Formula:
        ASCII letters in lower case, ASCII punctuation stripped, split at whitespace.
    """
    import pyarrow.compute as pc

    return pc.ascii_split_whitespace(pc.ascii_trim_whitespace(without_punctuation(pc.fill_null(array, ""))))


def without_punctuation(array: pa.Array) -> pa.Array:
    """Texts as Keras' TextVectorization standardizes them: ASCII in lower case, without ASCII punctuation."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(pc.ascii_lower(array), _PUNCTUATION, "")


def first_words(words: pa.ListArray, ids: npt.NDArray[np.int32], *, length: int) -> npt.NDArray[np.int32]:
    """The first ids of each list as rows of one length, padded with 0.

    Args:
        words: Of each row.
        ids: Of all their words, one after another; 0 for what is no word.
        length: Of a row.

    Shape:
        ids: `(words,)`. Returns: `(rows, length)`.
    """
    ends: Any = words.offsets.to_numpy()
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
    return str(short) if float(short) == value else repr(value)  # 0.1 of a file of float32 is no 0.10000000149011612
