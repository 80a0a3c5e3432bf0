"""Measure the quantiles of continuous numbers on the training split, for scaling and for numeric embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.signature import Continuous

Array = npt.NDArray[Any]

_MOST_ROWS, _MOST_VALUES = 100_000, 1 << 23
"""Quantiles are measured on at most this many rows, and on fewer rows of a wide table: sorting more would take long."""

MOST_BINS = 128
_LEAST_BINS, _ALL_BINS = 4, 8192
"""Bins of one number, and of all numbers together: they are stored with the model as text."""

_MOST_NUMBERS = 1 << 14
"""Data of more numbers consists of signals or pixels, for which nobody learns numeric embeddings."""


def sample_rows(rows: Any) -> Array:
    """Return rows at even distances, as many as quantiles need.

    Args:
        rows: Rows of numbers, in memory or mapped from a file.

    Shape:
        rows: `(rows, width)`. Returns: `(some rows, width)`.
    """
    most = max(1, min(_MOST_ROWS, _MOST_VALUES // max(1, rows.shape[-1])))
    return np.asarray(rows[:: -(-len(rows) // most)])


def continuous_of(
    sample: Array, places: Sequence[int], *, scale: Callable[[Array], Array] = lambda rows: rows
) -> tuple[Continuous, ...]:
    """Return the continuous numbers among the features, with the edges of their bins.

    Args:
        sample: Rows of the training split, from `sample_rows`.
        places: Indices of the numbers, in ascending order.
        scale: Scaling of whole rows, which preserves the order of the values of each number.

    Returns:
        The numbers at `places` that are not constant.

    Shape:
        sample: `(rows, width)`.
    """
    if not places or not len(sample) or len(places) > _MOST_NUMBERS:
        return ()
    bins = max(_LEAST_BINS, min(MOST_BINS, _ALL_BINS // len(places)))
    edges = np.zeros((bins + 1, sample.shape[1]), np.float32)
    for place in places:
        own = _edges(sample[:, place], bins=bins)
        edges[:, place] = own[np.minimum(np.arange(bins + 1), len(own) - 1)]  # the last one again, up to the end
    edges = scale(edges).astype(np.float32)
    found = ((place, np.unique(edges[:, place])) for place in places)
    return tuple(Continuous(place, _short(values)) for place, values in found if len(values) > 1)


def _edges(values: Array, *, bins: int) -> Array:
    """Return the edges of bins with about equally many values; a value that would fill a bin has an edge of its own.

    Plain quantiles of a column that is 0 in nine of ten rows would leave a tenth of the bins for all other values.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= bins + 1:
        return np.asarray(distinct)
    frequent = counts >= len(values) / bins
    rest, weights = distinct[~frequent], np.cumsum(counts[~frequent])
    levels = np.linspace(0, 1, bins + 1 - int(frequent.sum())) * weights[-1]
    # Values that occur, not ones between them.
    quantiles = rest[np.searchsorted(weights, np.maximum(levels, 1))]
    return np.unique(np.concatenate([distinct[frequent], quantiles]))


def _short(values: npt.NDArray[np.float32]) -> tuple[float, ...]:
    """Return numbers that need few digits in a file, and are the same in float32."""
    return tuple(float(str(value)) for value in values)
