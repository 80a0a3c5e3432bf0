"""Compute random numbers as hashes of (seed, epoch, example, draw).

A generator would have a state to save and restore, and its numbers would depend on the order of the calls. A hash gives
each example the same numbers in any batch, on any device, and after a resume.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

_MASK = 0xFFFFFFFF
_CELLS = 2048
_BISECTIONS = 100


def uniform(numbers: Any, *, seed: int, epoch: Any, draws: int) -> Any:
    """Return random numbers in [0, 1) for each example, independent of its batch and device.

    Args:
        numbers: The positions of the examples in the split.
        seed: The seed of the run.
        epoch: The number of the epoch, from 0.
        draws: The count of random numbers per example.

    Shape:
        numbers: `(batch,)` int32. epoch: scalar int32. Returns: `(batch, draws)` float32.

    Reference:
        Salmon et al., 2011, "Parallel Random Numbers: As Easy as 1, 2, 3", for counter-based generators; Wellons,
        2018, "Prospecting for Hash Functions", for the constants of the hash ("lowbias32").
    """
    # Each part of the key is hashed before it is combined, with a constant of its own, so that (seed 1, epoch 2) and
    # (seed 2, epoch 1) have nothing in common.
    state = _hash(_wide(seed))
    state = _hash(state ^ _hash(_wide(epoch) + 0x9E3779B9))
    state = _hash(state ^ _hash(_wide(numbers) + 0x85EBCA6B))
    state = _hash(state[:, None] ^ _hash(tf.range(draws, dtype=tf.int64) + 0xC2B2AE35))
    return tf.cast(tf.bitwise.right_shift(state, tf.constant(8, tf.int64)), tf.float32) * 2.0**-24


def hashed_words(shape: Any, *keys: Any) -> Any:
    """Return words of 32 random bits, each a hash of its position and of the keys.

    This computes in 32 bits, of which XLA handles eight or sixteen at once.

    Args:
        shape: The shape of the result, with fewer than 2**32 values.
        keys: Scalars, uint32.

    Shape:
        Returns: as `shape`, uint32.

    Reference:
        See `uniform`.
    """
    key = tf.constant(0, tf.uint32)
    for given in keys:
        key = _mix(given + _mix(key + tf.constant(0x9E3779B9, tf.uint32)))
    places = tf.reshape(tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32), shape)
    # Two rounds: with one, two similar keys would give the same words at other positions.
    return _mix(_mix(places + key) ^ key)


def smaller_parts(alpha: float) -> npt.NDArray[np.float32]:
    """Return the centres of equally probable cells of min(s, 1 - s), with s drawn from Beta(alpha, alpha).

    Choosing one of them uniformly at random is then a draw from that distribution.

    Args:
        alpha: The parameter of the beta distribution.

    Formula:
        F(q_k) = (k + 1/2) / (2 cells), F the regularized incomplete beta function, solved by bisection in float64

    Shape:
        Returns: `(cells,)`, ascending from 0 to 1/2.
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
    """Turn uniform numbers into draws from equally probable cells.

    Args:
        cells: The values of the cells.
        numbers: Uniform numbers in [0, 1).

    Shape:
        Returns: as `numbers`.
    """
    place = tf.cast(numbers * len(cells), tf.int32)
    return tf.gather(tf.constant(cells), tf.minimum(place, len(cells) - 1))


def _mix(value: Any) -> Any:
    """Compute the same as `_hash`, for uint32."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = (value ^ tf.bitwise.right_shift(value, tf.constant(shift, tf.uint32))) * tf.constant(factor, tf.uint32)
    return value ^ tf.bitwise.right_shift(value, tf.constant(16, tf.uint32))


def _wide(value: Any) -> Any:
    return tf.cast(value, tf.int64) if tf.is_tensor(value) else tf.constant(value, tf.int64)


def _hash(value: Any) -> Any:
    """Apply a bijection of 32 bits in which every input bit flips each output bit with probability one half.

    This computes in 64 bits and keeps the lower half, since every device has these operations for int64.
    """
    value = value & _MASK
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = value ^ tf.bitwise.right_shift(value, tf.constant(shift, tf.int64))
        value = (value * factor) & _MASK
    return value ^ tf.bitwise.right_shift(value, tf.constant(16, tf.int64))
