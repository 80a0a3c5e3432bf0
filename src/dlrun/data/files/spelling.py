"""Unify the spelling of booleans and whole numbers, which programs write in several ways.

`True`, `TRUE` and `true` become `true`, and 1.0 becomes 1: Parquet and CSV files of the same data differ in this, and
pandas writes whole numbers with `.0` as soon as a cell of the column is empty. Everything else stays unchanged: 007 is
not 7, and 1.10 may be a version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

_BOOLEAN = r"^(?i:true|false)$"
_ZEROS = r"^([+-]?(?:0|[1-9]\d*))\.0*$"
_BOOLEANS = re.compile(_BOOLEAN)
_WHOLE = re.compile(_ZEROS)
_DIGITS_OF_FLOAT32 = re.compile(r"-?\d{1,9}\.\d{9,}")
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d*)")


def canonical(text: str) -> str:
    """Return the unified spelling of a value: `true` for `True`, `1` for `1.0`."""
    if _BOOLEANS.match(text):
        return text.lower()
    whole = _WHOLE.match(text)
    return _without_sign(whole[1] if whole else text)


def canonical_texts(texts: pa.Array) -> pa.Array:
    """Return the unified spelling of every text of a column; null stays null."""
    import pyarrow.compute as pc

    is_boolean = pc.match_substring_regex(texts, _BOOLEAN)
    texts = pc.if_else(is_boolean, pc.ascii_lower(texts), texts)
    texts = pc.replace_substring_regex(texts, _ZEROS, r"\1")
    return pc.replace_substring_regex(texts, r"^(?:\+(0|[1-9]\d*)|-(0))$", r"\1\2")


def other_spellings(text: str) -> tuple[str, ...]:
    """Return the other common spellings of the same value."""
    if _BOOLEANS.match(text):
        return tuple(each for each in (text.lower(), text.capitalize(), text.upper()) if each != text)
    same = canonical(text)
    if _INTEGER.fullmatch(same):
        return tuple(each for each in (same, f"{same}.0") if each != text)
    return ()


def index_in(texts: pa.Array, known: Iterable[str]) -> npt.NDArray[np.int32]:
    """Return the index of each text among known texts, by its exact spelling first, then by its value.

    Runs of earlier versions stored categories with several spellings of one value; the exact spelling still finds them.

    Args:
        texts: Texts to look up; null if missing.
        known: Distinct known texts.

    Returns:
        The indices; -1 for missing and unknown texts.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    names = pa.array(list(known), pa.string())
    found = pc.index_in(texts, value_set=names)
    if found.null_count > texts.null_count:
        of_value: dict[str, int] = {}
        for place, name in enumerate(canonical_texts(names).to_pylist()):
            of_value.setdefault(_shortest(name), place)
        places = pa.array(list(of_value.values()), pa.int32())
        again = pc.index_in(canonical_texts(texts), value_set=pa.array(list(of_value), pa.string()))
        found = pc.coalesce(found, pc.take(places, again))
    indices: npt.NDArray[np.int32] = found.fill_null(-1).to_numpy(zero_copy_only=False)
    return indices.copy()


def _shortest(text: str) -> str:
    """Return a float32 that was written with the digits of a float64 in its shortest form.

    Runs of earlier versions stored such values in the short form.
    """
    if not _DIGITS_OF_FLOAT32.fullmatch(text):
        return text
    short = np.float32(text)
    return str(short) if float(short) == float(text) else text


def _without_sign(text: str) -> str:
    """Remove the sign of `-0` and a plus sign of a whole number."""
    return text[1:] if text == "-0" or (text.startswith("+") and _INTEGER.fullmatch(text)) else text
