"""Parse columns of texts or numbers as times in many layouts. A later time is a larger number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.columns.dates import days_in_month
from dlrun.data.columns.numbers import is_numbers

if TYPE_CHECKING:
    import pyarrow as pa

TimeLayout = Literal["number", "ymd", "dmy", "mdy", "clock", "my", "month", "quarter", "week"]
"""number: 1711893600, 2024 · ymd: 2024-03-31 14:00, 2024-03 · dmy: 31.03.2024 · mdy: 03/31/2024 · clock: 14:00 · my:
03/2024 · month: Mar 2024, 31 March 2024, March 31, 2024 · quarter: 2024-Q1, Q1 2024 · week: 2024-W13; ymd, dmy and mdy
with or without a time of day."""

LAYOUTS: tuple[TimeLayout, ...] = ("number", "ymd", "dmy", "mdy", "clock", "my", "month", "quarter", "week")
"""The layouts in the order in which they are tried: if ambiguous, the day comes first."""

PERIODS: tuple[TimeLayout, ...] = ("my", "month", "quarter", "week")
"""The layouts of months, quarters and weeks. Each is read as its first day."""

DATES: tuple[TimeLayout, ...] = ("ymd", "dmy", "mdy")

WRITTEN: dict[TimeLayout, str] = {
    "number": "a number",
    "ymd": "2024-03-31 14:00",
    "dmy": "31.03.2024 14:00",
    "mdy": "03/31/2024 14:00",
    "clock": "14:00",
    "my": "03/2024",
    "month": "Mar 2024",
    "quarter": "2024-Q1",
    "week": "2024-W13",
}
"""An example of each layout, for messages."""

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?$"
_YEAR, _MONTH, _DAY = r"(?P<year>\d{4})", r"(?P<month>0?[1-9]|1[0-2])", r"(?P<day>0?[1-9]|[12]\d|3[01])"
_NAMES = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?"
)
_NAME = f"(?P<name>{_NAMES})"
_FIRST_LETTERS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = (
    r"(?P<hour>[01]?\d|2[0-4])(?::(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d|60)(?P<fraction>[.,]\d+)?)?)?"
    r"(?: ?(?P<half>[AaPp][Mm]))?"
)
_ZONE = r"(?P<zone>Z| ?[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?"
_TIME = rf"(?:[T ]+{_CLOCK}{_ZONE})?$"
_PATTERNS: dict[TimeLayout, str] = {
    "ymd": rf"^{_YEAR}[-/.]{_MONTH}(?:[-/.]{_DAY}{_TIME}|$)",
    "dmy": rf"^{_DAY}[-/.]{_MONTH}[-/.]{_YEAR}{_TIME}",
    "mdy": rf"^{_MONTH}[-/.]{_DAY}[-/.]{_YEAR}{_TIME}",
    "clock": rf"^{_CLOCK}$",
    "my": rf"^{_MONTH}[-/.]{_YEAR}$",
    "month": (
        rf"(?i)^(?:{_DAY}\.?[- ])?{_NAME}\.?[-/, ]+(?:(?P<day_behind>0?[1-9]|[12]\d|3[01]),? +)?{_YEAR}$"
        rf"|^(?P<year_before>\d{{4}})[-/ ]?(?P<name_behind>{_NAMES})\.?$"
    ),
    "quarter": rf"(?i)^{_YEAR}[-/: ]?Q(?P<quarter>[1-4])$|^Q(?P<quarter_before>[1-4])[-/: ]?(?P<year_behind>\d{{4}})$",
    "week": rf"(?i)^{_YEAR}-?W(?P<week>0[1-9]|[1-4]\d|5[0-3])(?:-?(?P<weekday>[1-7]))?$",
}
_MINUTE, _HOUR, _DAY_SECONDS = 60.0, 3600.0, 86400.0
_NOON = 12
_WEEK_DAYS, _WEEKDAY_OF_1970 = 7, 3  # 1970 began on a Thursday

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TimeColumn:
    """A time column.

    Args:
        name: Name of the column.
        layout: Layout of its times.
    """

    name: str
    layout: TimeLayout


def parse_times(known: pa.Array, layout: TimeLayout) -> tuple[Floats, int | None]:
    """Return times as numbers: seconds since 1970 for dates, since midnight for clock times; numbers are unchanged.

    Args:
        known: Trimmed texts or numbers, null if missing.
        layout: Layout of the times.

    Returns:
        The numbers, NaN if a value is missing or not a time, and the index of the first that is not a time.

    Shape:
        `(rows,)`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if is_numbers(known):
        numbers = np.asarray(pc.cast(known, pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
        return (numbers, None) if layout == "number" else (numbers * np.nan, _first(~np.isnan(numbers)))
    given = np.asarray(known.is_valid())
    pattern = _NUMBER if layout == "number" else _PATTERNS[layout]
    fits = np.asarray(pc.fill_null(pc.match_substring_regex(known, pattern), False))
    times = np.full(len(known), np.nan)
    if fits.any():
        texts = known.filter(pa.array(fits))
        if layout == "number":
            times[fits] = np.asarray(pc.cast(texts, pa.float64()))
        else:
            found = _groups(pc.extract_regex(texts, pattern))
            times[fits] = _begun(found) if layout in PERIODS else _seconds(found, is_date=layout != "clock")
    return times, _first(given & np.isnan(times))


def _groups(parts: pa.StructArray) -> Mapping[str, pa.Array]:
    """Return the matches of the groups of a pattern, by their names."""
    return {parts.type.field(index).name: values for index, values in enumerate(parts.flatten())}


def _begun(found: Mapping[str, pa.Array]) -> Floats:
    """Return the start of months, quarters, weeks, or days with month names; NaN for days that do not exist."""
    number = {name: _numbers(values) for name, values in found.items() if not name.startswith("name")}
    year = _total(number, "year")
    if "week" in number:
        # ISO 8601: week 1 is the one with 4 January, and weeks begin on Monday.
        fourth = seconds_since_1970(year, np.ones_like(year), np.full_like(year, 4))
        monday = fourth - (fourth // _DAY_SECONDS + _WEEKDAY_OF_1970) % _WEEK_DAYS * _DAY_SECONDS
        days = (number["week"] - 1) * _WEEK_DAYS + np.maximum(number["weekday"], 1) - 1
        return np.asarray(monday + days * _DAY_SECONDS, np.float64)
    if "quarter" in number:
        month = 3 * (number["quarter"] + number["quarter_before"]) - 2
    elif "name" in found:
        texts = zip(found["name"].to_pylist(), found["name_behind"].to_pylist(), strict=True)
        month = np.array([_FIRST_LETTERS.index((name or behind)[:3].lower()) + 1 for name, behind in texts], np.float64)
    else:
        month = number["month"]
    day = np.maximum(_total(number, "day"), 1)
    begun = seconds_since_1970(year, month, day)
    begun[day > days_in_month(year.astype(np.int64), month.astype(np.int64))] = np.nan
    return begun


def _total(number: Mapping[str, Floats], begun: str) -> Floats:
    """Return the sum of the groups whose names start with a prefix. At most one of them matches in each text."""
    zeros: Floats = np.zeros_like(number["year"])
    return sum((values for name, values in number.items() if name.startswith(begun)), zeros)


def _seconds(found: Mapping[str, pa.Array], *, is_date: bool) -> Floats:
    """Return the matches of a pattern as seconds; NaN for times and days that do not exist."""
    hour = _numbers(found["hour"])
    half = np.char.lower(np.asarray(found["half"].to_pylist(), str))
    wrong = (half != "") & (hour > _NOON)
    # 12 am is midnight, and 12 pm is noon.
    hour = np.where(half != "", hour % _NOON, hour) + _NOON * (half == "pm")
    fraction = _numbers(found["fraction"], decimal=True)
    seconds: Floats = hour * _HOUR + _numbers(found["minute"]) * _MINUTE + _numbers(found["second"]) + fraction
    # 24:00 is the end of a day, but 24:01 does not exist.
    wrong |= (hour == _NOON + _NOON) & (seconds > _DAY_SECONDS)
    seconds[wrong] = np.nan
    if not is_date:
        return seconds
    year, month = _numbers(found["year"]), _numbers(found["month"])
    day = np.maximum(_numbers(found["day"]), 1)  # 2024-03 has no day
    seconds[day > days_in_month(year.astype(np.int64), month.astype(np.int64))] = np.nan
    return seconds_since_1970(year, month, day) + seconds - _offsets(found["zone"])


def seconds_since_1970(year: Floats, month: Floats, day: Floats) -> Floats:
    """Return the seconds from 1970 to the start of days."""
    months = (year.astype(np.int64) - 1970) * 12 + month.astype(np.int64) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return np.asarray((first + day - 1) * _DAY_SECONDS, np.float64)


def _numbers(texts: pa.Array, *, decimal: bool = False) -> Floats:
    """Return texts of digits as numbers, 0 if empty. With `decimal`, the texts are the decimals after a separator."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if decimal:
        texts = pc.replace_substring(texts, ",", ".")
        texts = pc.if_else(pc.equal(texts, ""), "0", pc.binary_join_element_wise("0", texts, ""))
    return np.asarray(pc.cast(pc.if_else(pc.equal(texts, ""), "0", texts), pa.float64()), np.float64)


def _offsets(zones: pa.Array) -> Floats:
    """Return the UTC offset of each zone in seconds. A series has few different zones, so each is parsed once."""
    encoded = zones.dictionary_encode()
    offsets = np.array([_offset(zone) for zone in encoded.dictionary.to_pylist()], np.float64)
    indices: Any = encoded.indices.to_numpy(zero_copy_only=False)
    found: Floats = offsets[indices]
    return found


def _offset(zone: str) -> float:
    digits = zone.strip().lstrip("+-").replace(":", "")
    if not digits.isdigit():
        return 0.0
    seconds = int(digits[:2]) * _HOUR + int(digits[2:] or 0) * _MINUTE
    return -seconds if zone.strip().startswith("-") else seconds


def _first(places: npt.NDArray[np.bool_]) -> int | None:
    return int(np.argmax(places)) if places.any() else None
