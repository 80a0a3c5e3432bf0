"""Numbers, times and ages in words."""

from typing import Any

from dlrun.cli.display.format import format_age, format_count


def test_ages_and_counts_are_easy_to_read() -> None:
    ages: dict[float, Any] = {0: "0 s ago", -5: "0 s ago", 59.9: "59 s ago", 60: "1 min ago", 3 * 3600 + 5: "3 h ago"}
    ages |= {86_400 * 400: "1 y ago", 86_400 * 2: "2 d ago", float("inf"): "", float("nan"): ""}
    assert {seconds: format_age(seconds) for seconds in ages} == ages
    assert (format_count(1, "run"), format_count(1200, "run")) == ("1 run", "1,200 runs")
