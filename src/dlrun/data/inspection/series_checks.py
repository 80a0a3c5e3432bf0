"""The rows of a series: whether they are in the order of time, how far they are apart, and which have one time."""

from __future__ import annotations

from collections.abc import Iterator

from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.inspected import Inspected
from dlrun.data.series.order import remedy_of_order
from dlrun.data.series.source import Series
from dlrun.data.series.steps import GAP, Steps, steps_of


def check_time_order(inspected: Inspected) -> Iterator[Finding]:
    """Rows that are not in the order of what looks like their time; loading refuses those of a time that is told."""
    if not isinstance(inspected.source, Series):
        return
    rows, threshold = inspected.series, "no time is before that of the row above"
    if rows is None:
        yield Finding(
            "pass", "time order", "no column looks like the time: the rows are taken as they stand", threshold
        )
    elif rows.said:
        yield Finding("warning", "time order", rows.said, threshold, remedy_of_order(rows.times))
    else:
        said = f"the rows are in the order of {', '.join(rows.times.names)}"
        yield Finding("pass", "time order", said, threshold)


def check_gaps(inspected: Inspected) -> Iterator[Finding]:
    """Steps that are larger than usual: a window over one is of a longer time than others."""
    steps = _steps(inspected)
    if steps is None or not steps.usual:
        return
    threshold = f"no step above {GAP:g} times the usual one, which is the median"
    advice = (
        "a window counts rows, not time: put the missing rows in, with empty values; gaps that always come back, as "
        "weekends do, need not be filled"
    )
    yield Finding(
        "warning" if steps.gaps else "pass", "gaps", steps.said_gaps(), threshold, advice if steps.gaps else ""
    )


def check_repeated_times(inspected: Inspected) -> Iterator[Finding]:
    """Rows with the time of the row above."""
    steps = _steps(inspected)
    if steps is None:
        return
    threshold = "every row has a time of its own"
    if not steps.repeats:
        yield Finding("pass", "repeated times", f"none in {steps.rows:,} rows", threshold)
        return
    advice = (
        "drop copies; of several things (shops, sensors) keep the rows of one; or give `time` the faster column too: "
        "[date, hour]"
    )
    yield Finding("warning", "repeated times", steps.said_repeats(), threshold, advice)


def _steps(inspected: Inspected) -> Steps | None:
    """Of a series whose rows are in order."""
    rows = inspected.series
    return None if rows is None or rows.said else steps_of(rows.times)
