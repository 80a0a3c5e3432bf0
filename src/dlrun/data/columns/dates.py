"""Dates as numbers: year, month, day, day of the week and hour, from text and with Keras layers in an exported model.

Day and month need two digits each, so that every digit up to the minute has a fixed place. A time with an offset is
converted to UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.signature import Embedded

if TYPE_CHECKING:
    import pyarrow as pa

DateLayout = Literal["ymd", "dmy", "mdy"]
"""ymd: 2021-03-05 · dmy: 05.03.2021 · mdy: 03/05/2021; each with or without a time."""

PARTS = ("year", "month", "day", "weekday", "hour")

Integers = npt.NDArray[np.int32]

_YEAR, _MONTH, _DAY = r"\d{4}", r"(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
_CLOCK = r"(([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)([.,]\d+)?)?|24:00(:00)?)"
_TIME = rf"([T ]{_CLOCK}(Z| ?[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?)?$"
_PATTERNS: dict[DateLayout, str] = {
    "ymd": f"^{_YEAR}[-/.]{_MONTH}[-/.]{_DAY}{_TIME}",
    "dmy": f"^{_DAY}[-/.]{_MONTH}[-/.]{_YEAR}{_TIME}",
    "mdy": f"^{_MONTH}[-/.]{_DAY}[-/.]{_YEAR}{_TIME}",
}
_PLACES: dict[DateLayout, dict[str, tuple[int, int]]] = {
    "ymd": {"year": (0, 4), "month": (5, 7), "day": (8, 10)},
    "dmy": {"day": (0, 2), "month": (3, 5), "year": (6, 10)},
    "mdy": {"month": (0, 2), "day": (3, 5), "year": (6, 10)},
}
_HOUR, _MINUTE, _ZONE = (11, 13), (14, 16), 16
_LENGTH = 42
"""Characters that an exported model reads, enough for a fraction of 15 digits and the offset after it."""

_DIGITS = 10
_FIRST_DIGIT = 2  # the ids of TextVectorization: 0 is padding, 1 any other character
_PLUS, _MINUS, _COLON = (_FIRST_DIGIT + _DIGITS + place for place in range(3))
_HOUR_MINUTES, _DAY_MINUTES = 60, 1440
_FEBRUARY = 2


def is_date(texts: pa.Array, layout: DateLayout) -> npt.NDArray[np.bool_]:
    """Return which texts are valid dates of a layout. Missing texts are not dates."""
    return _given(texts, layout)[0]


def is_written_as_date(text: str, layout: DateLayout) -> bool:
    """Return whether a text has the form of a date, even if the calendar has no such day."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return bool(pc.match_substring_regex(pa.array([text]), _PATTERNS[layout])[0].as_py())


def parse_dates(
    known: pa.Array, layout: DateLayout, *, in_utc: bool = True
) -> tuple[npt.NDArray[np.float32], int | None]:
    """Return the parts of dates.

    Args:
        known: Trimmed texts, null if missing.
        layout: Layout of the dates.
        in_utc: Whether to convert times with an offset to UTC. If not, the offset is ignored.

    Returns:
        The parts, NaN if a date is missing, and the index of the first text that is not a date.

    Shape:
        `(rows, 5)`, in the order of `PARTS`.
    """
    import pyarrow.compute as pc

    given, texts = _given(known, layout)
    year, month, day = (_slice(texts, *_PLACES[layout][part]) for part in ("year", "month", "day"))
    clock = _slice(texts, *_HOUR) * _HOUR_MINUTES + _slice(texts, *_MINUTE)
    parts = _parts(year, month, day, clock, _offsets(texts) if in_utc else None, np).astype(np.float32)
    parts[~given] = np.nan
    wrong = np.asarray(pc.is_valid(known)) & ~given
    return parts, int(np.argmax(wrong)) if wrong.any() else None


