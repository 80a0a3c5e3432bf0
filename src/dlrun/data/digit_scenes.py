"""Draw images of several handwritten digits on noise, with the digit that each pixel belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

CLASSES = ("background", *"0123456789")
SMALLEST_SIDE = 16

_INK, _GRAY_LEVELS = 16, 255
_SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
_SMALLEST, _LARGEST = 14, 22
"""Side of a digit in pixels, which is 8 in the embedded images."""

_PIXELS_PER_DIGIT = 24 * 24
_TRIES = 8
_VISIBLE = 0.35
"""Part of the darkest ink from which on a pixel belongs to the digit."""

Bytes = npt.NDArray[np.uint8]


def draw_scenes(
    count: int, *, side: int, noise: float, split: str, streams: Mapping[str, np.random.Generator]
) -> tuple[Bytes, Bytes]:
    """Draw images with their masks. The digits of each split were written by hand separately from those of the others.

    Args:
        count: Number of images.
        side: Height and width in pixels.
        noise: Standard deviation of the noise of each pixel, where 1 is the difference between black and white.
        split: Split of the images, which other splits share no handwritten digit with.
        streams: Random numbers: `digits` divides the handwritten digits among the splits, `scenes` places them.

    Shape:
        Images `(count, side, side, 1)`, from 0 to 255, and classes `(count, side, side)`.
    """
    inks, labels = _digits_of(split, streams["digits"])
    random = streams["scenes"]
    images, masks = np.empty((count, side, side, 1), np.uint8), np.zeros((count, side, side), np.uint8)
    most = max(1, side * side // _PIXELS_PER_DIGIT)
    for image, mask in zip(images, masks, strict=True):
        canvas = _shadow(side, random)
        for place in random.integers(len(inks), size=random.integers(max(1, most // 2), most + 1)):
            size = int(random.integers(min(_SMALLEST, side), min(_LARGEST, side) + 1))
            ink = _enlarged(inks[place], size)
            inside = _free_place(mask, size, random)
            drawn = ink > _VISIBLE * ink.max()
            # The last digit covers those below it, and its faint edge is mixed with what is there.
            canvas[inside] += ink * (random.uniform(0.6, 1.0) - canvas[inside])
            mask[inside][drawn] = 1 + labels[place]
        canvas += noise * random.standard_normal((side, side), np.float32)
        image[..., 0] = (canvas.clip(0, 1) * _GRAY_LEVELS).round()
    return images, masks


def _free_place(mask: Bytes, size: int, random: np.random.Generator) -> tuple[slice, slice]:
    """Return where to draw a digit: beside the others, or over them if no such place is found soon."""
    for _ in range(_TRIES):
        row, column = random.integers(len(mask) - size + 1, size=2)
        inside = slice(row, row + size), slice(column, column + size)
        if not mask[inside].any():
            break
    return inside


def _digits_of(split: str, random: np.random.Generator) -> tuple[npt.NDArray[np.float32], Bytes]:
    """Return the handwritten digits of a split.

    Shape:
        Ink from 0 to 1, `(n, 8, 8)`, and the digit, `(n,)`.
    """
    with np.load(Path(__file__).with_name("embedded") / "digits.npz", allow_pickle=False) as file:
        inks, labels = file["features"][..., 0], file["target"].astype(np.uint8)
    order = random.permutation(len(inks))
    ends = np.round(np.cumsum([*_SHARES.values()]) * len(inks)).astype(np.int64)
    place = [*_SHARES].index(split)
    own = order[ends[place - 1] if place else 0 : ends[place]]
    return inks[own].astype(np.float32) / _INK, labels[own]


def _shadow(side: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return a dark background that is brighter on one side."""
    direction = random.standard_normal(2)
    steps = np.linspace(-1, 1, side, dtype=np.float32)
    slope = (direction[0] * steps[:, None] + direction[1] * steps) / np.abs(direction).sum()
    return np.asarray(random.uniform(0.1, 0.3) + 0.1 * slope, np.float32)


def _enlarged(ink: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """Return a digit enlarged with bilinear interpolation."""
    place = (np.arange(size) + 0.5) * len(ink) / size - 0.5
    weights = np.maximum(0, 1 - np.abs(place[:, None].clip(0, len(ink) - 1) - np.arange(len(ink)))).astype(np.float32)
    return np.asarray(weights @ ink @ weights.T, np.float32)
