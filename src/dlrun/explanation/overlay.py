"""An image and the heat of its pixels in, one picture out: the image in grey beneath, the heat in colour above."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_LEAST_PIXELS = 256
_MOST_OPAQUE = 0.65


def overlaid(picture: Array, heat: Array) -> bytes:
    """The image beside itself with the heat above it, as PNG.

    Shape:
        picture: `(height, width, channels)` uint8. heat: `(height, width)` from 0 to 1.
    """
    from matplotlib import colormaps
    from matplotlib.image import imsave

    times = max(1, -(-_LEAST_PIXELS // max(picture.shape[:2])))
    plain = _enlarged(picture if picture.shape[2] >= 3 else np.repeat(picture[:, :, :1], 3, axis=2), times)[:, :, :3]  # noqa: PLR2004
    warm = _enlarged(heat, times)
    grey = np.repeat(plain.mean(axis=2, keepdims=True), 3, axis=2)
    colours = 255 * colormaps["inferno"](warm)[:, :, :3]
    opacity = _MOST_OPAQUE * warm[:, :, None]
    above = (1 - opacity) * grey + opacity * colours
    edge = np.full((plain.shape[0], 8, 3), 255.0)
    both = np.concatenate([plain, edge, above], axis=1).round().astype(np.uint8)
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(both), format="png")
    return buffer.getvalue()


def _enlarged(pixels: Array, times: int) -> Array:
    return np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)
