"""Lazy arrays: memory-mapped files, and windows over rows that are never copied as a whole."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_BLOCK_BYTES = 1 << 24


class Windows:
    """Windows over rows, which behave like an array `(windows, steps, width)` without storing it.

    Args:
        rows: Rows in time order.
        starts: Index of the first row of each window.
        steps: Number of rows in a window.

    Shape:
        rows: `(time, width)`. starts: `(windows,)` int64.
    """

    def __init__(self, rows: Array, starts: npt.NDArray[np.int64], *, steps: int) -> None:
        self.rows = rows
        self.starts = starts
        # (time - steps + 1, steps, width), without a copy.
        self._all = np.lib.stride_tricks.sliding_window_view(rows, steps, axis=0).swapaxes(1, 2)
        self.dtype = rows.dtype
        self.shape = (len(starts), steps, rows.shape[1])
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.starts)

    @property
    def nbytes(self) -> int:
        """The size in bytes of the array that the windows represent."""
        return int(len(self) * self.shape[1] * self.shape[2] * self.dtype.itemsize)

    def __getitem__(self, index: Any) -> Array:
        """Return the windows of a slice or of an array of indices as a new array."""
        found: Array = self._all[self.starts[index]]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:  # noqa: FBT001  numpy passes it by position
        """Return all windows as an array."""
        del copy
        return np.asarray(self[:], dtype)

    def take(self, indices: Any, *, out: Array) -> None:
        """Write the windows at `indices` into an array."""
        np.take(self._all, self.starts[indices], axis=0, out=out, mode="clip")  # "raise" would copy once more


def gather(array: Any, indices: npt.NDArray[Any], *, out: npt.NDArray[Any]) -> None:
    """Write the rows of `array` at `indices` into `out`."""
    if isinstance(array, Windows):
        array.take(indices, out=out)
    else:
        np.take(array, indices, axis=0, out=out, mode="clip")  # "raise" would copy once more


def blocks(array: Array) -> Iterator[Array]:
    """Yield all examples in blocks, and release the memory of mapped files."""
    rows = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield np.ascontiguousarray(array[start : start + rows])
        drop_pages((array,))


def drop_pages(arrays: Iterable[Any]) -> None:
    """Release the pages of memory-mapped arrays that were read. The system reads them again when needed.

    Arrays in memory, and views of them, are unchanged.
    """
    for array in arrays:
        # A view refers to its array, and a memory-mapped array to the mapping; only the latter has pages to release.
        base: Any = array.rows if isinstance(array, Windows) else array
        while isinstance(base, np.ndarray) and base.base is not None:
            base = base.base
        if isinstance(base, mmap.mmap):
            base.madvise(mmap.MADV_DONTNEED)
