"""Whether the first line of a delimited file names its columns: by the spec, or by how it compares with the rows below.

A line of names is unlike the rows: there are words above numbers, and the words come up nowhere below. A row is like
the others: its numbers lie among those of the column, and its words come up again. Each column has a vote.
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
"""Rows below which a number outside of all others says nothing."""

_YEARS = range(1800, 2200)
_NEVER = -100
_SHOWN = 3


@dataclass(frozen=True)
class Header:
    """What is known of a file's first line.

    Args:
        present: Whether it names the columns; None: detected from the lines.
        names: The names of the columns, in place of those that the file gives or lacks.
    """

    present: bool | None = None
    names: tuple[str, ...] = ()

    def is_first_line(self, first: Sequence[str]) -> bool:
        """Whether a file's first line is one of names: with `names` alone, only if it says just these."""
        if self.present is True or not self.names:
            return self.present is not False
        return tuple(first) == self.names

    def warnings(self, path: str, like: str, *, is_name_like: bool = False) -> Iterator[str]:
        """A sentence if a first line is taken for names that looks like a row, or for a row that looks like names.

        Args:
            path: The file.
            like: What `row_like` says of it.
            is_name_like: What `name_like` says of it.
        """
        if self.present is False and is_name_like:
            yield (
                f"the first line of {path} looks like the names of its columns, and is read as a row, as header: false "
                "says: remove it from the file if it is none"
            )
        if self.present is None and not self.names and like:
            yield (
                f"the first line of {path} is read as the names of its columns, and looks like a row ({like}): "
                "header: false reads it as one, header: true says that it does name them"
            )

    def doubt(self, first: Sequence[str], like: str) -> str:
        """Why a first line that is taken for names may be a row, for the error of a column that is missing.

        Args:
            first: Its values.
            like: What `row_like` says of it. Less is enough here: a number, as it is rarely the name of a column.

        Returns:
            The values that speak for it; empty if none does, or if the spec settles what the line is.
        """
        if self.present is not None or self.names or not first:
            return ""
        numbers = [value for value in first if _is_number(value.strip()) or _DATE.fullmatch(value.strip())]
        return like or ("" if _count_on(numbers) else _shown(numbers, most=_SHOWN))

    def names_of(self, path: str, first: Sequence[str]) -> tuple[str, ...]:
        """The names of the columns of a file.

        Args:
            path: The file, for messages.
            first: The values of its first line.

        Raises:
            DataError: There are more names than columns, or fewer.
        """
        if self.names and len(self.names) != len(first):
            raise DataError(
                f"`names` has {_counted(len(self.names), 'name')}, and {path} {_counted(len(first), 'column')}: "
                + _shown(first),
                expected="a name for each column",
            )
        if self.names or self.is_first_line(first):
            return self.names or tuple(first)
        return tuple(f"column_{number}" for number in range(1, len(first) + 1))


def row_like(first: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Why the first line of a file looks like a row and not like names of columns; empty if it does not.

    Args:
        first: Its values.
        rows: The values of some lines below.
    """
    first = [value.strip() for value in first]
    rows = [row for row in rows if len(row) == len(first)]
    if not rows:
        return ""
    columns = [[row[place].strip() for row in rows] for place in range(len(first))]
    votes = [_vote(value, column) for value, column in zip(first, columns, strict=True)]
    numbers = [value for value, column in zip(first, columns, strict=True) if _is_number(value) and _numeric(column)]
    if _count_on(numbers):
        votes.append(_NEVER)
    elif len(set(numbers)) < len(numbers):
        votes.append(1)
    enough = 1 if len(numbers) == len(first) else _ENOUGH
    if sum(votes) < enough:
        return ""
    like = [value for value, vote in zip(first, votes, strict=False) if vote > 0]
    return ", ".join(map(repr, like[:_SHOWN])) + (", ..." if like[_SHOWN:] else "")


def name_like(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line of a file looks like names of columns: words that come up nowhere below, unlike the rows.

    Args:
        first: Its values.
        rows: The values of some lines below.
    """
    rows = [row for row in rows if len(row) == len(first)]
    if not rows or not all(_NAME.fullmatch(value.strip()) for value in first):
        return False
    columns = [[row[place].strip() for row in rows] for place in range(len(first))]
    if any(value.strip() in column for value, column in zip(first, columns, strict=True)):
        return False
    return any(_vote(value, column) < 0 or _is_wordy(column) for value, column in zip(first, columns, strict=True))


def _is_wordy(column: Sequence[str]) -> bool:
    """Whether values are sentences, above which one word is a name."""
    return sum(len(value.split()) for value in column) >= _WORDS_OF_A_TEXT * len(column)


def _vote(value: str, column: Sequence[str]) -> int:
    """Whether a value is one of a column (above 0), or rather its name (below 0)."""
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
    # Of columns whose values all come again, a value that does not is a name.
    return -2 if len(set(known)) <= len(known) / 3 else 0


def _goes_on(number: float, numbers: Sequence[float]) -> bool:
    """Whether numbers that always rise, or always fall, do so from the first on."""
    if len(numbers) < _ENOUGH:
        return False
    steps = [after - before for before, after in zip([number, *numbers], numbers, strict=False)]
    largest = max(map(abs, steps[1:]))
    return (all(step > 0 for step in steps) or all(step < 0 for step in steps)) and abs(steps[0]) <= 3 * largest


def _count_on(numbers: Sequence[str]) -> bool:
    """Whether numbers above columns count on, as 0, 1, 2 or 2019, 2020 do: names that another program has made."""
    if len(numbers) < _ENOUGH or not all(number.isdecimal() for number in numbers):
        return False
    whole = [int(number) for number in numbers]
    steps = {after - before for before, after in pairwise(whole)}
    if min(steps) <= 0:
        return False
    if all(number in _YEARS for number in whole):
        return True
    # Any two numbers have one step.
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
    """The number, about: whether a comma is a decimal one matters little here."""
    digits = re.sub(r"[^\d.,eE+-]", "", value).replace(",", ".")
    whole, _, fraction = digits.rpartition(".")
    return float(f"{whole.replace('.', '')}.{fraction}" if whole else digits)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _shown(values: Sequence[str], *, most: int = 5) -> str:
    return ", ".join(map(repr, values[:most])) + (", ..." if values[most:] else "")
