"""One comparison of a condition, such as `seconds>2h`."""

from pathlib import Path
from typing import Any

import pytest

from dlrun.runs.query.summary import RunSummary
from dlrun.runs.query.where_operators import Literal, comparison, parse_duration

RUN = RunSummary(Path("runs"), "a", order=1_000_000_000.0)


def holds(value: Any, operator: str, text: str, *, key: str = "x", is_quoted: bool = False) -> bool:
    return comparison(key, operator, Literal(text, is_quoted), lambda _: value)(RUN)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5m", 90), ("10min", 600), ("2h", 7200), ("1d", 86_400), ("4w", 2_419_200)]
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-3s", "2 h", "3 months"])
def test_another_text_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="a number of seconds"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("value", "operator", "text", "expected"),
    [
        (0.5, "<", "0.5", False),
        (0.5, "<=", "0.5", True),
        (0.5, ">", "-1e3", True),
        (None, "<", "1", False),
        (True, ">", "0", False),  # a boolean is not a number
        (3, "=", "3.0", True),
        (3, "!=", "3.0", False),
        (None, "=", "null", True),
        (None, "!=", "3", True),
        ("CNN wide", "~", "cnn", True),
        (None, "~", "", False),
        (["a", "paper"], "=", "paper", True),
        ([3, 5], "=", "[3, 5]", True),
    ],
)
def test_a_value_is_compared_as_what_it_is(value: Any, operator: str, text: str, expected: bool) -> None:
    assert holds(value, operator, text) is expected


def test_what_is_in_quotes_is_a_text() -> None:
    assert Literal("3", is_quoted=True).number is None
    assert holds(3, "=", "3")
    assert not holds(3, "=", "3", is_quoted=True)
    assert not holds(None, "=", "null", is_quoted=True)


def test_the_keys_of_time_take_durations_and_dates() -> None:
    assert holds(7000.0, "<", "2h", key="seconds")
    assert holds("2026-11-21T14:30", "=", "2026-11-21", key="started")
    assert holds("ignored", ">", "2001-09-08", key="started")  # it compares the time of the start, 2001-09-09
    for key, text in (("seconds", "soon"), ("started", "yesterday"), ("x", "many")):
        with pytest.raises(ValueError, match=r"seconds|a date|a number"):
            comparison(key, "<", Literal(text), lambda _: 0)
