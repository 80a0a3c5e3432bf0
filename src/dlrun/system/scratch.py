"""Arrays too large for memory, in files without a name: their space is free again when the process ends, however."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.errors import DataError
from dlrun.system.user_folders import cache_folder


def scratch_array(shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """An array of zeros in a file of the cache folder.

    Raises:
        DataError: The disk has no room for it.
    """
    folder = cache_folder() / "scratch"
    size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            # Or a full disk would kill the process when a page is written, without a word.
            os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype, mode="r+", shape=shape)
    except OSError as error:
        raise DataError(
            f"{size / 2**30:.1f} GiB of examples do not fit into {folder}: {error.strerror}",
            expected="room on the disk",
            hint="DLRUN_CACHE names another folder",
        ) from error
