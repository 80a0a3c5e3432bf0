"""A word of a text is replaced for all members of an ensemble at once."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dlrun.data.array_input import ArrayInput
from dlrun.data.ensemble.input import EnsembleInput
from dlrun.data.text.input import TextInput
from dlrun.data.text.rows import TextReading
from dlrun.data.text.tokens import OUT_OF_VOCABULARY, TokenKind
from dlrun.errors import UsageError
from dlrun.explanation.words import texts_of, word_weights


def known(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Predict the number of known tokens."""
    return np.asarray((rows > OUT_OF_VOCABULARY).sum(axis=1, keepdims=True))


def text(*, tokens: TokenKind = "words", sequence_length: int = 3) -> TextInput:
    return TextInput(TextReading(), tokens, "lower", ("a",), sequence_length)


def test_each_word_counts_once_for_each_member_that_knows_it() -> None:
    stored = np.array([5, 7, 0, 3, 1, 9, 0, 0], np.int32)  # of members with 3 and 5 ids; the second cuts off later
    predict: Any = known
    assert word_weights(predict, stored, 0, lengths=(3, 5)).tolist() == [2, 1, 1]
    assert word_weights(predict, stored[:3], 0).tolist() == [1, 1]


def test_texts_of_an_ensemble_have_to_be_split_alike() -> None:
    alike = EnsembleInput((text(), text(sequence_length=5)), ((3,), (5,)))
    assert [each.sequence_length for each in texts_of(alike)] == [3, 5]
    assert texts_of(ArrayInput((4,))) == ()
    with pytest.raises(UsageError, match="split texts in different ways"):
        texts_of(EnsembleInput((text(), text(tokens="characters")), ((3,), (3,))))
