"""YAML keys of every dataset of texts: how texts become token ids, and token ids features."""

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
    """Conversion of texts to the input of a model."""

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
        description="Number of tokens of a text to use, from the first on; shorter texts are padded with 0. auto: the "
        f"length that 95 of 100 training texts do not exceed, at most {_LONGEST_SEQUENCE}; for vectors (see "
        "output_mode) the length of the longest text. A note reports the choice.",
    )
    output_mode: OutputMode = Field(
        default="int",
        description="int: token ids in order, for recurrent and convolutional models · a vector of vocabulary_size for "
        "mlp and linear: multi_hot (1 for each token in the text), count (number of occurrences), tf_idf (number of "
        "occurrences, with less weight for tokens that occur in many texts).",
    )

    def count(self) -> TokenCounts:
        """Return an empty count of tokens, to which training texts can be added."""
        counts = TokenCounts(cutter(self.tokens, self.standardize))
        if self.output_mode == "tf_idf":
            counts.count_texts_that_hold()
        return counts

    def settle(self, counts: TokenCounts) -> tuple[tuple[str, ...], int, TokenPreprocess]:
        """Choose the vocabulary, the length and the preprocessing for training texts that have been counted.

        Raises:
            DataError: The texts contain no token.
        """
        vocabulary = counts.vocabulary(self.vocabulary_size)
        if not vocabulary:
            raise DataError(
                f"no training text contains {self.tokens}", expected="texts that are not empty", hint=self._hint()
            )
        length = self._length(counts)
        idf = self._idf(counts, vocabulary) if self.output_mode == "tf_idf" else ()
        return vocabulary, length, TokenPreprocess((length,), self.vocabulary_size, self.output_mode, idf)

    def features(self, length: int) -> Features:
        """Return the features of the model's input."""
        if self.output_mode == "int":
            return Features("tokens", (length,), self.vocabulary_size)
        return Features("vector", (self.vocabulary_size,))

    def notes(self, counts: TokenCounts, *, length: int) -> Iterator[str]:
        """Yield a note on each choice."""
        kept = min(counts.found, self.vocabulary_size - RESERVED_IDS)
        yield (
            f"vocabulary: {kept:,} of {counts.found:,} different {self.tokens} of the training texts, and two ids for "
            f"padding and unknown {self.tokens}"
            + ("" if counts.is_exact else "; the rarest are not counted, because there are millions of them")
        )
        longest = max(counts.lengths)
        cut_off = sum(number for found, number in counts.lengths.items() if found > length)
        reason = "as set by sequence_length" if self.sequence_length != "auto" else self._reason(counts)
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
            return f"the length of the longest training text, at most {_LONGEST_BAG:,}"
        if counts.length_of(_PART) > _LONGEST_SEQUENCE:
            return f"the limit of auto, although 95 of 100 texts have up to {counts.length_of(_PART):,}"
        return "because 95 of 100 training texts are not longer"

    def _idf(self, counts: TokenCounts, vocabulary: tuple[str, ...]) -> tuple[float, ...]:
        """Return the weight of each id, as in Keras' TextVectorization.

        Formula:
            log(1 + texts / (1 + texts that contain the token)); the mean of these for unknown tokens; 0 for padding.
        """
        texts = sum(counts.lengths.values())
        weights = [math.log(1 + texts / (1 + holding)) for holding in counts.texts_that_hold(vocabulary)]
        unused = [0.0] * (self.vocabulary_size - RESERVED_IDS - len(weights))
        return (0.0, sum(weights) / len(weights), *weights, *unused)

    def _hint(self) -> str:
        return "standardize: none keeps punctuation" if "punctuation" in self.standardize else ""