def build_dates(tensor: Any, layout: DateLayout, *, in_utc: bool = True) -> Any:
    """Build the Keras layers that do the same as `parse_dates`. A text that is not a date gives NaN.

    Shape:
        Input: strings `(batch, 1)`, or `(batch, steps, 1)`. Output: `(batch, 5)`, or `(batch, steps, 5)`, float32.
    """
    import keras

    ops, steps = keras.ops, tensor.shape[1:-1]
    if steps:  # TextVectorization takes one text for each example
        tensor = ops.reshape(tensor, (-1, 1))
    characters = keras.layers.TextVectorization(
        standardize=None,
        split="character",
        output_sequence_length=_LENGTH,
        vocabulary=[*(str(digit) for digit in range(_DIGITS)), "+", "-", ":"],
    )
    ids = ops.cast(characters(tensor), "int32")
    is_digit = ops.cast((ids >= _FIRST_DIGIT) & (ids < _PLUS), "int32")
    digits = (ids - _FIRST_DIGIT) * is_digit

    def number(first: int, last: int) -> Any:
        powers = np.array([_DIGITS**power for power in reversed(range(last - first))], np.int32)
        return ops.sum(digits[:, first:last] * powers, axis=-1, keepdims=True)

    def complete(first: int, last: int) -> Any:
        return ops.min(is_digit[:, first:last], axis=-1, keepdims=True)

    year, month, day = (number(*_PLACES[layout][part]) for part in ("year", "month", "day"))
    # A date without a time has no digits in these places, and counts as midnight.
    clock = (number(*_HOUR) * _HOUR_MINUTES + number(*_MINUTE)) * complete(*_HOUR)
    offset = _built_offset(ids, digits, ops) if in_utc else None
    parts = ops.cast(_parts(year, month, day, clock, offset, ops), "float32")
    fits = complete(*_PLACES[layout]["year"]) * complete(*_PLACES[layout]["month"]) * complete(*_PLACES[layout]["day"])
    fits = (fits > 0) & (month >= 1) & (month <= 12) & (day >= 1)
    fits = fits & (day <= days_in_month(year, month, ops)) & (clock <= _DAY_MINUTES)
    parts = ops.where(fits, parts, np.float32(np.nan))
    return ops.reshape(parts, (-1, *steps, len(PARTS))) if steps else parts


def days_in_month(year: Any, month: Any, ops: Any = np) -> Any:
    """Return the number of days of a month in the Gregorian calendar.

    Args:
        year: Year, as a whole number, an array or a tensor.
        month: Month, from 1.
        ops: `numpy`, or `keras.ops` for tensors.
    """
    leap = _equal(ops.mod(year, 4), 0, ops) - _equal(ops.mod(year, 100), 0, ops) + _equal(ops.mod(year, 400), 0, ops)
    # Months of 31 and 30 days alternate, but both July and August have 31.
    usual = 30 + ops.mod(month + ops.floor_divide(month, 8), 2)
    return usual - _equal(month, _FEBRUARY, ops) * (2 - leap)


def _given(known: pa.Array, layout: DateLayout) -> tuple[npt.NDArray[np.bool_], pa.Array]:
    """Return which texts are dates, and the texts with a valid date in place of each other text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def kept(mask: npt.NDArray[np.bool_]) -> pa.Array:
        return pc.if_else(
            pa.array(mask), known, {"ymd": "2000-01-01", "dmy": "01.01.2000", "mdy": "01/01/2000"}[layout]
        )

    fits = pc.match_substring_regex(known, _PATTERNS[layout]).fill_null(False)
    given: npt.NDArray[np.bool_] = fits.to_numpy(zero_copy_only=False)
    # Days can be compared with the length of their month only once every text has digits in the places of a date.
    texts = kept(given)
    year, month, day = (_slice(texts, *_PLACES[layout][part]) for part in ("year", "month", "day"))
    given = given & (day <= days_in_month(year, month))
    return given, kept(given)


def _slice(texts: pa.Array, first: int, last: int) -> Integers:
    """Return the numbers at a place of texts, 0 if a text is shorter."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = pc.utf8_slice_codeunits(texts, first, last)
    numbers: Integers = pc.if_else(pc.equal(digits, ""), "0", digits).cast(pa.int32()).to_numpy()
    return numbers


