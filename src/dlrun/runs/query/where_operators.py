"""Evaluate one comparison of a condition: a key's value, an operator, and a literal."""

from __future__ import annotations

import datetime as dt
import operator as operators
import re
from collections.abc import Callable
from typing import NamedTuple

from dlrun.runs.query.fields import Getter, Value, as_text
from dlrun.runs.query.summary import RunSummary

_ORDERINGS: dict[str, Callable[[float, float], bool]] = {
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|min|m|h|d|w)?")
_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_NULLS = ("null", "none")


class Literal(NamedTuple):
    """The right-hand side of a comparison; in quotes it is always a text."""

    text: str
    is_quoted: bool = False

    @property
    def number(self) -> float | None:
        """The value as a number; None if it is not one."""
        return float(self.text) if not self.is_quoted and _NUMBER.fullmatch(self.text) else None


def comparison(key: str, operator: str, literal: Literal, getter: Getter) -> Callable[[RunSummary], bool]:
    """Return one comparison as a function of a run.

    Args:
        key: The key, which decides how to read the literal: for `age` and `seconds` as a duration, for `started` as a
            time.
        operator: One of `where.OPERATORS`.
        literal: The right-hand side.
        getter: Returns the key's value for a run.

    Raises:
        ValueError: The operator needs another kind of literal; the message is what it expects.
    """
    if operator == "~":
        part = literal.text.casefold()
        return lambda run: (value := getter(run)) is not None and part in as_text(value).casefold()
    if operator in _ORDERINGS:
        compare = _ORDERINGS[operator]
        bound = _bound(key, literal)
        if key == "started":
            return lambda run: compare(run.order, bound)
        return lambda run: _is_number(value := getter(run)) and compare(value, bound)
    is_equal = _equality(key, literal)
    if operator == "!=":
        return lambda run: not is_equal(getter(run))
    return lambda run: is_equal(getter(run))


def parse_duration(text: str) -> float:
    """Return the seconds in a duration such as `90`, `90s`, `10m`, `2h`, `30d` or `4w`.

    Args:
        text: The duration.

    Raises:
        ValueError: `text` is not a duration.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("a number of seconds, or one with a unit: 90s, 10m, 2h, 30d, 4w")
    return float(found[1]) * _UNITS[found[2] or ""]


def _bound(key: str, literal: Literal) -> float:
    if key in ("age", "seconds"):
        return parse_duration(literal.text)
    if key == "started":
        try:
            return dt.datetime.fromisoformat(literal.text).timestamp()
        except (ValueError, OverflowError):
            raise ValueError("a date, or a date and a time: 2026-11-21, 2026-11-21T14:30") from None
    if literal.number is None:
        raise ValueError("a number; for texts, use =, != or ~ instead")
    return literal.number


def _equality(key: str, literal: Literal) -> Callable[[Value], bool]:
    number = parse_duration(literal.text) if key in ("age", "seconds") else literal.number
    text = literal.text
    whole = re.sub(r"\s", "", text)
    is_null = not literal.is_quoted and text.lower() in _NULLS

    def is_equal(value: Value) -> bool:
        if value is None:
            return is_null
        if isinstance(value, list):
            return whole == re.sub(r"\s", "", as_text(value)) or any(is_equal(member) for member in value)
        if _is_number(value):
            return number is not None and bool(value == number)
        # A time is stored to the millisecond, but a user who gives a date means the whole day.
        return as_text(value).startswith(text) if key == "started" else as_text(value) == text

    return is_equal


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
