"""Decode image files to one size, on all cores with tf.data, in order; files that fail are reported."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.pillow import KINDS, prepare_pillow, read_pixels
from dlrun.data.media_files.headers import Scanned
from dlrun.data.media_files.kind import Decoded
from dlrun.system.memory import free_memory

_BATCH = 256
_BATCH_BYTES = 2**23
_NOISE = re.compile(r"\{\{[^}]*\}\} *| *\[Op:.*|jpeg::Uncompress failed\. *|^[\w.]*Unreadable: ")
_PLAIN, _COLOUR, _PILLOW = range(len(KINDS))


def decode(paths: Sequence[bytes], scanned: Scanned, form: ImageForm) -> Iterator[Decoded]:
    """Decode files in order, a batch at a time; the next batch is decoded in advance.

    Args:
        paths: Paths of the files.
        scanned: Headers of the files, all of which are readable.
        form: Size and channels of the decoded images.

    Returns:
        The decoded batches.
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
                    # After a failed batch, tf.data may drop examples of the next ones. So decode this batch file by
                    # file, and begin a new dataset behind it.
                    yield _one_by_one(columns, decoder, form, first=first, last=last)
                    first = last
                    break
                yield Decoded(pixels, {}, first, last)
                first = last


def decode_one(path: bytes, scanned: Scanned, *, channels: int) -> npt.NDArray[np.uint8]:
    """Decode one file upright in its own size; `scanned` contains its header.

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
    """Return how many images to decode at the same time: one per core, as far as the memory allows."""
    largest = int((rows["height"].astype(np.int64) * rows["width"]).max())
    fitting = free_memory() // 4 // (12 * largest)  # three channels, times about four copies: decode, turn, crop or pad
    return max(1, min(len(os.sched_getaffinity(0)), fitting))


def _decoder(form: ImageForm, rows: npt.NDArray[np.void]) -> Callable[[Any, Any, Any], Any]:
    """Return a function from path, kind and orientation to an image, which has only the steps that `rows` need.

    Most folders hold upright images of one kind; their graph has no conditions at all.
    """
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
    """Decode one file; if it contains several pictures, the first."""
    import tensorflow as tf

    if kind == _PLAIN:
        return tf.io.decode_image(tf.io.read_file(path), channels=channels, expand_animations=False)
    if kind == _PILLOW:
        image = tf.numpy_function(_by_pillow, (path,), tf.uint8)
        image.set_shape((None, None, 3))
    else:  # TensorFlow decodes GIF, 24-bit BMP and CMYK files only with three channels
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    return image if channels == 3 else tf.image.rgb_to_grayscale(image)


def _by_pillow(path: Any) -> npt.NDArray[np.uint8]:
    # TensorFlow passes bytes inside a graph, and an array of bytes outside of it.
    return read_pixels(np.asarray(path).item())


def _upright(image: Any, orientation: Any) -> Any:
    """Turn and mirror an image according to its EXIF orientation.

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
    """Decode a batch file by file, to find the files that fail."""
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
    """Return the line of TensorFlow's message about the file: the last one before the name of the node."""
    lines = message.partition("[[{{node")[0].strip().splitlines()
    return _NOISE.sub("", lines[-1]).strip() if lines else "it cannot be decoded"
