"""Arrays that took long to make, kept as files until what they were made from changes.

A damaged entry counts as absent. That, and a folder that cannot be written, is reported and is not an error.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.system.kept_entries import damage_note
from dlrun.system.seals import SUMS, find_damage, seal_folder
from dlrun.system.user_folders import cache_folder

LARGEST_BYTES = 2 * 2**30

_ENDING = ".npy"
Arrays = dict[str, npt.NDArray[Any]]


def read_cached(name: str) -> Arrays | None:
    """The arrays kept under `name`, if they are all there and unchanged; else None."""
    folder = cache_folder() / name
    if find_damage(folder):
        return None
    try:
        return {
            path.name.removesuffix(_ENDING): np.load(path, allow_pickle=False)
            for path in folder.iterdir()
            if path.name != SUMS
        }
    # Whatever is wrong with a cache, the answer is to make it again.
    except (OSError, ValueError, TypeError, EOFError):
        return None


def damaged(name: str) -> tuple[str, ...]:
    """The note on what is kept under `name`, if it is there and is not what was written."""
    folder = cache_folder() / name
    why = find_damage(folder) if folder.is_dir() else ""
    return (damage_note(folder, why),) if why else ()


def write_cached(name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> str | None:
    """Keep arrays under `name`, in place of what is there.

    Returns:
        None, or why they were not kept.
    """
    size = sum(array.nbytes for array in arrays.values())
    if size > LARGEST_BYTES:
        return f"{size / 2**30:.1f} GiB of decoded arrays are not kept: at most {LARGEST_BYTES / 2**30:.0f} GiB are"
    folder = cache_folder() / name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    except OSError as error:
        return f"decoded arrays are not kept: {error}"
    try:
        for key, array in arrays.items():
            np.save(staged / f"{key}{_ENDING}", array, allow_pickle=False)
        seal_folder(staged)
        _replace(staged, folder)
    except OSError as error:
        return f"decoded arrays are not kept: {error}"
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return None


def _replace(staged: Path, folder: Path) -> None:
    """Move `staged` to where `folder` is; a reader finds the old entry, the new one or none, never a part of one."""
    if folder.exists():
        retired = Path(tempfile.mkdtemp(prefix=".retired-", dir=folder.parent))
        folder.rename(retired / folder.name)
        shutil.rmtree(retired, ignore_errors=True)
    staged.rename(folder)
