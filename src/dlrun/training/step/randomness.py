"""Random numbers that depend on nothing but (seed, epoch, example, draw): no generator, nothing to save or restore."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

_MASK = 0xFFFFFFFF
_CELLS = 2048
_BISECTIONS = 100


def uniform(numbers: Any, *, seed: int, epoch: Any, draws: int) -> Any:
    """Numbers from 0 to below 1 for each example, whatever batch, device or feed it comes with.

    Args:
        numbers: Of the examples.
        seed: Of the run.
        epoch: Epochs before this one.
        draws: How many for each example.

    Shape:
        numbers: `(batch,)` int32. epoch: scalar int32. Returns: `(batch, draws)` float32.

    Reference:
        Salmon et al., 2011, "Parallel Random Numbers: As Easy as 1, 2, 3", for generators that count; Wellons, 2018,
        "Prospecting for Hash Functions", for the constants of the hash ("lowbias32").
    """
    state = _hashed(_wide(seed))
    state = _hashed(state ^ _hashed(_wide(epoch) + 0x9E3779B9))
    state = _hashed(state ^ _hashed(_wide(numbers) + 0x85EBCA6B))
    state = _hashed(state[:, None] ^ _hashed(tf.range(draws, dtype=tf.int64) + 0xC2B2AE35))
    return tf.cast(tf.bitwise.right_shift(state, tf.constant(8, tf.int64)), tf.float32) * 2.0**-24


def hashed_words(shape: Any, *keys: Any) -> Any:
    """Words of 32 random bits, each a hash of its place and of the keys.

    In 32 bits, which XLA computes eight or sixteen at once.

    Args:
        shape: Of the result, fewer than 2**32 values.
        keys: Scalars, uint32.

    Shape:
        As `shape`, uint32.

    Reference:
        As `uniform`.
    """
    key = tf.constant(0, tf.uint32)
    for given in keys:
        key = _mixed(given + _mixed(key + tf.constant(0x9E3779B9, tf.uint32)))
    places = tf.reshape(tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32), shape)
    # Hashed twice: of two neighbouring keys one hash would give the words of the other at other places.
    return _mixed(_mixed(places + key) ^ key)


def smaller_parts(alpha: float) -> npt.NDArray[np.float32]:
    """The middles of equally probable cells of min(s, 1 - s), s from Beta(alpha, alpha): one at random is a draw of it.

    Formula:
        F(q_k) = (k + 1/2) / (2 cells), F the regularized incomplete beta function, solved by bisection in float64

    Shape:
        `(cells,)`, ascending from 0 to 1/2.
    """
    with tf.device("/CPU:0"):
        wanted = (tf.range(_CELLS, dtype=tf.float64) + 0.5) / (2 * _CELLS)
        low, high = tf.zeros_like(wanted), tf.fill(wanted.shape, tf.constant(0.5, tf.float64))
        exponent = tf.constant(alpha, tf.float64)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            below = tf.math.betainc(exponent, exponent, middle) < wanted
            low, high = tf.where(below, middle, low), tf.where(below, high, middle)
        found: npt.NDArray[np.float32] = high.numpy().astype(np.float32)
    return found


def drawn_from(cells: npt.NDArray[np.float32], numbers: Any) -> Any:
    """Turn uniform numbers into draws from equally probable cells. Shape: as `numbers`."""
    place = tf.cast(numbers * len(cells), tf.int32)
    return tf.gather(tf.constant(cells), tf.minimum(place, len(cells) - 1))


def _mixed(value: Any) -> Any:
    """What `_hashed` computes, of uint32."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = (value ^ tf.bitwise.right_shift(value, tf.constant(shift, tf.uint32))) * tf.constant(factor, tf.uint32)
    return value ^ tf.bitwise.right_shift(value, tf.constant(16, tf.uint32))


def _wide(value: Any) -> Any:
    return tf.cast(value, tf.int64) if tf.is_tensor(value) else tf.constant(value, tf.int64)


def _hashed(value: Any) -> Any:
    """A bijection of 32 bits in which every bit of the input changes half of those of the output.

    In 64 bits, of which the lower half counts: every device has these operations for int64.
    """
    value = value & _MASK
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = value ^ tf.bitwise.right_shift(value, tf.constant(shift, tf.int64))
        value = (value * factor) & _MASK
    return value ^ tf.bitwise.right_shift(value, tf.constant(16, tf.int64))
