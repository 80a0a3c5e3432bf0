"""Windows over rows in time order, cut out only when they are used: they take no more memory than the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Windows:
    """Behaves as the array `(windows, steps, width)` that it never makes as a whole, as far as datasets need it.

    Args:
        rows: In time order.
        starts: Of each window, the number of its first row.
        steps: Rows in a window.

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
        """Of the array that this stands for."""
        return int(len(self) * self.shape[1] * self.shape[2] * self.dtype.itemsize)

    def __getitem__(self, index: Any) -> Array:
        """The windows of a slice or of an array of indices, as an array of their own."""
        found: Array = self._all[self.starts[index]]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:  # noqa: FBT001  numpy calls it so
        """Every window, as an array."""
        del copy
        return np.asarray(self[:], dtype)

    def take(self, indices: Any, *, out: Array) -> None:
        """Write the windows at `indices` into an array."""
        np.take(self._all, self.starts[indices], axis=0, out=out, mode="clip")  # "raise" would copy once more
