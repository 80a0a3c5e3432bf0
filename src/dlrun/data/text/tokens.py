"""Split texts into tokens exactly as Keras' TextVectorization does, and convert tokens to ids.

Lower case, punctuation and whitespace concern ASCII characters only, because the layer works this way, and exported
models contain the layer. `tests/data/text/test_input.py` compares both.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TokenKind = Literal["words", "characters"]
Standardize = Literal["lower_and_strip_punctuation", "lower", "strip_punctuation", "none"]

PADDING, OUT_OF_VOCABULARY = 0, 1
RESERVED_IDS = 2
UNKNOWN = "[UNK]"
"""Keras' name of the out-of-vocabulary token; no token of the vocabulary may have this name."""

_PUNCTUATION = b"!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
_SMALL = bytes(range(256)).lower()
_MOST_COUNTED = 2_000_000

Token = Any  # UTF-8 bytes for words, str for characters: the fastest form for each
Cut = Callable[[str], Sequence[Token]]


def cutter(kind: TokenKind, standardize: Standardize) -> Cut:
    """Return a function that splits a text into tokens.

    Args:
        kind: Kind of tokens: `words` between ASCII whitespace, or `characters` (Unicode code points).
        standardize: How to standardize a text before splitting.
    """
    table = _SMALL if standardize.startswith("lower") else None
    removed = _PUNCTUATION if standardize.endswith("strip_punctuation") else b""
    # Bytes, because their `translate` and `split` know only ASCII letters and whitespace, like the layer.
    if kind == "words":
        return lambda text: text.encode().translate(table, removed).split()
    return lambda text: text.encode().translate(table, removed).decode()


class TokenCounts:
    """Frequencies of tokens, and lengths of texts.

    Args:
        cut: Function that splits a text into tokens.
    """

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._counts: Counter[Token] = Counter()
        self._holding: Counter[Token] | None = None
        self.lengths: Counter[int] = Counter()
        self.is_exact = True

    def count_texts_that_hold(self) -> None:
        """Also count the texts in which each token occurs."""
        self._holding = Counter()

    def add(self, text: str) -> None:
        """Count one text."""
        tokens = self._cut(text)
        self.lengths[len(tokens)] += 1
        self._counts.update(tokens)
        if self._holding is not None:
            self._holding.update(set(tokens))
        if len(self._counts) > _MOST_COUNTED:
            # Endless distinct tokens (hashes, random strings) must not fill the memory, so drop those seen only once.
            self._counts = Counter({token: count for token, count in self._counts.items() if count > 1})
            if self._holding is not None:
                self._holding = Counter({token: self._holding[token] for token in self._counts})
            self.is_exact = False

    @property
    def found(self) -> int:
        """Return the number of different tokens."""
        return len(self._counts)

    def vocabulary(self, size: int) -> tuple[str, ...]:
        """Return the most frequent tokens; equally frequent ones are in the order of their code points.

        Args:
            size: Size of the vocabulary, including the ids of padding and of unknown tokens.
        """
        named = ((_written(token), count) for token, count in self._counts.items())
        # Keras stores a vocabulary in a numpy array, which drops null characters at the end of a string.
        usable = ((-count, token) for token, count in named if token != UNKNOWN and not token.endswith("\0"))
        return tuple(token for _, token in heapq.nsmallest(size - RESERVED_IDS, usable))

    def texts_that_hold(self, vocabulary: Sequence[str]) -> list[int]:
        """Return the number of texts in which each token of a vocabulary occurs."""
        holding = {} if self._holding is None else {_written(token): n for token, n in self._holding.items()}
        return [holding.get(token, 0) for token in vocabulary]

    def length_of(self, part: float) -> int:
        """Return the number of tokens that a fraction of the texts does not exceed."""
        texts, passed = sum(self.lengths.values()), 0
        for length in sorted(self.lengths):
            passed += self.lengths[length]
            if passed >= part * texts:
                return length
        return 0


@dataclass(frozen=True)
class Encoder:
    """Converts a text to the ids of its tokens.

    Args:
        cut: Function that splits a text into tokens.
        ids: Id of each token of the vocabulary.
        length: Number of tokens to use; further ones are left out.
    """

    cut: Cut
    ids: dict[Token, int]
    length: int

    @classmethod
    def of(cls, vocabulary: Iterable[str], *, kind: TokenKind, standardize: Standardize, length: int) -> Encoder:
        """Return the encoder of a vocabulary, whose ids begin after those of padding and unknown tokens."""
        keys: Iterable[Token] = (token.encode() for token in vocabulary) if kind == "words" else vocabulary
        ids = {token: number for number, token in enumerate(keys, start=RESERVED_IDS)}
        return cls(cutter(kind, standardize), ids, length)

    def __call__(self, text: str) -> list[int]:
        """Return the ids of a text's tokens, at most `length`; one unknown token for an empty text.

        With masked padding, recurrent layers on a GPU fail for a text that consists of padding only.
        """
        return self.with_length(text)[0]

    def with_length(self, text: str) -> tuple[list[int], int]:
        """Return the ids, and the number of tokens of the whole text."""
        ids, tokens = self.ids, self.cut(text)
        found = [ids.get(token, OUT_OF_VOCABULARY) for token in tokens[: self.length]]
        return found or [OUT_OF_VOCABULARY], len(tokens)


def _written(token: Token) -> str:
    return token.decode() if isinstance(token, bytes) else token