def _offsets(texts: pa.Array) -> Integers:
    """Return the UTC offsets of times in minutes. A column has few different ones, so each is parsed once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    zones = pc.utf8_slice_codeunits(texts, _ZONE, _LENGTH).dictionary_encode()
    found = pc.extract_regex(zones.dictionary, r"(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})?$")
    minutes = np.zeros(len(zones.dictionary), np.int32)
    for place, zone in enumerate(found.to_pylist()):
        if zone is not None:
            size = int(zone["hours"]) * _HOUR_MINUTES + int(zone["minutes"] or 0)
            minutes[place] = -size if zone["sign"] == "-" else size
    indices: Any = zones.indices.cast(pa.int32()).to_numpy()
    of_texts: Integers = minutes[indices]
    return of_texts


def _built_offset(ids: Any, digits: Any, ops: Any) -> Any:
    """Return the UTC offsets of times given as character ids: the digits after the first sign behind the minute.

    Rows are subtracted and never added. For one example at a time, Keras 3.15 turns the sum of two rows into a BiasAdd,
    which TensorFlow Lite does not support for int32.
    """
    tail, after = ids[:, _ZONE:], digits[:, _ZONE:]
    width = _LENGTH - _ZONE - 6  # an offset has up to six characters
    is_minus = _equal(tail[:, :width], _MINUS, ops)
    is_sign = ops.maximum(_equal(tail[:, :width], _PLUS, ops), is_minus)
    has_colon = _equal(tail[:, 3 : width + 3], _COLON, ops)

    def digit(place: int) -> Any:
        return after[:, place : width + place]

    def two_digits(place: int) -> Any:
        return digit(place + 1) - digit(place) * -_DIGITS

    minutes = ops.where(has_colon > 0, two_digits(4), two_digits(3))
    size = (minutes - two_digits(1) * -_HOUR_MINUTES) * (1 - 2 * is_minus)
    return ops.sum(is_sign * size, axis=-1, keepdims=True)


def _parts(year: Any, month: Any, day: Any, clock: Any, offset: Any | None, ops: Any) -> Any:
    """Return the parts of dates from days and minutes. With an offset, they are converted to UTC.

    Formula:
        Days are counted from 1 March of the year 0, so that a leap day is the last of its year.

    Reference:
        Hinnant, 2014, chrono-Compatible Low-Level Date Algorithms.
    """
    hour = ops.floor_divide(clock, _HOUR_MINUTES)
    if offset is not None:
        minutes = clock - offset + _DAY_MINUTES  # counted from the day before, so that they are not negative
        hour = ops.floor_divide(ops.mod(minutes, _DAY_MINUTES), _HOUR_MINUTES)
        year, month, day = _day_of(_number_of(year, month, day, ops) + ops.floor_divide(minutes, _DAY_MINUTES) - 1, ops)
    parts = [year, month, day, _weekday(year, month, day, ops), hour]
    return np.stack(parts, axis=-1) if ops is np else ops.concatenate(parts, axis=-1)


def _number_of(year: Any, month: Any, day: Any, ops: Any) -> Any:
    """Return the number of a day, counted from 1 March of the year 0."""
    early = _is(month <= _FEBRUARY, ops)
    year, month = year - early, month + 12 * early - 3
    leaps = ops.floor_divide(year, 4) - ops.floor_divide(year, 100) + ops.floor_divide(year, 400)
    # From March on, any five months have 153 days: (153 m + 2) // 5 is the number of days before month m.
    return 365 * year + leaps + ops.floor_divide(153 * month + 2, 5) + day - 1


def _day_of(number: Any, ops: Any) -> tuple[Any, Any, Any]:
    """Return the day with a number; the inverse of `_number_of`."""
    # The calendar repeats after 400 years, which have 146,097 days.
    era = ops.floor_divide(number, 146_097)
    of_era = number - era * 146_097
    passed = ops.floor_divide(of_era, 1_460) - ops.floor_divide(of_era, 36_524) + ops.floor_divide(of_era, 146_096)
    year = ops.floor_divide(of_era - passed, 365)
    of_year = of_era - (365 * year + ops.floor_divide(year, 4) - ops.floor_divide(year, 100))
    month = ops.floor_divide(5 * of_year + 2, 153)
    day = of_year - ops.floor_divide(153 * month + 2, 5) + 1
    late = _is(month >= 10, ops)  # January and February
    return year + era * 400 + late, month + 3 - 12 * late, day


def _weekday(year: Any, month: Any, day: Any, ops: Any) -> Any:
    """Return the day of the week, from 0 for Monday.

    Formula:
        Zeller's congruence: January and February are months 13 and 14 of the year before.
    """
    early = _is(month <= _FEBRUARY, ops)
    month, year = month + 12 * early, year - early
    leaps = ops.floor_divide(year, 4) - ops.floor_divide(year, 100) + ops.floor_divide(year, 400)
    saturday_is_0 = ops.mod(day + ops.floor_divide(13 * (month + 1), 5) + year + leaps, 7)
    return ops.mod(saturday_is_0 + 5, 7)


def _is(condition: Any, ops: Any) -> Any:
    """Return 1 where a condition holds, otherwise 0."""
    return condition * 1 if ops is np else ops.cast(condition, "int32")


def _equal(values: Any, value: int, ops: Any) -> Any:
    """Return 1 where values equal a value, otherwise 0. The == of Keras tensors compares their identity."""
    return _is(ops.equal(values, value), ops)


@dataclass(frozen=True)
class DateColumn:
    """A column of dates, stored as year, month, day, day of the week and hour.

    Args:
        name: Name of the column.
        layout: Layout of the dates in files.
        median: Median of each part, which replaces missing dates.
        mean: Mean of each part.
        variance: Variance of each part; 1 if all values are the same.
        indicator: Whether one more number marks missing dates.
        required: Whether a missing value is an error.
        in_utc: Whether times with an offset are converted to UTC. False in runs before 2026-11-29.
        kind: Discriminator of the kinds of columns.
    """

    name: str
    layout: DateLayout
    median: tuple[float, ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]
    indicator: bool = False
    required: bool = False
    in_utc: bool = False
    kind: Literal["date"] = "date"

    @property
    def width(self) -> int:
        """The number of stored values per row."""
        return len(PARTS) + self.indicator

    @property
    def embedded(self) -> Embedded | None:
        """Always None: dates are not embedded."""
        return None

    @property
    def measured(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The mean and variance of each stored value."""
        return (*self.mean, 0.0)[: self.width], (*self.variance, 1.0)[: self.width]

    def code(self, known: pa.Array) -> tuple[npt.NDArray[np.float32], int | None]:
        """Return the stored form of some dates, and the index of the first text that is not a date.

        Args:
            known: Texts, null if missing.

        Shape:
            Returns: `(rows, width)`.
        """
        parts, wrong = parse_dates(known, self.layout, in_utc=self.in_utc)
        return self.fill(parts), wrong

    def fill(self, parts: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the parts with NaN replaced by the median, and the indicator if there is one."""
        missing = np.isnan(parts)
        filled = np.where(missing, np.array(self.median, np.float32), parts)
        return np.concatenate([filled, missing[:, :1].astype(np.float32)], axis=1) if self.indicator else filled

    def build(self, tensor: Any, missing: Sequence[str]) -> Any:  # noqa: ARG002  a text that is not a date is missing
        """Build the Keras layers that do the same as `code`.

        Shape:
            tensor: strings `(batch, ..., 1)`. Returns: `(batch, ..., width)`, float32.
        """
        import keras

        parts = build_dates(tensor, self.layout, in_utc=self.in_utc)
        absent = keras.ops.isnan(parts)
        filled = keras.ops.where(absent, np.array(self.median, np.float32), parts)
        if not self.indicator:
            return filled
        return keras.ops.concatenate([filled, keras.ops.cast(absent[..., :1], "float32")], axis=-1)
