"""Decide whether the first line of a delimited file contains column names: by the spec, or by comparing it to the rows.

Column names differ from the values below: they are words above numbers, and the words do not occur below. A row is like
the other rows: its numbers are in the range of their columns, and its words occur again. Each column votes, positive
for a row and negative for column names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dlrun.errors import DataError

_MISSING = ("?", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "-", "\\n")
_NUMBER = re.compile(r"[-+]?[$€£]? ?(\d[\d.,]*|[.,]\d+)([eE][-+]?\d+)? ?[%€$]?")
_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([T ].*)?|\d{1,2}:\d{2}(:\d{2})?"
)
_IMAGE = re.compile(r".+\.(jpe?g|jfif|png|bmp|gif|tiff?|webp|p[bgpn]m)", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d][\w.-]*")
_WORDS_OF_A_TEXT = 3
_MOSTLY = 0.8
_ENOUGH = 2
_FEW = 5
"""With fewer rows than this, a number outside of the range of the others is not evidence."""

_YEARS = range(1800, 2200)
_NEVER = -100
_SHOWN = 3


@dataclass(frozen=True)
class Header:
    """Settings for the first line of a file.

    Args:
        present: Whether the first line contains the column names; None if the spec does not say.
        names: Column names that replace the ones in the file.
    """

    present: bool | None = None
    names: tuple[str, ...] = ()

    def is_first_line(self, first: Sequence[str]) -> bool:
        """Return whether the first line contains column names.

        With `names` set and `present` unknown, it does only if it contains exactly these names.
        """
        if self.present is True or not self.names:
            return self.present is not False
        return tuple(first) == self.names

    def warnings(self, path: str, like: str, *, is_name_like: bool = False) -> Iterator[str]:
        """Yield a warning if the first line is read as column names but looks like a row, or the other way round.

        Args:
            path: Path of the file.
            like: Result of `row_like` for the line.
            is_name_like: Result of `name_like` for the line.
        """
        if self.present is False and is_name_like:
            yield (
                f"the first line of {path} looks like column names, but is read as a row: remove header: false or the "
                "line if it contains column names"
            )
        if self.present is None and not self.names and like:
            yield (
                f"the first line of {path} is read as column names, but looks like a row ({like}): set header: false "
                "to read it as a row, or header: true to confirm that it contains the column names"
            )

    def doubt(self, first: Sequence[str], like: str) -> str:
        """Return the evidence that a line read as column names is a row, for the error about a missing column.

        Args:
            first: Values of the line.
            like: Result of `row_like` for the line. Here a number among the values is enough too, because numbers are
                rarely column names.

        Returns:
            The values that look like a row; empty if none do, or if the spec says what the line is.
        """
        if self.present is not None or self.names or not first:
            return ""
        numbers = [value for value in first if _is_number(value.strip()) or _DATE.fullmatch(value.strip())]
        return like or ("" if _count_on(numbers) else _shown(numbers, most=_SHOWN))

    def names_of(self, path: str, first: Sequence[str]) -> tuple[str, ...]:
        """Return the column names of a file.

        Args:
            path: Path of the file, for messages.
            first: Values of its first line.

        Raises:
            DataError: The number of names differs from the number of columns.
        """
        if self.names and len(self.names) != len(first):
            raise DataError(
                f"`names` has {_counted(len(self.names), 'name')}, but {path} has {_counted(len(first), 'column')}: "
                + _shown(first),
                expected="one name for each column",
            )
        if self.names or self.is_first_line(first):
            return self.names or tuple(first)
        return tuple(f"column_{number}" for number in range(1, len(first) + 1))


def row_like(first: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the values by which the first line looks like a row and not like column names; empty if it does not.

    Args:
        first: Values of the first line.
        rows: Values of some lines below it.
    """
    first = [value.strip() for value in first]
    rows = [row for row in rows if len(row) == len(first)]
    if not rows:
        return ""
    columns = [[row[place].strip() for row in rows] for place in range(len(first))]
    votes = [_vote(value, column) for value, column in zip(first, columns, strict=True)]
    numbers = [value for value, column in zip(first, columns, strict=True) if _is_number(value) and _numeric(column)]
    # Numbers that count on are generated column names. Numbers that repeat are not: column names are unique.
    if _count_on(numbers):
        votes.append(_NEVER)
    elif len(set(numbers)) < len(numbers):
        votes.append(1)
    # A line of nothing but numbers is suspicious by itself, so less evidence is enough.
    enough = 1 if len(numbers) == len(first) else _ENOUGH
    if sum(votes) < enough:
        return ""
    like = [value for value, vote in zip(first, votes, strict=False) if vote > 0]
    return ", ".join(map(repr, like[:_SHOWN])) + (", ..." if like[_SHOWN:] else "")


