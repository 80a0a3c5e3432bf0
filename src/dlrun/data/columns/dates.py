"""Dates as numbers: year, month, day, day of the week, hour; from text, and by Keras' layers in a deployed model.

They have to be written with two digits each: without punctuation, every digit then has its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.texts import without_punctuation

if TYPE_CHECKING:
    import pyarrow as pa

DateLayout = Literal["ymd", "dmy", "mdy"]
"""ymd: 2021-03-05 · dmy: 05.03.2021 · mdy: 03/05/2021; each with or without a time."""

PARTS = ("year", "month", "day", "weekday", "hour")

_YEAR, _MONTH, _DAY = r"\d{4}", r"(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
_TIME = r"([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z| ?[+-]\d{2}:?\d{2})?)?$"
DATE_PATTERNS: dict[DateLayout, str] = {
    "ymd": f"^{_YEAR}[-/.]{_MONTH}[-/.]{_DAY}{_TIME}",
    "dmy": f"^{_DAY}[-/.]{_MONTH}[-/.]{_YEAR}{_TIME}",
    "mdy": f"^{_MONTH}[-/.]{_DAY}[-/.]{_YEAR}{_TIME}",
}
HAS_TIME = r"\d[T ]\d"
_PLACES: dict[DateLayout, dict[str, tuple[int, int]]] = {
    "ymd": {"year": (0, 4), "month": (4, 6), "day": (6, 8)},
    "dmy": {"day": (0, 2), "month": (2, 4), "year": (4, 8)},
    "mdy": {"month": (0, 2), "day": (2, 4), "year": (4, 8)},
}
_HOUR = (9, 11)
_FIRST_DIGIT = 2  # of TextVectorization's ids: 0 is nothing, 1 anything else
_DIGITS = 10


def parse_dates(known: pa.Array, layout: DateLayout) -> tuple[npt.NDArray[np.float32], int | None]:
    """The parts of dates.

    Args:
        known: Trimmed text, null for what is missing.
        layout: How they are written.

    Returns:
        The parts, NaN where a date is missing; and the index of the first text that is no date.

    Shape:
        `(rows, 5)`, in the order of `PARTS`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    fits = pc.match_substring_regex(known, DATE_PATTERNS[layout])
    wrong = fits.fill_null(True).to_numpy(zero_copy_only=False)
    given = fits.fill_null(False).to_numpy(zero_copy_only=False)
    digits = without_punctuation(pc.if_else(pa.array(given), known, "2000.01.01"))
    numbers = {part: _slice(digits, *place) for part, place in _PLACES[layout].items()}
    hour_text = pc.utf8_slice_codeunits(digits, *_HOUR)
    has_hour = pc.match_substring_regex(hour_text, r"^\d\d$")
    hour = pc.if_else(has_hour, hour_text, "0").cast(pa.int32()).to_numpy()
    year, month, day = numbers["year"], numbers["month"], numbers["day"]
    parts = np.stack([year, month, day, _weekday(year, month, day, np), hour], axis=-1).astype(np.float32)
    parts[~given] = np.nan
    return parts, None if wrong.all() else int(np.argmin(wrong))


def build_dates(tensor: Any, layout: DateLayout) -> Any:
    """The same of a Keras tensor; what is no date gives NaN.

    Shape:
        Input: strings `(batch, 1)`, or `(batch, steps, 1)`. Output: `(batch, 5)`, or `(batch, steps, 5)`, float32.
    """
    import keras

    ops, steps = keras.ops, tensor.shape[1:-1]
    if steps:  # TextVectorization takes one text for each example
        tensor = ops.reshape(tensor, (-1, 1))
    characters = keras.layers.TextVectorization(
        split="character", output_sequence_length=_HOUR[1], vocabulary=[str(digit) for digit in range(_DIGITS)]
    )
    ids = ops.cast(characters(tensor), "int32")
    is_digit = ops.cast(ids >= _FIRST_DIGIT, "int32")
    digits = (ids - _FIRST_DIGIT) * is_digit

    def number(first: int, last: int) -> Any:
        powers = np.array([_DIGITS**power for power in reversed(range(last - first))], np.int32)
        return ops.sum(digits[:, first:last] * powers, axis=-1, keepdims=True)

    year, month, day = (number(*_PLACES[layout][part]) for part in ("year", "month", "day"))
    hour = number(*_HOUR) * ops.min(is_digit[:, _HOUR[0] : _HOUR[1]], axis=-1, keepdims=True)
    parts = ops.cast(ops.concatenate([year, month, day, _weekday(year, month, day, ops), hour], axis=-1), "float32")
    complete = ops.min(is_digit[:, :8], axis=-1, keepdims=True) > 0
    fits = complete & (month >= 1) & (month <= 12)  # noqa: PLR2004
    fits = fits & (day >= 1) & (day <= 31)  # noqa: PLR2004
    parts = ops.where(fits, parts, np.float32(np.nan))
    return ops.reshape(parts, (-1, *steps, len(PARTS))) if steps else parts


def _slice(digits: pa.Array, first: int, last: int) -> npt.NDArray[np.int32]:
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers: npt.NDArray[np.int32] = pc.utf8_slice_codeunits(digits, first, last).cast(pa.int32()).to_numpy()
    return numbers


def _weekday(year: Any, month: Any, day: Any, ops: Any) -> Any:
    """The day of the week, Monday is 0.

    Formula:
        Zeller's congruence: January and February are months 13 and 14 of the year before.
    """
    early = (month < 3) * 1 if ops is np else ops.cast(month < 3, "int32")  # noqa: PLR2004
    month, year = month + 12 * early, year - early
    leaps = ops.floor_divide(year, 4) - ops.floor_divide(year, 100) + ops.floor_divide(year, 400)
    saturday_is_0 = ops.mod(day + ops.floor_divide(13 * (month + 1), 5) + year + leaps, 7)
    return ops.mod(saturday_is_0 + 5, 7)
