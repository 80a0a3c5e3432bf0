"""What a check says: whether all is well, the numbers, where the line was drawn, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["pass", "note", "warning", "failure"]

_NAMED = 8


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Args:
        status: pass, note (so little that it may be chance), warning (look at it) or failure (scores would mislead, or
            training suffers).
        check: What was looked at, in one or two words.
        said: What was found, with its numbers.
        threshold: Where the line is drawn.
        advice: What to do; empty where all is well.
    """

    status: Status
    check: str
    said: str
    threshold: str = ""
    advice: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def named(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def percent(share: float) -> str:
    """`12.3%`; what is little is not called nothing."""
    return "under 0.01%" if 0 < share < 1e-4 else f"{share:.2%}" if share < 0.01 else f"{share:.1%}"
