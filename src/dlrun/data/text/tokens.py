"""Texts into tokens exactly as Keras' TextVectorization cuts them, and tokens into ids.

Letters are ASCII's where they are made small, punctuation and white space are ASCII's too: this is what the layer does,
whose model takes the same texts once it is deployed. `tests/data/text/test_input.py` holds the two against each other.
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
"""What Keras calls the out-of-vocabulary token; no token of the vocabulary may be called so."""

_PUNCTUATION = b"!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
_SMALL = bytes(range(256)).lower()
_MOST_COUNTED = 2_000_000

Token = Any  # bytes of UTF-8 for words, str for characters: what each is cut to most quickly
Cut = Callable[[str], Sequence[Token]]


def cutter(kind: TokenKind, standardize: Standardize) -> Cut:
    """A function from a text to its tokens.

    Args:
        kind: Words: what stands between ASCII's white space. characters: Unicode's code points.
        standardize: What is done to the text before.
    """
    table = _SMALL if standardize.startswith("lower") else None
    removed = _PUNCTUATION if standardize.endswith("strip_punctuation") else b""
    if kind == "words":
        return lambda text: text.encode().translate(table, removed).split()
    return lambda text: text.encode().translate(table, removed).decode()


class TokenCounts:
    """How often each token occurs, and how long texts are.

    Args:
        cut: From a text to its tokens.
    """

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._counts: Counter[Token] = Counter()
        self._holding: Counter[Token] | None = None
        self.lengths: Counter[int] = Counter()
        self.is_exact = True

    def count_texts_that_hold(self) -> None:
        """Also count in how many texts each token occurs."""
        self._holding = Counter()

    def add(self, text: str) -> None:
        """Count one text."""
        tokens = self._cut(text)
        self.lengths[len(tokens)] += 1
        self._counts.update(tokens)
        if self._holding is not None:
            self._holding.update(set(tokens))
        if len(self._counts) > _MOST_COUNTED:
            # Tokens without number (hashes, random strings) must not fill the memory: those seen once go first.
            self._counts = Counter({token: count for token, count in self._counts.items() if count > 1})
            if self._holding is not None:
                self._holding = Counter({token: self._holding[token] for token in self._counts})
            self.is_exact = False

    @property
    def found(self) -> int:
        """How many different tokens there are."""
        return len(self._counts)

    def vocabulary(self, size: int) -> tuple[str, ...]:
        """The most frequent tokens, those of one frequency in the order of their code points.

        Args:
            size: The size of the vocabulary, the ids of padding and of unknown tokens included.
        """
        named = ((_written(token), count) for token, count in self._counts.items())
        # Keras keeps a vocabulary in a numpy array, which drops zeros at the end of a string.
        usable = ((-count, token) for token, count in named if token != UNKNOWN and not token.endswith("\0"))
        return tuple(token for _, token in heapq.nsmallest(size - RESERVED_IDS, usable))

    def texts_that_hold(self, vocabulary: Sequence[str]) -> list[int]:
        """In how many texts each token of a vocabulary occurs."""
        holding = {} if self._holding is None else {_written(token): n for token, n in self._holding.items()}
        return [holding.get(token, 0) for token in vocabulary]

    def length_of(self, part: float) -> int:
        """The number of tokens that this part of the texts does not exceed."""
        texts, passed = sum(self.lengths.values()), 0
        for length in sorted(self.lengths):
            passed += self.lengths[length]
            if passed >= part * texts:
                return length
        return 0


@dataclass(frozen=True)
class Encoder:
    """From a text to the ids of its tokens.

    Args:
        cut: From a text to its tokens.
        ids: The id of each token of the vocabulary.
        length: Tokens that count; those behind them are left out.
    """

    cut: Cut
    ids: dict[Token, int]
    length: int

    @classmethod
    def of(cls, vocabulary: Iterable[str], *, kind: TokenKind, standardize: Standardize, length: int) -> Encoder:
        """The encoder of a vocabulary, whose ids begin after those of padding and unknown tokens."""
        keys: Iterable[Token] = (token.encode() for token in vocabulary) if kind == "words" else vocabulary
        ids = {token: number for number, token in enumerate(keys, start=RESERVED_IDS)}
        return cls(cutter(kind, standardize), ids, length)

    def __call__(self, text: str) -> list[int]:
        """The ids of a text's tokens, `length` at most; of an empty text one unknown token.

        On a GPU, recurrent layers refuse a text that is nothing but padding where padding is masked.
        """
        return self.with_length(text)[0]

    def with_length(self, text: str) -> tuple[list[int], int]:
        """The ids, and how many tokens the whole text has."""
        ids, tokens = self.ids, self.cut(text)
        found = [ids.get(token, OUT_OF_VOCABULARY) for token in tokens[: self.length]]
        return found or [OUT_OF_VOCABULARY], len(tokens)


def _written(token: Token) -> str:
    return token.decode() if isinstance(token, bytes) else token
