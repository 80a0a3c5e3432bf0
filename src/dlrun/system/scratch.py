"""Store arrays that are too large for memory in unnamed files, whose space is freed when the process ends."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.errors import DataError
from dlrun.system.user_folders import cache_folder


def scratch_array(shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Return an array of zeros in a file of the cache folder.

    Args:
        shape: The shape of the array.
        dtype: Its dtype.

    Raises:
        DataError: There is not enough space on the disk.
    """
    folder = cache_folder() / "scratch"
    size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            # Reserve the space now: on a full disk, writing to a page would kill the process without a message.
            os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype, mode="r+", shape=shape)
    except OSError as error:
        raise DataError(
            f"{size / 2**30:.1f} GiB of examples do not fit into {folder}: {error.strerror}",
            expected="enough free space on the disk",
            hint="free some space, or choose another folder with DLRUN_CACHE",
        ) from error
