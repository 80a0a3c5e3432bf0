"""Find the run folder that contains a file."""

from __future__ import annotations

import os
from pathlib import Path


def folder_around(path: Path) -> Path | None:
    """Return the folder of the run that contains a file, by its path or after resolving links; None if there is none.

    This function has a module of its own because every `dlrun validate` calls it, and the modules that read runs take
    long to import.

    Args:
        path: The path of the file.
    """
    for place in (*path.absolute().parents, *Path(os.path.realpath(path)).parents):
        if os.path.isfile(place / "run.json"):  # noqa: PTH113  returns False for a folder that may not be entered
            return place
    return None
