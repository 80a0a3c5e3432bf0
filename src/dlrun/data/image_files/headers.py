"""Read the headers of image files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.pillow import KINDS, LARGEST_PIXELS, prepare_pillow, read_header
from dlrun.data.media_files.headers import Scanned, scan_files

_ROW = np.dtype(
    [
        ("height", np.int32), ("width", np.int32), ("channels", np.int8), ("kind", np.int8), ("orientation", np.int8),
        ("alpha", np.bool_), ("bits", np.int8), ("moves", np.bool_), ("bytes", np.int64), ("changed", np.int64),
    ]
)  # fmt: skip
"""The fields of `ImageHeader`; `kind` is an index into `KINDS`."""


def scan(paths: Sequence[bytes]) -> Scanned:
    """Read the header of each image file.

    Args:
        paths: Paths of the files.

    Returns:
        The headers in the same order, and the reason for each file that cannot be read.
    """
    prepare_pillow()
    return scan_files(paths, _ROW, _row)


def check_pixels(scanned: Scanned, form: ImageForm) -> Scanned:
    """Mark images as unreadable that would become too large by padding.

    Args:
        scanned: Headers of the files.
        form: Size and channels of the decoded images.

    Returns:
        The headers with more entries in `unreadable`.
    """
    if form.fit != "pad":
        return scanned
    rows = scanned.rows
    height = np.maximum(rows["height"], rows["width"].astype(np.int64) * form.height // form.width)
    width = np.maximum(rows["width"], rows["height"].astype(np.int64) * form.width // form.height)
    too_large = {
        int(place): f"it has {rows['height'][place]} x {rows['width'][place]} pixels, which is too long to be padded"
        for place in np.flatnonzero(height * width > LARGEST_PIXELS)
    }
    return Scanned(rows, {**too_large, **scanned.unreadable})


def _row(path: bytes) -> tuple[object, ...]:
    header = vars(read_header(path))
    return tuple(KINDS.index(value) if name == "kind" else value for name, value in header.items())
