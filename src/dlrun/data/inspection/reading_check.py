"""Whether the files were read as they were meant: what loading warns of, such as a first line that looks like a row."""

from __future__ import annotations

from collections.abc import Iterator

from dlrun.data.inspection.finding import Finding
from dlrun.data.inspection.inspected import Inspected


def check_reading(inspected: Inspected) -> Iterator[Finding]:
    """What loading the files warns of."""
    for warning in inspected.dataset.warnings:
        said, _, advice = warning.partition(": ")
        yield Finding("warning", "reading", said, "nothing that may be meant otherwise", advice)
