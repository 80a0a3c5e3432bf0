"""Parse numbers as people write them: detect the notation of a column, and convert its values to floats."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Notation = Literal[
    "plain", "comma", "grouped",
    "plain %", "comma %", "grouped %", "plain $", "comma $", "grouped $", "plain €", "comma €", "grouped €",
    "plain £", "comma £", "grouped £", "plain ¥", "comma ¥", "grouped ¥",
]  # fmt: skip
"""plain: 1234.5, 1e3 · comma: 1234,5 or 1.234,5 · grouped: 1,234.5 or 1 234.5 · and each with one unit in every value:
1.06%, $1,113.16, 12,57 €"""

Floats = npt.NDArray[np.float64]

_EXPONENT = r"([eE][+-]?\d+)?"
_SPACES = r" '\x{00a0}\x{202f}"
_DIGITS = {
    "plain": r"(\d+\.?\d*|\.\d+)" + _EXPONENT,
    "comma": rf"((\d{{1,3}}([.{_SPACES}]\d{{3}})+|\d+)(,\d*)?|,\d+)" + _EXPONENT,
    "grouped": rf"((\d{{1,3}}([,{_SPACES}]\d{{3}})+|\d+)(\.\d*)?|\.\d+)" + _EXPONENT,
}
_EXAMPLES = {"plain": "1234.5", "comma": "1.234,5", "grouped": "1,234.5"}


def _pattern(notation: Notation) -> str:
    """Return the pattern of a notation. A unit may precede or follow the digits, and a sign may precede either."""
    base, _, unit = notation.partition(" ")
    digits, mark, gap = _DIGITS[base], re.escape(unit), r"[ \x{00a0}\x{202f}]?"
    if not unit:
        return f"^[+-]?{digits}$"
    behind, before = f"[+-]?{digits}{gap}{mark}", f"([+-]?{mark}{gap}|{mark}{gap}[+-]){digits}"
    return f"^({behind})$" if unit == "%" else f"^({behind}|{before})$"


PATTERNS: dict[Notation, str] = {notation: _pattern(notation) for notation in get_args(Notation)}
PLAIN: tuple[Notation, ...] = ("plain", "comma", "grouped")
"""The notations without a unit."""

_UNITS = ("%", "$", "€", "£", "¥")
_WHOLE_IN_FLOAT32 = 2.0**24
"""float32 cannot represent every whole number above this one."""

_FAR_FROM_0 = 16
"""If numbers are larger than this multiple of their range, float32 may not distinguish them."""

LARGEST = 1e18
"""The largest number that is accepted: variances need squares, and float32 overflows at 3.4e38."""


def is_numbers(array: pa.Array) -> bool:
    """Return whether the file stores a column as numbers, not as text."""
    from pyarrow import types

    return bool(types.is_integer(array.type) or types.is_floating(array.type))


def parse_numbers(array: pa.Array, notation: Notation, *, offset: float = 0.0) -> tuple[Floats, int | None]:
    """Return the values of a column as floats.

    Args:
        array: Numbers or trimmed texts, null if missing.
        notation: Notation of the texts.
        offset: Offset to subtract from each value. The result is exact for whole numbers of any size.

    Returns:
        Floats, NaN if missing, and the index of the first value that is not a number or is too large; None if there is
        none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if offset:
        exact = _less_exactly(array, offset)
        if exact is not None:
            return exact, None
        values, wrong = parse_numbers(array, notation)
        return values - offset, wrong
    wrong, from_text = None, not is_numbers(array)
    if from_text:
        if notation != "plain":
            matches = pc.match_substring_regex(array, PATTERNS[notation])
            wrong = _first(~_filled(matches, otherwise=True))
            array = _as_plain(array, notation)
        # Casting the whole column is fast, but does not tell which value failed, so only then is each value matched.
        try:
            array = pc.cast(array, pa.float64())
        except pa.ArrowInvalid:
            fits = _filled(pc.match_substring_regex(array, PATTERNS["plain"]), otherwise=True)
            wrong = _first(~fits) if wrong is None else wrong
            array = pc.cast(pc.if_else(pa.array(fits), array, pa.scalar(None, pa.string())), pa.float64())
    given = array.is_valid().to_numpy(zero_copy_only=False)
    values = _to_floats(array)
    # NaN in a column of numbers means missing. The text "nan" does not: it is not among the missing values here.
    unfit = given & ~(np.abs(values) <= LARGEST) & (from_text | ~np.isnan(values))
    return values, _first(unfit) if wrong is None else wrong


