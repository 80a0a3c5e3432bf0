"""Where the pixels of a resized image come from, to resize its mask alike, and a predicted mask back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.form import ImageForm

Pixels = npt.NDArray[Any]
Places = npt.NDArray[np.int64]


class _Span(NamedTuple):
    """The part of an axis of an image that becomes the axis of the resized image; it may be longer than the axis."""

    start: int
    length: int


def resize_mask(mask: Pixels, form: ImageForm, *, outside: int) -> Pixels:
    """Return a mask in the size of resized images, each pixel with the value of the nearest one.

    Args:
        mask: The mask, in the size of its image.
        form: Size of the resized images, and how they are fitted.
        outside: Value of the borders that `fit: pad` adds.

    Shape:
        mask: `(any height, any width)`. Returns: `(form.height, form.width)`, same data type.
    """
    if mask.shape == (form.height, form.width):
        return mask
    spans = _spans(mask.shape[0], mask.shape[1], form)
    rows, columns = (_sources(span, length) for span, length in zip(spans, (form.height, form.width), strict=True))
    return _taken(mask, rows, columns, outside=outside)


def restore_mask(mask: Pixels, form: ImageForm, *, height: int, width: int, outside: int) -> Pixels:
    """Return a mask of a resized image in the size of the image.

    Args:
        mask: The mask, `(form.height, form.width)`.
        form: Size of the resized images, and how they are fitted.
        height: Height of the image.
        width: Width of the image.
        outside: Value of the pixels that `fit: crop` cuts off.

    Shape:
        Returns: `(height, width)`, same data type.
    """
    if (height, width) == (form.height, form.width):
        return mask
    rows, columns = _origins(form, height=height, width=width)
    return _taken(mask, rows, columns, outside=outside)


def count_restored(mask: Pixels, form: ImageForm, *, height: int, width: int, size: int) -> npt.NDArray[np.int64]:
    """Return how many pixels of each class the mask has that `restore_mask` returns, without making that large mask.

    Pixels that `fit: crop` cuts off do not count.

    Args:
        mask: The class of each pixel of a resized image, `(form.height, form.width)`.
        form: Size of the resized images, and how they are fitted.
        height: Height of the image.
        width: Width of the image.
        size: Number of classes; pixels with another value do not count.

    Shape:
        Returns: `(size,)`.
    """
    repeats = [
        np.bincount(places[(places >= 0) & (places < length)], minlength=length)
        for places, length in zip(_origins(form, height=height, width=width), mask.shape, strict=True)
    ]
    # Float64 counts the pixels of any image exactly.
    counts = np.bincount(mask.reshape(-1), weights=np.outer(*repeats).reshape(-1), minlength=size)
    return counts[:size].astype(np.int64)


def _origins(form: ImageForm, *, height: int, width: int) -> tuple[Places, Places]:
    """Return the row and the column of the resized image that each row and column of an image gets its class from.

    Those of a row or column that is cut off are negative, or beyond the end.
    """
    spans, lengths = _spans(height, width, form), (form.height, form.width)
    rows, columns = (
        _destinations(span, length, own) for own, span, length in zip((height, width), spans, lengths, strict=True)
    )
    return rows, columns


def _sources(span: _Span, length: int) -> Places:
    """Return where on an axis of the image each place on that of the resized image comes from."""
    return np.floor(span.start + (np.arange(length) + 0.5) * span.length / length).astype(np.int64)


def _destinations(span: _Span, length: int, own: int) -> Places:
    """Return where on an axis of the resized image, of `length`, each of the `own` places of the image is."""
    places = np.floor((np.arange(own) + 0.5 - span.start) * length / span.length).astype(np.int64)
    sources = _sources(span, length)
    # The outermost rows of the image may be in the first of the borders that `pad` adds, where no class was learned.
    inside = np.flatnonzero((sources >= 0) & (sources < own))
    return np.clip(places, inside[0], inside[-1]) if len(inside) and span.start <= 0 else places


def _taken(mask: Pixels, rows: Places, columns: Places, *, outside: int) -> Pixels:
    taken = mask[np.clip(rows, 0, mask.shape[0] - 1)[:, None], np.clip(columns, 0, mask.shape[1] - 1)]
    taken[(rows < 0) | (rows >= mask.shape[0])] = outside
    taken[:, (columns < 0) | (columns >= mask.shape[1])] = outside
    return taken


def _spans(height: int, width: int, form: ImageForm) -> tuple[_Span, _Span]:
    """Return the rows and columns of an image that are resized, with the same roundings as the Resizing layer.

    Reference:
        The function `keras.ops.image.resize` of Keras 3.15 with TensorFlow.
    """
    tall, wide = int(width * form.height / form.width), int(height * form.width / form.height)
    if form.fit == "crop":
        rows, columns = max(1, min(height, tall)), max(1, min(width, wide))
        return _Span((height - rows) // 2, rows), _Span((width - columns) // 2, columns)
    if form.fit == "pad":
        above, left = (max(height, tall) - height) // 2, (max(width, wide) - width) // 2
        return _Span(-above, height + 2 * above), _Span(-left, width + 2 * left)
    return _Span(0, height), _Span(0, width)
