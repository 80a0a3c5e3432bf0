"""Arrays that lie in files and are read as they are used, in memory that does not grow with them."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.windows import Windows


def gather(array: Any, indices: npt.NDArray[Any], *, out: npt.NDArray[Any]) -> None:
    """Write the rows of `array` at `indices` into `out`."""
    if isinstance(array, Windows):
        array.take(indices, out=out)
    else:
        np.take(array, indices, axis=0, out=out, mode="clip")  # "raise" would copy once more


def drop_pages(arrays: Iterable[Any]) -> None:
    """Give back the memory of what has been read of memory-mapped arrays; the system reads it again when it is used.

    Arrays that are in memory, and views of them, are left as they are.
    """
    for array in arrays:
        base: Any = array.rows if isinstance(array, Windows) else array
        while isinstance(base, np.ndarray) and base.base is not None:
            base = base.base
        if isinstance(base, mmap.mmap):
            base.madvise(mmap.MADV_DONTNEED)