def name_like(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first line looks like column names: words that do not occur below, above different values.

    Args:
        first: Values of the first line.
        rows: Values of some lines below it.
    """
    rows = [row for row in rows if len(row) == len(first)]
    if not rows or not all(_NAME.fullmatch(value.strip()) for value in first):
        return False
    columns = [[row[place].strip() for row in rows] for place in range(len(first))]
    if any(value.strip() in column for value, column in zip(first, columns, strict=True)):
        return False
    return any(_vote(value, column) < 0 or _is_wordy(column) for value, column in zip(first, columns, strict=True))


def _is_wordy(column: Sequence[str]) -> bool:
    """Return whether the values are sentences, so that a single word above them is a name."""
    return sum(len(value.split()) for value in column) >= _WORDS_OF_A_TEXT * len(column)


def _vote(value: str, column: Sequence[str]) -> int:
    """Return a positive number if a value fits into the column, a negative one if it is rather its name."""
    known = [each for each in column if not _is_missing(each)]
    if not known or not value:
        return 0
    if value.lower() in _MISSING:
        return 2
    for pattern in (_DATE, _IMAGE):
        if _mostly(known, pattern):
            return 3 if pattern.fullmatch(value) else _NEVER
    if not _numeric(column):
        return _vote_of_text(value, known)
    if not _is_number(value):
        return _NEVER
    # In a column of few codes, finding the same code again says more than a number within the range.
    if value in known and len(set(known)) <= len(known) / 2:
        return 2
    return _vote_of_number(_number(value), [_number(each) for each in known if _is_number(each)])


def _vote_of_number(number: float, numbers: Sequence[float]) -> int:
    low, high = min(numbers), max(numbers)
    if low <= number <= high or _goes_on(number, numbers):
        return 1
    near = (high - low) / 2
    is_far = not low - near <= number <= high + near
    return -1 if is_far and len(numbers) >= _FEW else 0


def _vote_of_text(value: str, known: Sequence[str]) -> int:
    if value in known:
        return 2
    # If the values of a column repeat a lot, a value that is not among them is a name.
    return -2 if len(set(known)) <= len(known) / 3 else 0


def _goes_on(number: float, numbers: Sequence[float]) -> bool:
    """Return whether a number continues the column upwards: all numbers rise, or all fall, without a large gap."""
    if len(numbers) < _ENOUGH:
        return False
    steps = [after - before for before, after in zip([number, *numbers], numbers, strict=False)]
    largest = max(map(abs, steps[1:]))
    return (all(step > 0 for step in steps) or all(step < 0 for step in steps)) and abs(steps[0]) <= 3 * largest


def _count_on(numbers: Sequence[str]) -> bool:
    """Return whether numbers are consecutive, like 0, 1, 2 or 2019, 2020: probably generated column names."""
    if len(numbers) < _ENOUGH or not all(number.isdecimal() for number in numbers):
        return False
    whole = [int(number) for number in numbers]
    steps = {after - before for before, after in pairwise(whole)}
    if min(steps) <= 0:
        return False
    if all(number in _YEARS for number in whole):
        return True
    # Two numbers always have a single step, so only 0, 1 and 1, 2 count.
    return len(steps) == 1 and (len(whole) > _ENOUGH or (steps == {1} and whole[0] <= 1))


def _numeric(column: Sequence[str]) -> bool:
    known = [value for value in column if not _is_missing(value)]
    return bool(known) and _mostly(known, _NUMBER)


def _mostly(values: Sequence[str], pattern: re.Pattern[str]) -> bool:
    return sum(pattern.fullmatch(value) is not None for value in values) >= _MOSTLY * len(values)


def _is_missing(value: str) -> bool:
    return not value or value.lower() in _MISSING


def _is_number(value: str) -> bool:
    return _NUMBER.fullmatch(value) is not None


def _number(value: str) -> float:
    """Return the approximate number. A comma may be a decimal or a thousands separator, which matters little here."""
    digits = re.sub(r"[^\d.,eE+-]", "", value).replace(",", ".")
    whole, _, fraction = digits.rpartition(".")
    return float(f"{whole.replace('.', '')}.{fraction}" if whole else digits)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _shown(values: Sequence[str], *, most: int = 5) -> str:
    return ", ".join(map(repr, values[:most])) + (", ..." if values[most:] else "")
