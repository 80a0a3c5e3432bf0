"""Store rows of integers in a form that a GPU gathers from its own memory.

TensorFlow 2.21 has no GPU kernel that gathers rows of 8-bit or 16-bit integers. Without one, it gathers images on the
CPU, and copies all of them there from the GPU in every step. And what is int32 goes into functions through the memory
of the host, so that all labels or token ids are copied to the GPU in every step.

So bytes are stored as words of 64 bits, and other integers as int64: both are gathered on the GPU, and each batch
is turned back into what was stored. `tests/training/step/test_gpu_rows.py` compares this with TensorFlow's kernels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

_WORD_BYTES = 8


def store_rows(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array whose rows a GPU can gather: the same one, or its values in another form.

    Args:
        array: The rows.

    Shape:
        array: `(rows, *shape)`. Returns: `(rows, words)` int64 for bytes, else `(rows, *shape)`.
    """
    if array.dtype.kind not in "iu" or array.dtype == np.int64:
        return array
    if array.dtype.itemsize > 1:
        return array.astype(np.int64)
    count = math.prod(array.shape[1:])
    flat = np.ascontiguousarray(array).reshape(len(array), count).view(np.uint8)
    if missing := -count % _WORD_BYTES:
        flat = np.pad(flat, ((0, 0), (0, missing)))
    return flat.view(np.int64)


def stored_spec(array: npt.NDArray[Any]) -> tf.TensorSpec:
    """Return the shape and dtype of what `store_rows` returns, for any number of rows.

    Args:
        array: The rows.
    """
    none = store_rows(array[:0])
    return tf.TensorSpec((None, *none.shape[1:]), none.dtype)


def restore_rows(stored: Any, array: npt.NDArray[Any]) -> Any:
    """Return gathered rows as they were before `store_rows`.

    Args:
        stored: Rows of what `store_rows` has returned.
        array: Any rows with the original shape and dtype.

    Shape:
        stored: `(batch, words)` or `(batch, *shape)`. Returns: `(batch, *shape)`, of the dtype of `array`.
    """
    if stored.dtype == array.dtype:
        return stored
    if array.dtype.itemsize > 1:
        return tf.cast(stored, array.dtype)
    count = math.prod(array.shape[1:])
    flat = tf.reshape(tf.bitcast(stored, array.dtype), [-1, _WORD_BYTES * stored.shape[1]])
    if count % _WORD_BYTES:
        flat = flat[:, :count]
    return tf.reshape(flat, [-1, *array.shape[1:]])
