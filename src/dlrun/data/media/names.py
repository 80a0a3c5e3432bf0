"""Groups of files by their names: the speaker of `jackson_07.wav`, or of `seven/jackson/07.wav`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePath

from dlrun.data.media_files.listing import MediaList, shown

FOLDER, PREFIX = "folder", "file_prefix"
_PART = re.compile(r"file_part_([1-9])")
_BETWEEN = re.compile(r"[_\-. ]+")


def names_group(value: str) -> bool:
    """Return whether a value of the key `group` means a part of the names of files: folder, file_prefix, file_part_2.

    Args:
        value: The value.
    """
    return value in (FOLDER, PREFIX) or _PART.fullmatch(value) is not None


def group_of_names(files: MediaList, value: str) -> Sequence[str | None]:
    """Return the group of each file; None for a name without this part.

    Args:
        files: The files.
        value: `folder` for the folder of the file, below its class folder; `file_prefix` for the beginning of its name
            up to the first `_`, `-`, dot or space; `file_part_2` for the part after it, and so on up to `file_part_9`.
    """
    if value == FOLDER:
        # The first folder is the class, unless a list gives the labels.
        first = 0 if files.table is not None or files.labels is None else 1
        return [_folder(shown(name), first) for name in files.names]
    found = _PART.fullmatch(value)
    take = _part(int(found[1]) if found else 1)
    return [take(shown(name)) for name in files.names]


def _folder(name: str, first: int) -> str | None:
    return "/".join(PurePath(name).parts[first:-1]) or None


def _part(number: int) -> Callable[[str], str | None]:
    def part(name: str) -> str | None:
        parts = _BETWEEN.split(PurePath(name).stem)
        # A name of a single part has no prefix: its file would be a group of its own.
        return parts[number - 1] or None if len(parts) >= max(2, number) else None

    return part
