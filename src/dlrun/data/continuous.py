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

MOST_BINS = 48
_LEAST_BINS, _ALL_BINS = 4, 4096
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
    shares = np.linspace(0, 1, bins + 1)
    edges = np.zeros((len(shares), sample.shape[1]), np.float32)
    for place in places:
        # Values that occur, not ones between them: the edges of a column of 0 and 1 are 0 and 1.
        edges[:, place] = np.quantile(sample[:, place], shares, method="inverted_cdf")
    edges = scale(edges).astype(np.float32)
    found = ((place, np.unique(edges[:, place])) for place in places)
    return tuple(Continuous(place, _short(values)) for place, values in found if len(values) > 1)


def _short(values: npt.NDArray[np.float32]) -> tuple[float, ...]:
    """Return numbers that need few digits in a file, and are the same in float32."""
    return tuple(float(str(value)) for value in values)
