"""The colors of classes in pictures of masks, and the outlines of their regions."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]

COLOURS: tuple[Colour, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (140, 70, 190), (150, 210, 70), (130, 80, 40), (255, 175, 165), (0, 100, 100),
)  # fmt: skip
"""Colors of classes. Color-blind readers, too, tell the first seven apart.

Reference:
    Okabe and Ito, 2008, "Color Universal Design", for the first seven: without black, which shadows have.
"""
_CLEAR_NAMES = ("background", "0")
_FILL = 0.5
_IGNORED_GRAY = 128


def is_background(name: str, share: float) -> bool:
    """Return whether the first class is what the others are on, so that it needs no color.

    Args:
        name: Its name.
        share: Its share of all pixels.
    """
    return name.casefold() in _CLEAR_NAMES or share > 0.5


def class_colours(classes: Sequence[int]) -> Mapping[int, Colour]:
    """Return a color for each class.

    Args:
        classes: Classes in the order of the colors.
    """
    more = (_further_colour(number) for number in range(len(classes) - len(COLOURS)))
    return dict(zip(classes, (*COLOURS, *more), strict=False))


def find_edges(classes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return the pixels with a neighbor of another class.

    Shape:
        classes and result: `(height, width)`.
    """
    edge = np.zeros(classes.shape, np.bool_)
    rows, columns = classes[1:] != classes[:-1], classes[:, 1:] != classes[:, :-1]
    edge[1:] |= rows
    edge[:-1] |= rows
    edge[:, 1:] |= columns
    edge[:, :-1] |= columns
    return edge


def lay_over(
    pixels: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8], colours: Mapping[int, Colour], *, size: int
) -> npt.NDArray[np.uint8]:
    """Return an image in gray below the translucent colors of its classes, with an outline around each region.

    Args:
        pixels: The image.
        mask: The class of each pixel; from `size` on, the pixel does not count and is gray.
        colours: Color of each class that has one.
        size: Number of classes.

    Shape:
        pixels: `(height, width, 3)`. mask: `(height, width)`. Returns: as pixels.
    """
    shown = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    shown[mask >= size] = _IGNORED_GRAY
    edge = find_edges(mask)
    for index, colour in colours.items():
        own = mask == index
        shown[own] += _FILL * (np.array(colour, np.float64) - shown[own])
        shown[own & edge] = colour
    return np.asarray(shown.round(), np.uint8)


def _further_colour(number: int) -> Colour:
    # Steps of the golden ratio keep any number of hues apart.
    hue, lightness = (0.9 + 0.618034 * number) % 1, (0.4, 0.75, 0.55)[number % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.7)
    return round(255 * red), round(255 * green), round(255 * blue)
