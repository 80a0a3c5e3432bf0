"""Which words a prediction rests on: each is taken out in turn, and what that changes is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.text.input import TextInput
from dlrun.data.text.tokens import OUT_OF_VOCABULARY, cutter
from dlrun.training.predictor import Predictor

Array = npt.NDArray[Any]


def word_weights(predictor: Predictor, stored: Array, output: int) -> Array:
    """How much each token of one text speaks for one output.

    Formula:
        p(text) - p(text with an unknown token in the place of this one)

    Reference:
        Li, Monroe and Jurafsky, 2016, "Understanding Neural Networks through Representation Erasure".

    Shape:
        stored: `(steps,)` token ids, 0 behind the last. Returns: `(tokens,)`.
    """
    count = int(np.count_nonzero(stored))
    rows = np.tile(stored, (count + 1, 1))
    places = np.arange(count)
    rows[places + 1, places] = OUT_OF_VOCABULARY
    outputs = predictor(rows)[:, output]
    return np.asarray(outputs[0] - outputs[1:], np.float32)


def tokens_of(raw: TextInput, text: str, count: int) -> list[str]:
    """The first tokens of a text, as the model knows them."""
    found = cutter(raw.tokens, raw.standardize)(text)[:count]
    return [token.decode() if isinstance(token, bytes) else str(token) for token in found]
