"""Check the times of a series: order, gaps, and repeated times."""

from __future__ import annotations

from collections.abc import Iterator

from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.inspected import Inspected
from dlrun.data.series.order import remedy_of_order
from dlrun.data.series.source import Series
from dlrun.data.series.steps import GAP, Steps, steps_of


def check_time_order(inspected: Inspected) -> Iterator[Finding]:
    """Check that rows are in order of a detected time column. Loading already checks a time column of the spec."""
    if not isinstance(inspected.source, Series):
        return
    rows, threshold = inspected.series, "no time is before that of the row above"
    if rows is None:
        yield Finding("pass", "time order", "no column looks like a time: the order of the rows is trusted", threshold)
    elif rows.problem:
        yield Finding("warning", "time order", rows.problem, threshold, remedy_of_order(rows.times))
    else:
        order = f"the rows are in order of {', '.join(rows.times.names)}"
        yield Finding("pass", "time order", order, threshold)


def check_gaps(inspected: Inspected) -> Iterator[Finding]:
    """Find gaps in time: a window across a gap covers a longer time than others."""
    steps = _steps(inspected)
    if steps is None or not steps.usual:
        return
    threshold = f"no step above {GAP:g} times the median step"
    advice = (
        "windows count rows, not time: add the missing rows with empty values; regular gaps, such as weekends, need "
        "not be filled"
    )
    yield Finding(
        "warning" if steps.gaps else "pass", "gaps", steps.describe_gaps(), threshold, advice if steps.gaps else ""
    )


def check_repeated_times(inspected: Inspected) -> Iterator[Finding]:
    """Find rows with the same time as the row above."""
    steps = _steps(inspected)
    if steps is None:
        return
    threshold = "every row has its own time"
    if not steps.repeats:
        yield Finding("pass", "repeated times", f"none in {steps.rows:,} rows", threshold)
        return
    advice = (
        "remove copies; if there are several shops or sensors, keep the rows of one; or add the finer column to "
        "`time`: [date, hour]"
    )
    yield Finding("warning", "repeated times", steps.describe_repeats(), threshold, advice)


def _steps(inspected: Inspected) -> Steps | None:
    """Return the time steps of a series whose rows are in order; None for other data."""
    rows = inspected.series
    # Steps between rows that are not in order say nothing about gaps.
    return None if rows is None or rows.problem else steps_of(rows.times)
