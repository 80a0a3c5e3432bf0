"""Decode image files into pixels of one form: with tf.data on all cores, in order; files that fail are named."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.headers import Scanned
from dlrun.data.image_files.pillow import KINDS, prepare_pillow, read_pixels
from dlrun.system.memory import free_memory

_BATCH = 256
_BATCH_BYTES = 2**23
_NOISE = re.compile(r"\{\{[^}]*\}\} *| *\[Op:.*|jpeg::Uncompress failed\. *|^[\w.]*Unreadable: ")
_PLAIN, _COLOUR, _PILLOW = range(len(KINDS))


@dataclass(frozen=True)
class Decoded:
    """Some files, one after another.

    Args:
        pixels: `(images, *form.shape)` uint8, of those that can be decoded.
        failed: Why, for the place of each other one.
        first: Place of the first of these files.
        last: Place after the last.
    """

    pixels: npt.NDArray[np.uint8]
    failed: dict[int, str]
    first: int
    last: int


def decode(paths: Sequence[bytes], scanned: Scanned, form: ImageForm) -> Iterator[Decoded]:
    """Decode files in their order, a batch at a time, the next one ahead.

    Args:
        paths: Of the files.
        scanned: What their headers say; all can be read.
        form: What the images are brought to.
    """
    import tensorflow as tf

    prepare_pillow()
    rows = scanned.rows
    decoder = _decoder(form, rows)
    batch_size = max(1, min(_BATCH, _BATCH_BYTES // form.bytes))
    columns = (list(paths), rows["kind"].astype(np.int32), rows["orientation"].astype(np.int32))
    with tf.device("/CPU:0"):
        files = tf.data.Dataset.from_tensor_slices(columns)
        first = 0
        while first < len(paths):
            images = files.skip(first).map(decoder, num_parallel_calls=_parallel(rows), deterministic=True)
            batches = iter(images.batch(batch_size).prefetch(1))
            while first < len(paths):
                last = min(first + batch_size, len(paths))
                try:
                    pixels = next(batches).numpy()
                except tf.errors.OpError:
                    # Batches after one that failed may lack examples: it goes on with others.
                    yield _one_by_one(columns, decoder, form, first=first, last=last)
                    first = last
                    break
                yield Decoded(pixels, {}, first, last)
                first = last


def decode_one(path: bytes, scanned: Scanned, *, channels: int) -> npt.NDArray[np.uint8]:
    """Decode the one file of `scanned` in its own size, upright.

    Shape:
        `(height, width, channels)`.
    """
    import tensorflow as tf

    row = scanned.rows[0]
    with tf.device("/CPU:0"):
        image = _upright(_pixels(path, int(row["kind"]), channels), int(row["orientation"]))
    pixels: npt.NDArray[np.uint8] = image.numpy()
    return pixels


def _parallel(rows: npt.NDArray[np.void]) -> int:
    """How many images are decoded at the same time: one for each core, as far as memory goes."""
    largest = int((rows["height"].astype(np.int64) * rows["width"]).max())
    fitting = free_memory() // 4 // (12 * largest)  # decoded, turned, cropped or padded, of three channels each
    return max(1, min(len(os.sched_getaffinity(0)), fitting))


def _decoder(form: ImageForm, rows: npt.NDArray[np.void]) -> Callable[[Any, Any, Any], Any]:
    """A function of path, kind and orientation that gives an image of the form, with only the steps that are needed."""
    import tensorflow as tf

    kinds = np.unique(rows["kind"]).tolist()
    turned = bool((rows["orientation"] != 1).any())
    same = bool(((rows["height"] == form.height) & (rows["width"] == form.width)).all())
    layer = None if same else form.layer()

    def decoded(path: Any, kind: Any, orientation: Any) -> Any:
        ways = [lambda each=each: _pixels(path, each, form.channels) for each in kinds]
        place = tf.reduce_sum(tf.cast(kind > tf.constant(kinds), tf.int32))
        image = ways[0]() if len(ways) == 1 else tf.switch_case(place, ways)
        image.set_shape((None, None, form.channels))
        if turned:
            image = tf.cond(orientation == 1, lambda: image, lambda: _upright(image, orientation))
        if layer is not None:
            image = layer(image, training=False)
        return tf.ensure_shape(image, form.shape)

    return decoded


def _pixels(path: Any, kind: int, channels: int) -> Any:
    """Decode one file, the first picture of several."""
    import tensorflow as tf

    if kind == _PLAIN:
        return tf.io.decode_image(tf.io.read_file(path), channels=channels, expand_animations=False)
    if kind == _PILLOW:
        image = tf.numpy_function(_by_pillow, (path,), tf.uint8)
        image.set_shape((None, None, 3))
    else:  # TensorFlow decodes GIF, BMP of 24 bits and CMYK as colour, and not as grey
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    return image if channels == 3 else tf.image.rgb_to_grayscale(image)


def _by_pillow(path: Any) -> npt.NDArray[np.uint8]:
    # TensorFlow gives bytes inside a graph, and an array of them outside.
    return read_pixels(np.asarray(path).item())


def _upright(image: Any, orientation: Any) -> Any:
    """Turn and mirror an image as EXIF says.

    Reference:
        JEITA CP-3451, "Exchangeable image file format for digital still cameras", section 4.6.4, tag 274.
    """
    import tensorflow as tf

    orientation = tf.convert_to_tensor(orientation)
    for change, values in (
        (lambda shown: tf.transpose(shown, (1, 0, 2)), (5, 6, 7, 8)),
        (lambda shown: tf.reverse(shown, (1,)), (2, 3, 6, 7)),
        (lambda shown: tf.reverse(shown, (0,)), (3, 4, 7, 8)),
    ):
        applies = tf.reduce_any(orientation == tf.constant(values, orientation.dtype))
        image = tf.cond(applies, lambda image=image, change=change: change(image), lambda image=image: image)
    return image


def _one_by_one(columns: Any, decoder: Callable[..., Any], form: ImageForm, *, first: int, last: int) -> Decoded:
    """Decode a batch in which some file fails, and find out which."""
    import tensorflow as tf

    alone = tf.function(decoder, reduce_retracing=True)
    images, failed = [np.zeros((0, *form.shape), np.uint8)], {}
    for place in range(first, last):
        try:
            images.append(alone(*(tf.constant(column[place]) for column in columns)).numpy()[None])
        except tf.errors.OpError as error:
            failed[place] = _why(error.message or str(error))
    return Decoded(np.concatenate(images), failed, first, last)


def _why(message: str) -> str:
    """The line of TensorFlow's message that is about the file: the last before the name of the node."""
    lines = message.partition("[[{{node")[0].strip().splitlines()
    return _NOISE.sub("", lines[-1]).strip() if lines else "it cannot be decoded"
