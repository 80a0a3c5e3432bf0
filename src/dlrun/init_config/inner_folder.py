"""Find class folders that are nested more deeply, as in an unpacked archive with an outer folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_DEEPEST = 5


def inner_class_folder(folder: Path, endings: Sequence[str]) -> Path | None:
    """Return the inner folder with class folders, if `folder` and the folders in between contain only one folder each.

    Args:
        folder: Folder named by the user.
        endings: Suffixes of files that are examples.
    """
    at = folder
    for _ in range(_DEEPEST):
        inner = subfolders(at)
        if len(inner) != 1 or _has_examples(at, endings):
            break
        at = inner[0]
    holds_classes = len(subfolders(at)) > 1 and all(_has_examples(each, endings, deep=True) for each in subfolders(at))
    return at if at != folder and holds_classes else None


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder in alphabetical order, without hidden ones."""
    # An archive made on macOS may contain __MACOSX, a second folder of the same structure without the data.
    hidden = (".", "__MACOSX")
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(hidden))


def _has_examples(folder: Path, endings: Sequence[str], *, deep: bool = False) -> bool:
    found = folder.rglob("*") if deep else folder.iterdir()
    return any(path.suffix.lower() in endings and path.is_file() for path in found)
