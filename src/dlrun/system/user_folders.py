"""Where the user's own files lie that belong to no run."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`DLRUN_CACHE`, else `XDG_CACHE_HOME/dlrun`, else `~/.cache/dlrun`: what can be made again."""
    if given := os.environ.get("DLRUN_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dlrun"
