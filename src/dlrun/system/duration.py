"""Format durations for people."""

from __future__ import annotations

import math

_MINUTE, _HOUR = 60, 3600


def format_seconds(seconds: float) -> str:
    """Format a duration: `4.2 s`, `3:07 min`, `2:03 h`."""
    # int() fails for infinity and nan.
    if seconds < _MINUTE or not math.isfinite(seconds):
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds) // _MINUTE}:{int(seconds) % _MINUTE:02d} min"
    return f"{int(seconds) // _HOUR}:{int(seconds) % _HOUR // _MINUTE:02d} h"
