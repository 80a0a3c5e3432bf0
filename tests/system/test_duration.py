"""Durations as people write them."""

import math

import pytest

from dlrun.system.duration import format_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (4.24, "4.2 s"), (187, "3:07 min"), (7380, "2:03 h"), (360_000, "100:00 h"), (math.inf, "inf s")],
)
def test_a_duration_is_shown_in_its_largest_unit(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
