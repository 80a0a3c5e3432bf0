"""The keys of texts that every source of texts has: how they become token ids, and the ids features."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from dlrun.component import Fields
from dlrun.data.text.preprocess import OutputMode, TokenPreprocess
from dlrun.data.text.tokens import RESERVED_IDS, Standardize, TokenCounts, TokenKind, cutter
from dlrun.errors import DataError
from dlrun.signature import Features

_PART = 0.95
_LONGEST_SEQUENCE, _LONGEST_BAG = 500, 20_000


class TextKeys(Fields):
    """How texts become what a model is given."""

    tokens: TokenKind = Field(
        default="words",
        description="How to split a text: words at whitespace; characters into Unicode code points, for languages that "
        "are written without spaces.",
    )
    standardize: Standardize = Field(
        default="lower_and_strip_punctuation",
        description="How to standardize a text before splitting, as in TextVectorization of Keras: A to Z in lower "
        "case, without ASCII punctuation; letters of other alphabets are unchanged.",
    )
    vocabulary_size: Annotated[int, Field(ge=RESERVED_IDS + 1, le=1_000_000)] = Field(
        default=10_000,
        description="Number of token ids, as Keras' max_tokens: padding (0), the out-of-vocabulary token (1), and the "
        "most frequent tokens of the training texts.",
    )
    sequence_length: Literal["auto"] | Annotated[int, Field(ge=1, le=100_000)] = Field(
        default="auto",
        description="Tokens of a text that count, from its first on; shorter ones are padded with 0. auto: as many as "
        f"95 of 100 training texts have, {_LONGEST_SEQUENCE} at most; for output modes that count, as many as the "
        "longest has. The choice is reported.",
    )
    output_mode: OutputMode = Field(
        default="int",
        description="int: token ids in their order, for recurrent and convolutional models · a vector of "
        "vocabulary_size, for mlp and linear: multi_hot (1 for each token that is there), count (how often), tf_idf "
        "(how often, less for tokens that many texts have).",
    )

    def count(self) -> TokenCounts:
        """What counts the training texts' tokens."""
        counts = TokenCounts(cutter(self.tokens, self.standardize))
        if self.output_mode == "tf_idf":
            counts.count_texts_that_hold()
        return counts

    def settle(self, counts: TokenCounts) -> tuple[tuple[str, ...], int, TokenPreprocess]:
        """The vocabulary, the length, and the preprocessing of training texts that have been counted.

        Raises:
            DataError: They have no token.
        """
        vocabulary = counts.vocabulary(self.vocabulary_size)
        if not vocabulary:
            raise DataError(
                f"no training text has any {self.tokens}", expected="some texts that are not empty", hint=self._hint()
            )
        length = self._length(counts)
        idf = self._idf(counts, vocabulary) if self.output_mode == "tf_idf" else ()
        return vocabulary, length, TokenPreprocess((length,), self.vocabulary_size, self.output_mode, idf)

    def features(self, length: int) -> Features:
        """What a model is given."""
        if self.output_mode == "int":
            return Features("tokens", (length,), self.vocabulary_size)
        return Features("vector", (self.vocabulary_size,))

    def notes(self, counts: TokenCounts, *, length: int) -> Iterator[str]:
        """A note on each choice."""
        kept = min(counts.found, self.vocabulary_size - RESERVED_IDS)
        yield (
            f"vocabulary: {kept:,} of {counts.found:,} different {self.tokens} of the training texts, and two ids for "
            "padding and unknown ones"
            + ("" if counts.is_exact else "; counted without the rarest, of which there are millions")
        )
        longest = max(counts.lengths)
        cut_off = sum(number for found, number in counts.lengths.items() if found > length)
        reason = "the key sequence_length" if self.sequence_length != "auto" else self._reason(counts)
        yield (
            f"sequence_length: {length} {self.tokens}, {reason}; {cut_off:,} of {sum(counts.lengths.values()):,} "
            f"training texts are longer, the longest has {longest:,}"
        )

    def _length(self, counts: TokenCounts) -> int:
        if self.sequence_length != "auto":
            return self.sequence_length
        if self.output_mode == "int":
            return max(1, min(counts.length_of(_PART), _LONGEST_SEQUENCE))
        return max(1, min(max(counts.lengths), _LONGEST_BAG))

    def _reason(self, counts: TokenCounts) -> str:
        if self.output_mode != "int":
            return "as many as the longest training text has" + f", {_LONGEST_BAG:,} at most"
        if counts.length_of(_PART) > _LONGEST_SEQUENCE:
            return f"the most that is chosen unasked, where 95 of 100 texts have up to {counts.length_of(_PART):,}"
        return "as 95 of 100 training texts have no more"

    def _idf(self, counts: TokenCounts, vocabulary: tuple[str, ...]) -> tuple[float, ...]:
        """The weight of each id, as Keras' TextVectorization has it.

        Formula:
            log(1 + texts / (1 + texts that hold the token)); unknown tokens have the mean of all, padding 0.
        """
        texts = sum(counts.lengths.values())
        weights = [math.log(1 + texts / (1 + holding)) for holding in counts.texts_that_hold(vocabulary)]
        unused = [0.0] * (self.vocabulary_size - RESERVED_IDS - len(weights))
        return (0.0, sum(weights) / len(weights), *weights, *unused)

    def _hint(self) -> str:
        return "standardize: none keeps punctuation" if "punctuation" in self.standardize else ""
