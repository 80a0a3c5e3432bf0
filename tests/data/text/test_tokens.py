"""A text is cut into tokens."""

import sys
import unicodedata
from typing import get_args

import numpy as np
import pytest

from dlrun.data.text.keys import TextKeys
from dlrun.data.text.tokens import Standardize

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("how", get_args(Standardize))
def test_every_character_is_cut_as_keras_cuts_it(how: Standardize) -> None:
    """Each code point that could be a letter with two forms, punctuation, or space, between two letters."""
    import keras

    odd = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code))[0] in "PZC" and not 0xD800 <= code < 0xE000 and code < 0x20000
    ]
    odd = [character for character in odd if unicodedata.category(character) not in ("Co", "Cn")]
    odd += [chr(code) for code in range(0x250) if chr(code) not in odd]
    texts = tuple(f"A{character}B" for character in odd)
    cut = TextKeys(standardize=how).count()._cut
    layer = keras.layers.TextVectorization(standardize=None if how == "none" else how, vocabulary=["a"])
    expected = layer._preprocess(np.array(texts, object)).to_list()
    assert [list(cut(text)) for text in texts] == expected
