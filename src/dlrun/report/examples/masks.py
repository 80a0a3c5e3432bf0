"""The pictures of masks in a report: true and predicted classes laid over each image, and the pixels that are wrong."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.masks.colours import COLOURS, Colour, class_colours, find_edges, is_background
from dlrun.report.markup import Markup, fold, image, join, tag
from dlrun.runs.predictions import StoredPredictions
from dlrun.scoring.masks import counts_of, intersection_over_union, mean_iou
from dlrun.signature import IGNORED_CLASS, Target

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float32]
_WRONG: Colour = (200, 0, 60)
_STRIPES: tuple[Colour, Colour] = ((70, 70, 70), (215, 215, 215))
_STRIPE = 4
_FILL, _FILL_OF_WRONG = 0.5, 0.9
_UNDER_WRONG = 0.5
"""Contrast that is left to the image below the wrong pixels."""
_LONGEST, _SHORTEST = 320, 240
"""Longest side of an embedded picture; pictures with half of the second or less are enlarged."""
_LARGEST_PNG_BYTES = 48 << 10
_JPEG_QUALITY = 88
_SHOWN_AT_ONCE, _MOST_SCORES, _MOST_IN_LEGEND = 6, 4, 40


def mask_examples(predictions: StoredPredictions, target: Target) -> Markup:
    """Return the stored examples as rows of pictures: the image, both masks laid over it, and the wrong pixels.

    Args:
        predictions: Predictions of a split, with the masks of the shown examples.
        target: Target of the predictions.
    """
    colours = choose_colours(predictions, target)
    rows = [_row(index, predictions, target, colours) for index in range(len(predictions.shown))]
    first, more = rows[:_SHOWN_AT_ONCE], rows[_SHOWN_AT_ONCE:]
    folded = fold(f"{len(more)} more", tag("div", *more, class_="masks")) if more else Markup()
    return join((_legend(predictions, target, colours), tag("div", *first, class_="masks"), folded))


def choose_colours(predictions: StoredPredictions, target: Target) -> Mapping[int, Colour]:
    """Return the color of each class; a background is missing, because the image shows through.

    Of more classes than there are colors that are easily told apart, only those that are shown have a color.
    """
    classes = [index for index in range(target.size) if index != 0 or not _is_background(predictions, target)]
    if len(classes) > len(COLOURS):
        shown = np.union1d(predictions.masks, predictions.predicted_masks).tolist()
        classes = [index for index in classes if index in shown]
    return class_colours(classes)


def _is_background(predictions: StoredPredictions, target: Target) -> bool:
    """Return whether the first class is what the others are on: by its name, or as more than half of all pixels."""
    support = predictions.outputs.sum(axis=0, dtype=np.float64).reshape(target.size, -1).sum(axis=1)
    return is_background(target.output_names[0], float(support[0] / max(1.0, support.sum())))


def _row(index: int, predictions: StoredPredictions, target: Target, colours: Mapping[int, Colour]) -> Markup:
    place = int(predictions.shown[index])
    matrix = predictions.outputs[place].astype(np.float64).reshape(target.size, target.size)
    name = f"example {int(predictions.rows[place])}"
    text = str(predictions.texts[index]) if len(predictions.texts) > index else ""
    caption = f"{name}{text and f', {text}'}: {_scores(matrix, target)}"
    figures = Markup()
    if len(predictions.masks) and predictions.pictures.dtype == np.uint8:
        masks = predictions.masks[index], predictions.predicted_masks[index]
        wrong = 1 - np.trace(matrix) / max(1.0, matrix.sum())
        titles = ("image", "truth", "prediction", f"wrong: {wrong:.1%}")
        pictures = MaskPicture.of(predictions.pictures[index], *masks, colours).panels()
        figures = tag("div", *(_panel(*each, name) for each in zip(titles, pictures, strict=True)), class_="panels")
    return tag("div", figures, tag("div", caption, class_="soft"), class_="example")


def _scores(matrix: Array, target: Target) -> str:
    """Return the mean IoU of an example, and the IoU of its worst classes."""
    counts = counts_of(matrix)
    of_class = intersection_over_union(counts)
    worst = [index for index in np.argsort(of_class, kind="stable").tolist() if not np.isnan(of_class[index])]
    if not worst:
        return "no pixel counts"
    named = [f"{target.output_names[index]} {of_class[index]:.2f}" for index in worst[:_MOST_SCORES]]
    more = [f"{left} more"] if (left := len(worst) - _MOST_SCORES) > 0 else []
    return f"mean IoU {float(mean_iou(counts)):.2f} ({', '.join([*named, *more])})"


def _panel(title: str, pixels: Array, name: str) -> Markup:
    data, kind = _encode(pixels)
    return tag("figure", image(data, kind=kind, alt=f"{title}, {name}"), tag("figcaption", title))


def _legend(predictions: StoredPredictions, target: Target, colours: Mapping[int, Colour]) -> Markup:
    clear = [target.output_names[index] for index in range(1) if index not in colours]
    entries = [_entry(_swatch(colour), target.output_names[index]) for index, colour in colours.items()]
    left = len(entries) - _MOST_IN_LEGEND
    entries = entries[:_MOST_IN_LEGEND] + ([tag("span", f"and {left} more")] if left > 0 else [])
    if clear and target.size > len(colours):
        entries.append(tag("span", f"{clear[0]}: no color"))
    entries.append(_entry(_swatch(_WRONG), "wrong"))
    if (predictions.masks == IGNORED_CLASS).any():
        entries.append(_entry(_striped(16, 16).astype(np.uint8), "not counted"))
    return tag("p", *entries, class_="legend")


def _entry(pixels: Array, name: str) -> Markup:
    return tag("span", image(_encode(pixels)[0], kind="png", alt="", class_="swatch"), name)


def _swatch(colour: Colour) -> Array:
    return np.tile(np.array(colour, np.uint8), (16, 16, 1))


@dataclass(frozen=True)
class MaskPicture:
    """An image with its masks, in the size of a page.

    Args:
        pixels: The image in color.
        truth: Its true classes, with `IGNORED_CLASS` where a pixel does not count.
        found: Its predicted classes.
        wrong: Part of the pixels below each pixel that are wrong; whole pixels unless the image was reduced.
        coverage: Part of the pixels below each pixel that have a color, for truth and prediction, with that color.
        colours: Color of each class that has one.

    Shape:
        pixels: `(height, width, 3)` float32 from 0 to 255. truth, found: `(height, width)` uint8. wrong:
        `(height, width)` float32. coverage: `(height, width, 3)` and `(height, width)` float32 each.
    """

    pixels: Float
    truth: Array
    found: Array
    wrong: Float
    coverage: tuple[tuple[Float, Float], tuple[Float, Float]]
    colours: Mapping[int, Colour]

    @classmethod
    def of(cls, pixels: Array, truth: Array, found: Array, colours: Mapping[int, Colour]) -> MaskPicture:
        """Enlarge or reduce an image and its masks to the size of a page.

        Args:
            pixels: The image.
            truth: Its true classes.
            found: Its predicted classes.
            colours: Color of each class that has one.

        Shape:
            pixels: `(height, width, 1 or 3)` uint8. truth, found: `(height, width)` uint8.
        """
        longest = max(truth.shape)
        times, factor = max(1, _SHORTEST // longest), -(-longest // _LONGEST)
        pixels, truth, found = (_prepared(each, times, factor) for each in (pixels, truth, found))
        wrong = (truth != found) & (truth != IGNORED_CLASS)
        coloured = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
        # Coverage is measured before masks are reduced: what is thinner than a pixel of the page stays visible.
        return cls(
            _reduced(coloured, factor),
            _nearest(truth, factor),
            _nearest(found, factor),
            _reduced(wrong, factor),
            (_covered(truth, factor, colours), _covered(found, factor, colours)),
            colours,
        )

    def panels(self) -> Sequence[Array]:
        """Return the image, the truth over it, the prediction over it, and the wrong pixels, as uint8 in color."""
        pale = 255 - _UNDER_WRONG * (255 - self._gray())
        panels = (
            self.pixels,
            self._marked(self._overlaid(self.truth, *self.coverage[0])),
            self._overlaid(self.found, *self.coverage[1]),
            self._marked(_mixed(pale, np.array(_WRONG, np.float32), _FILL_OF_WRONG * self.wrong)),
        )
        return [panel.round().clip(0, 255).astype(np.uint8) for panel in panels]

    def _gray(self) -> Float:
        """Return the image without its colors, which would be taken for those of classes."""
        return np.repeat(self.pixels.mean(axis=2, keepdims=True), 3, axis=2)

    def _overlaid(self, classes: Array, colour: Float, covered: Float) -> Float:
        """Return the image in gray below translucent colors, with an opaque outline inside each region."""
        filled = _mixed(self._gray(), colour, _FILL * covered)
        edge = find_edges(classes)
        for index, own in self.colours.items():
            filled[edge & (classes == index)] = own
        return filled

    def _marked(self, pixels: Float) -> Float:
        """Return a picture with stripes where pixels do not count."""
        ignored = (self.truth == IGNORED_CLASS)[..., None]
        return np.where(ignored, 0.3 * pixels + 0.7 * _striped(*self.truth.shape), pixels).astype(np.float32)


def _prepared(array: Array, times: int, factor: int) -> Array:
    """Return an array enlarged, or with its last rows and columns repeated so that blocks fit."""
    if times > 1:
        return np.repeat(np.repeat(array, times, axis=0), times, axis=1)
    missing = [(0, -length % factor) for length in array.shape[:2]]
    return np.pad(array, (*missing, *((0, 0),) * (array.ndim - 2)), mode="edge")


def _reduced(array: Array, factor: int) -> Float:
    """Return the mean of each block of pixels."""
    height, width = (length // factor for length in array.shape[:2])
    blocks = array.reshape(height, factor, width, factor, *array.shape[2:])
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32), np.float32)


def _nearest(array: Array, factor: int) -> Array:
    return array[factor // 2 :: factor, factor // 2 :: factor]


def _covered(classes: Array, factor: int, colours: Mapping[int, Colour]) -> tuple[Float, Float]:
    """Return the mean color of each block of pixels, and how much of the block has a color."""
    whole = _reduced(np.zeros(classes.shape, np.uint8), factor)
    total = np.zeros((*whole.shape, 3), np.float32)
    for index in np.unique(classes).tolist():
        if index in colours:
            part = _reduced(classes == index, factor)
            whole += part
            total += part[..., None] * np.array(colours[index], np.float32)
    return np.asarray(total / np.maximum(whole, 1e-6)[..., None], np.float32), whole


def _mixed(below: Float, above: Float, opacity: Float) -> Float:
    """Return a picture with a translucent one laid over it."""
    return np.asarray(below + opacity[..., None] * (above - below), np.float32)


def _striped(height: int, width: int) -> Float:
    rows, columns = np.mgrid[:height, :width]
    return np.asarray(np.array(_STRIPES, np.float32)[(rows + columns) // _STRIPE % 2], np.float32)


def _encode(pixels: Array) -> tuple[bytes, str]:
    """Return a picture as PNG, or as JPEG where that would be large, and which of the two it is."""
    import PIL.Image

    buffer, made = io.BytesIO(), PIL.Image.fromarray(pixels)
    made.save(buffer, format="PNG")
    if len(buffer.getvalue()) <= _LARGEST_PNG_BYTES:
        return buffer.getvalue(), "png"
    buffer = io.BytesIO()
    # Without subsampling, which would blur the colors of thin outlines.
    made.save(buffer, format="JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return buffer.getvalue(), "jpeg"
