"""The values of a dataset's keys in, the files and folders that they name out."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def places_in(value: Any) -> Iterator[Path]:
    """Yield every path in a key's value, however deep; for a pattern what fits it, if anything does."""
    if isinstance(value, str):
        path = Path(value).expanduser()
        is_pattern = glob.has_magic(str(path)) and not path.exists()
        fitting = sorted(glob.glob(str(path), recursive=True)) if is_pattern else []  # noqa: PTH207  absolute or not
        yield from map(Path, fitting or [str(path)])
    elif isinstance(value, Mapping | list | tuple):
        for below in value.values() if isinstance(value, Mapping) else value:
            yield from places_in(below)
