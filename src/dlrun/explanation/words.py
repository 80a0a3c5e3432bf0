"""Measure the importance of words by replacing each in turn and measuring the change of the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.ensemble.input import EnsembleInput
from dlrun.data.raw_input import RawInput
from dlrun.data.text.input import TextInput
from dlrun.data.text.tokens import OUT_OF_VOCABULARY, cutter
from dlrun.errors import UsageError

if TYPE_CHECKING:
    from dlrun.training.predictor import Predictor

Array = npt.NDArray[Any]


def texts_of(raw: RawInput) -> tuple[TextInput, ...]:
    """Return the raw input of texts: of each member for an ensemble; empty for other data.

    Raises:
        UsageError: The members of an ensemble split texts in different ways, so that they have no words in common.
    """
    members = raw.members if isinstance(raw, EnsembleInput) else (raw,)
    texts = tuple(each for each in members if isinstance(each, TextInput))
    if len({(each.tokens, each.standardize) for each in texts}) > 1:
        raise UsageError(
            "the members of the ensemble split texts in different ways, so there are no common words to explain",
            expected="members with the same `tokens` and `standardize`",
            hint="explain a member instead",
        )
    return texts


def word_weights(predictor: Predictor, stored: Array, output: int, *, lengths: Sequence[int] = ()) -> Array:
    """Return how much each token of a text supports an output.

    Args:
        predictor: The predictor of the run.
        stored: The token ids of the text.
        output: Index of the class, label or value.
        lengths: For an ensemble, the number of ids of each member, which lie one after the other in `stored`. A token
            is replaced for all members at once.

    Formula:
        p(text) - p(text with this token replaced by an unknown token)

    Reference:
        Li, Monroe and Jurafsky, 2016, "Understanding Neural Networks through Representation Erasure".

    Shape:
        stored: `(steps,)` token ids, padded with 0. Result: `(tokens,)`.
    """
    ends = np.cumsum(lengths or (len(stored),))
    counts = [int(np.count_nonzero(part)) for part in np.split(stored, ends[:-1])]
    # Row 0 is the unchanged text, so that one call predicts it together with all variants.
    rows = np.tile(stored, (max(counts) + 1, 1))
    for first, count in zip((0, *ends[:-1]), counts, strict=True):
        places = np.arange(count)
        rows[places + 1, first + places] = OUT_OF_VOCABULARY
    outputs = predictor(rows)[:, output]
    return np.asarray(outputs[0] - outputs[1:], np.float32)


def tokens_of(raw: TextInput, text: str, count: int) -> list[str]:
    """Return the first tokens of a text in the form that the model uses."""
    found = cutter(raw.tokens, raw.standardize)(text)[:count]
    return [token.decode() if isinstance(token, bytes) else str(token) for token in found]
