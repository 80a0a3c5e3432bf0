"""Arrays that took long to make, kept as files until what they were made from changes.

A damaged entry counts as absent; a folder that cannot be written is told, and is no error.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.user_folders import cache_folder

LARGEST_BYTES = 2 * 2**30

_INDEX = "arrays.json"
Arrays = dict[str, npt.NDArray[Any]]


def read_cached(name: str) -> Arrays | None:
    """The arrays kept under `name`, if they are all there and unchanged; else None."""
    folder = cache_folder() / name
    try:
        index = json.loads((folder / _INDEX).read_text("utf-8"))
        arrays = {key: np.load(folder / f"{key}.npy", allow_pickle=False) for key in index}
        intact = all(_sha256(arrays[key]) == index[key] for key in index)
    # Whatever is wrong with a cache, the answer is to make it again.
    except (OSError, ValueError, TypeError, EOFError):
        return None
    return arrays if intact else None


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
            np.save(staged / f"{key}.npy", array, allow_pickle=False)
        (staged / _INDEX).write_text(json.dumps({key: _sha256(array) for key, array in arrays.items()}), "utf-8")
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


def _sha256(array: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
