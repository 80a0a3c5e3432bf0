"""Count the pixels of each class in each mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.mapped import blocks

Counts = npt.NDArray[np.int64]


def pixel_counts(masks: npt.NDArray[Any], size: int) -> Counts:
    """Count the pixels of each mask by their class.

    Args:
        masks: The class of each pixel, `(n, height, width)`; from `size` on, the pixel does not count.
        size: Number of classes.

    Shape:
        Returns: `(n, size + 1)`, with the pixels that do not count last.
    """
    found = [np.zeros((0, size + 1), np.int64)]
    for block in blocks(masks):
        classes = np.minimum(block.reshape(len(block), -1), size).astype(np.int64)
        places = classes + (size + 1) * np.arange(len(block))[:, None]
        counts = np.bincount(places.reshape(-1), minlength=len(block) * (size + 1))
        found.append(counts.reshape(len(block), size + 1))
    return np.concatenate(found)
