"""The rows of a series: whether they are in the order of time."""

from __future__ import annotations

from collections.abc import Iterator

from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.inspected import Inspected
from dlrun.data.series import Series
from dlrun.data.series_order import remedy_of_order


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
