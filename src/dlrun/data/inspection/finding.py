"""The finding of a check: its status, what was found, the threshold, and advice."""

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
        status: Pass, note (may be chance), warning (look at it), or failure (scores are misleading, or training
            suffers).
        check: Name of the check.
        said: What was found, with numbers.
        threshold: Threshold of the check.
        advice: What to do; empty if the check passed.
    """

    status: Status
    check: str
    said: str
    threshold: str = ""
    advice: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return asdict(self)


def named(names: Sequence[str]) -> str:
    """Return the first names, and the number of the others."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def percent(share: float) -> str:
    """Format a fraction: `12.3%`. A tiny fraction is not shown as zero."""
    return "under 0.01%" if 0 < share < 1e-4 else f"{share:.2%}" if share < 0.01 else f"{share:.1%}"
