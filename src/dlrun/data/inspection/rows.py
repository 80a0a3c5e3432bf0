"""Splits in, all of them block by block or a sample of them out, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.mapped import drop_pages

Array = npt.NDArray[Any]

_BLOCK_BYTES = 1 << 24
_SAMPLE_VALUES = 20_000_000

MOST_SAMPLED = 20_000
"""Examples that are looked at where looking at all would take long."""


def blocks(array: Array) -> Iterator[Array]:
    """All examples, some at a time; pages of files that were read are given back."""
    rows = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield np.ascontiguousarray(array[start : start + rows])
        drop_pages((array,))


def sampled_places(array: Array, *, most: int = MOST_SAMPLED) -> npt.NDArray[np.int64]:
    """The places of a sample, evenly spread: everything of an array with few examples, and few of large ones."""
    size = max(1, int(np.prod(array.shape[1:])))
    count = min(len(array), most, max(100, _SAMPLE_VALUES // size))
    return np.unique(np.linspace(0, len(array) - 1, count).astype(np.int64)) if len(array) else np.zeros(0, np.int64)


def sampled(array: Array, *, most: int = MOST_SAMPLED) -> Array:
    """The examples at `sampled_places`."""
    return np.asarray(array[sampled_places(array, most=most)])