def merges_in_float32(numbers: Floats, *, is_whole: bool) -> bool:
    """Return whether different numbers become equal in float32.

    Args:
        numbers: The numbers, without NaN.
        is_whole: Whether all are whole numbers.
    """
    low, high = float(numbers.min()), float(numbers.max())
    largest = max(abs(low), abs(high))
    # Sorting all numbers is slow, and most columns are neither that large nor that far from 0.
    if largest < (_WHOLE_IN_FLOAT32 if is_whole else _FAR_FROM_0 * (high - low)):
        return False
    distinct = np.unique(numbers)
    return len(np.unique(distinct.astype(np.float32))) < len(distinct)


def _less_exactly(array: pa.Array, offset: float) -> Floats | None:
    """Return whole numbers minus a whole offset, computed in int64, since float64 may lose digits; None for others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not offset.is_integer() or pa.types.is_floating(array.type):
        return None
    try:
        whole = pc.cast(array, pa.int64())
    except pa.ArrowInvalid:
        return None
    largest = pc.max_element_wise(pc.max(whole), pc.negate(pc.min(whole))).as_py()
    if largest is None or largest > LARGEST:
        return None
    return _to_floats(pc.subtract(whole, int(offset)))


def unit_of(notation: Notation) -> str:
    """Return the unit of a notation, or an empty text."""
    return notation.partition(" ")[2]


def example_of(notation: Notation) -> str:
    """Return an example of a notation."""
    unit, digits = unit_of(notation), _EXAMPLES[notation.partition(" ")[0]]
    return f"{digits}{unit}" if unit == "%" else f"{unit}{digits}"


def fits_another(text: str, notation: Notation) -> bool:
    """Return whether a text is a number only in other notations than the given one."""
    import pyarrow as pa

    value = pa.array([text])
    fitting = [each for each in PATTERNS if parse_numbers(value, each)[1] is None]
    return bool(fitting) and notation not in fitting


def count_notations(values: pa.Array, counts: npt.NDArray[np.int64]) -> dict[Notation, int]:
    """Return how many values each notation fits. Numbers that are too large do not count.

    Args:
        values: Distinct trimmed texts without null.
        counts: Number of occurrences of each text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found: dict[Notation, int] = {}
    # Most columns have no unit, which saves matching 15 of the 18 patterns.
    absent = {unit for unit in _UNITS if not _has_unit(values, unit)}
    for notation, pattern in PATTERNS.items():
        if unit_of(notation) in absent:
            continue
        fits = _filled(pc.match_substring_regex(values, pattern), otherwise=False)
        numbers = pc.cast(_as_plain(values.filter(pa.array(fits)), notation), pa.float64())
        found[notation] = int(counts[fits][np.abs(_to_floats(numbers)) <= LARGEST].sum())
    return found


def _has_unit(values: pa.Array, unit: str) -> bool:
    import pyarrow.compute as pc

    before = pc.any(pc.match_substring_regex(values, rf"^[+-]?{re.escape(unit)}")).as_py()
    return bool(before or pc.any(pc.ends_with(values, unit)).as_py())


def _as_plain(array: pa.Array, notation: Notation) -> pa.Array:
    import pyarrow.compute as pc

    has_comma = notation.startswith("comma")
    kept = "," if has_comma else "."
    array = pc.replace_substring_regex(array, rf"[^0-9eE{kept}+-]", "")
    return pc.replace_substring(array, ",", ".") if has_comma else array


def _to_floats(array: pa.Array) -> Floats:
    import pyarrow.compute as pc

    values: Any = pc.cast(array, "float64", safe=False).to_numpy(zero_copy_only=False)
    return np.array(values, np.float64)


def _filled(mask: pa.Array, *, otherwise: bool) -> npt.NDArray[np.bool_]:
    filled: npt.NDArray[np.bool_] = mask.fill_null(otherwise).to_numpy(zero_copy_only=False)
    return filled


def _first(mask: npt.NDArray[np.bool_]) -> int | None:
    return int(np.argmax(mask)) if mask.any() else None
