"""Measure the importance of words by replacing each in turn and measuring the change of the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.text.input import TextInput
from dlrun.data.text.tokens import OUT_OF_VOCABULARY, cutter
from dlrun.training.predictor import Predictor

Array = npt.NDArray[Any]


def word_weights(predictor: Predictor, stored: Array, output: int) -> Array:
    """Return how much each token of a text supports an output.

    Formula:
        p(text) - p(text with this token replaced by an unknown token)

    Reference:
        Li, Monroe and Jurafsky, 2016, "Understanding Neural Networks through Representation Erasure".

    Shape:
        stored: `(steps,)` token ids, padded with 0. Result: `(tokens,)`.
    """
    count = int(np.count_nonzero(stored))
    # Row 0 is the unchanged text, so that one call predicts it together with all variants.
    rows = np.tile(stored, (count + 1, 1))
    places = np.arange(count)
    rows[places + 1, places] = OUT_OF_VOCABULARY
    outputs = predictor(rows)[:, output]
    return np.asarray(outputs[0] - outputs[1:], np.float32)


def tokens_of(raw: TextInput, text: str, count: int) -> list[str]:
    """Return the first tokens of a text in the form that the model uses."""
    found = cutter(raw.tokens, raw.standardize)(text)[:count]
    return [token.decode() if isinstance(token, bytes) else str(token) for token in found]
