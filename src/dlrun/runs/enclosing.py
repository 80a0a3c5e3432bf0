"""Which run's folder a file lies in."""

from __future__ import annotations

import os
from pathlib import Path


def folder_around(path: Path) -> Path | None:
    """Return the folder of the run in which a file lies, by its name or after its links; None if it lies in none.

    It has a module of its own because every `dlrun validate` asks it, and what reads a run takes time to import.
    """
    for place in (*path.absolute().parents, *Path(os.path.realpath(path)).parents):
        if os.path.isfile(place / "run.json"):  # noqa: PTH113  of a folder that one may not enter it says no
            return place
    return None
