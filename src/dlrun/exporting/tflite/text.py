"""Compute the ids of `TextVectorization` from the UTF-8 bytes of a text, or of several lines, by arithmetic only.

TensorFlow Lite has no operation that splits strings. On bytes, lower case and punctuation are a lookup table, word
boundaries are a running sum, and each known word is recognized by two weighted sums over its bytes, chosen so that no
two known words share both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.exporting.text_layers import TextRules

_GONE, _SPACE, _FIRST = 0, 1, 2
"""The codes that the table gives bytes: removed, whitespace, or from here on the byte itself."""

_LARGEST = 255 + _FIRST
_FOLLOWING = range(0x80, 0xC0)  # all bytes of a multi-byte character but the first
_HASHES = 2
_WHITESPACE = b"\t\n\x0b\x0c\r "


class ByteTokens:
    """Applies the rules of a `TextVectorization` layer to bytes, in TensorFlow.

    Args:
        rules: The rules of the layer.
        texts: The number of texts; several texts are separate lines, and are split into characters.
    """

    def __init__(self, rules: TextRules, *, texts: int = 1) -> None:
        self._rules = rules
        self._texts = texts
        self._table = _table(rules)
        codes = [np.frombuffer(token.encode(), np.uint8).astype(np.int64) + _FIRST for token in rules.vocabulary]
        self._longest = max((len(code) for code in codes), default=0) + 1  # one more, to recognize longer words
        self._factors, self._hashes = _hashes(codes, self._longest)

    def __call__(self, raw: Any) -> Any:
        """Return the ids.

        Args:
            raw: The bytes of the texts.

        Shape:
            raw: `(1, bytes)` uint8. Returns: `(1, texts * length)` int32.
        """
        import tensorflow as tf

        length = self._texts * self._rules.length
        values, token, place = self._tokens(raw)
        shape = [length, self._longest]
        letters = tf.scatter_nd(tf.stack([token, tf.minimum(place, self._longest - 1)], 1), values, shape)
        letters = tf.minimum(letters, _LARGEST)  # in the last column, the bytes of longer words add up
        there = tf.cast(tf.reduce_max(letters, axis=1) > 0, tf.int32)
        if not self._rules.vocabulary:
            return there[None]
        equal = None
        for factors, hashes in zip(self._factors, self._hashes, strict=True):
            found = tf.reduce_sum(letters * tf.constant(factors[None]), axis=1, keepdims=True)
            same = tf.equal(found, tf.constant(hashes[None]))
            equal = same if equal is None else tf.logical_and(equal, same)
        numbers = tf.constant(np.arange(1, len(self._rules.vocabulary) + 1, dtype=np.int32))
        return (tf.reduce_max(tf.cast(equal, tf.int32) * numbers, axis=1) + there)[None]

    def _tokens(self, raw: Any) -> tuple[Any, Any, Any]:
        """Return the value, the token number and the position in the token of each byte that belongs to a token.

        Shape:
            Returns: `(n,)` int32 each.
        """
        import tensorflow as tf

        # Start with a byte that belongs to no token: TensorFlow Lite fails on empty tensors.
        first = 0 if self._rules.by_character else ord(" ")
        last = [ord("\n")] if self._texts > 1 else []
        read = tf.concat([[first], tf.cast(tf.reshape(raw, [-1]), tf.int32), tf.constant(last, tf.int32)], 0)
        values = tf.gather(tf.constant(self._table), read)
        kept = tf.reshape(tf.where(tf.not_equal(values, _GONE)), [-1])
        values = tf.gather(values, kept)
        if self._rules.by_character:
            read = tf.gather(read, kept)
            follows = tf.logical_and(read >= _FOLLOWING.start, read < _FOLLOWING.stop)
            starts = tf.concat([[False], tf.logical_not(follows)[1:]], 0)
            inside = tf.concat([[False], tf.ones_like(starts[1:])], 0)
        else:
            white = tf.equal(values, _SPACE)
            inside = tf.logical_not(white)
            starts = tf.logical_and(inside, tf.concat([[False], white[:-1]], 0))
        token = tf.cumsum(tf.cast(starts, tf.int32)) - 1
        counts = tf.logical_and(inside, token < self._rules.length)
        number = token
        if self._texts > 1:
            token, counts = self._by_line(token, tf.equal(read, ord("\n")))
        at = tf.cast(tf.reshape(tf.where(counts), [-1]), tf.int32)
        begins = tf.cast(tf.reshape(tf.where(starts), [-1]), tf.int32)
        place = at - tf.gather(begins, tf.gather(number, at))
        return tf.gather(values, at), tf.gather(token, at), place

    def _by_line(self, token: Any, ends: Any) -> tuple[Any, Any]:
        """Number characters from 0 in each line, which has room for `length` of them, and select those that fit.

        Args:
            token: The number of each byte's character; -1 for the first byte, which belongs to none.
            ends: Whether each byte ends a line.
        """
        import tensorflow as tf

        length = self._rules.length
        line = tf.cumsum(tf.cast(ends, tf.int32))
        before = tf.concat([[-1], tf.gather(token, tf.reshape(tf.where(ends), [-1]))], 0)
        within = token - tf.gather(before, line) - 1  # -1 for the end of a line, and for the first byte
        fits = tf.logical_and(within < length, line < self._texts)
        return line * length + within, tf.logical_and(fits, within >= 0)


def _table(rules: TextRules) -> npt.NDArray[np.int32]:
    table = np.arange(256, dtype=np.int32) + _FIRST
    if rules.lower:
        table[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
    table[[ord(character) for character in rules.punctuation]] = _GONE
    if not rules.by_character:
        table[list(_WHITESPACE)] = _SPACE
    return table


def _hashes(codes: list[npt.NDArray[np.int64]], longest: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return weights for each position in a word, and the weighted sums of the known words, unique as a pair.

    Shape:
        Returns: `(hashes, longest)` and `(hashes, words)`.
    """
    random = np.random.default_rng(0)
    largest = max(2, (2**31 - 1) // (_LARGEST * longest))  # so that no sum overflows int32
    while True:
        # Draw new weights until no two known words share both sums.
        factors = random.integers(1, largest, (_HASHES, longest))
        sums = np.array([[code @ factor[: len(code)] for code in codes] for factor in factors])
        if len({tuple(column) for column in sums.T}) == len(codes):
            return factors.astype(np.int32), sums.astype(np.int32)
