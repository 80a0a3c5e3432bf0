"""Find the user's own folders, which belong to no run."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder for what can be made again: `DLRUN_CACHE`, `XDG_CACHE_HOME/dlrun` or `~/.cache/dlrun`."""
    if given := os.environ.get("DLRUN_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dlrun"


def config_folder() -> Path:
    """Return the folder for what the user has written: `XDG_CONFIG_HOME/dlrun` or `~/.config/dlrun`."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "dlrun"
