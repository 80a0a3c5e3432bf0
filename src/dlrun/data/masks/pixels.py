"""Read the values of the pixels of a mask file, and write such a file.

A value is one number: a level of gray, the index of a palette, or, from `COLOR` on, a color as 0xRRGGBB. A color of
equal parts is the level of gray, so that a mask means the same whether it was saved in gray or in color.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.pillow import read_values

Values = npt.NDArray[np.int32]

COLOR = 1 << 24
"""Value of black as a color; above all levels of gray, of which there are at most 65,536."""

LEVELS = 1 << 16
"""Number of levels of gray, with 16 bits."""

_BYTE_LEVELS = 256
_COLOR_TEXT = re.compile(r"#([0-9a-fA-F]{6})")


def read_mask(path: bytes) -> Values:
    """Read the value of each pixel.

    Shape:
        `(height, width)`.

    Raises:
        Unreadable: The file is damaged, or in a format that changes values.
        OSError: The file cannot be opened or read.
    """
    pixels = read_values(path)
    if pixels.ndim == 2:
        return pixels.astype(np.int32)
    red, green, blue = (pixels[..., channel].astype(np.int32) for channel in range(3))
    is_gray = (red == green) & (green == blue)
    return np.where(is_gray, red, COLOR + (red << 16) + (green << 8) + blue)


def values_in(mask: Values) -> list[int]:
    """Return the values that occur in a mask, in ascending order."""
    if mask.max(initial=0) < LEVELS:  # counting them takes a fifth of the time of np.unique
        return [*map(int, np.flatnonzero(np.bincount(mask.reshape(-1))))]
    return [*map(int, np.unique(mask))]


def value_of(written: int | str) -> int:
    """Return the value for what a spec contains: a level of gray, or a color such as `"#804000"`.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(written, int):
        if not 0 <= written < COLOR:
            raise ValueError(written)
        return written
    found = _COLOR_TEXT.fullmatch(written)
    if found is None:
        raise ValueError(written)
    color = int(found[1], 16)
    parts = {color >> 16, (color >> 8) & 255, color & 255}
    return parts.pop() if len(parts) == 1 else COLOR + color


def pixels_of(values: Sequence[int]) -> tuple[int | tuple[int, int, int], ...]:
    """Return the pixels of a file that has these values: levels of gray, or red, green and blue if one is a color."""
    if all(value < COLOR for value in values):
        return tuple(values)
    return tuple((color >> 16, (color >> 8) & 255, color & 255) for color in map(_color_of, values))


def _color_of(value: int) -> int:
    return value * 0x010101 if value < COLOR else value - COLOR


def shown_value(value: int) -> str:
    """Return a value as a spec contains it: `7`, or `#804000`."""
    return str(value) if value < COLOR else f"#{value - COLOR:06x}"


def encode_mask(values: Values, *, among: Sequence[int] = ()) -> bytes:
    """Return a PNG file with these values: in gray if all are levels of gray, otherwise in color.

    Args:
        values: The values of the pixels.
        among: Values that other masks may have, so that all files have the same form.

    Shape:
        values: `(height, width)`.
    """
    import PIL.Image

    # Colors are above all levels of gray.
    largest = max([*among, int(values.max(initial=0))])
    if largest < COLOR:
        pixels = values.astype(np.uint8 if largest < _BYTE_LEVELS else np.uint16)
    else:
        color = np.where(values < COLOR, values * 0x010101, values - COLOR)
        pixels = np.stack([color >> 16, (color >> 8) & 255, color & 255], axis=-1).astype(np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
