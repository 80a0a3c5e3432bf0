"""Choose the common size and channels of image files, and note how they are changed when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dlrun.data.image_files.form import Fit, ImageForm
from dlrun.data.media_files.headers import Scanned
from dlrun.errors import DataError

_COLOUR = 3


def choose_form(scans: Mapping[str, Scanned], *, size: tuple[int, int] | None, channels: Any, fit: Fit) -> ImageForm:
    """Choose the size and channels of all images, from the spec or from the images.

    Args:
        scans: Headers of the images of each split.
        size: Height and width; None for the size of the images.
        channels: Number of channels: 1, 3 or `auto`.
        fit: How to fit images with another aspect ratio.

    Raises:
        DataError: The images differ in size and `size` is None, or no image can be read.
    """
    rows = np.concatenate([scanned.readable() for scanned in scans.values()])
    if not len(rows):
        raise DataError("no image can be read")
    if channels == "auto":
        channels = _COLOUR if (rows["channels"] == _COLOUR).any() else 1
    if size is None:
        smallest, largest = [(int(least(rows["height"])), int(least(rows["width"]))) for least in (np.min, np.max)]
        if smallest != largest:
            median = [int(np.median(rows[side])) for side in ("height", "width")]
            raise DataError(
                f"the images differ in size: {smallest[0]} to {largest[0]} pixels high, {smallest[1]} to {largest[1]} "
                "wide",
                expected="one size for all, or the key `size`",
                hint=f"set size: [64, 64], for example; the median is {median[0]} x {median[1]}",
            )
        size = smallest
    return ImageForm(*size, channels, fit)


def read_notes(scans: Mapping[str, Scanned]) -> Iterator[str]:
    """Yield notes on how images are changed when they were read."""
    rows = np.concatenate([scanned.rows for scanned in scans.values()])
    for change, which in (
        ("have transparency, which is ignored", rows["alpha"]),
        ("are turned upright according to their EXIF data", rows["orientation"] != 1),
        ("have several pictures (frames or pages), of which only the first is read", rows["moves"]),
        ("have more than 8 bits per value, of which only the upper 8 are read", rows["bits"] > 8),
    ):
        count = int(which.sum())
        if count:
            yield f"images: {count:,} of {len(rows):,} {change}"
