"""Keep recurrent layers from using cuDNN where it fails: under XLA, and for masks that it does not support.

On a GPU, Keras computes LSTM and GRU layers with cuDNN. XLA cannot compile its operations. And with a mask, it takes
only sequences that begin with a step and end with their padding: Keras 3.15 stops at any other one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from dlrun.system.keras_internals import all_layers

_BLOCK = 1 << 20


@contextmanager
def without_cudnn(model: keras.Model, *, on: bool = True) -> Iterator[None]:
    """Trace recurrent layers without cuDNN inside the block.

    Args:
        model: The model.
        on: Whether to do so at all.
    """
    before = [(layer, layer.use_cudnn) for layer in recurrent_layers(model)] if on else []
    for layer, _ in before:
        layer.use_cudnn = False
    try:
        yield
    finally:
        for layer, used in before:
            layer.use_cudnn = used


def recurrent_layers(model: keras.Model) -> list[Any]:
    """Return the layers of a model that may use cuDNN."""
    return [layer for layer in all_layers(model) if hasattr(layer, "use_cudnn")]


def avoid_cudnn(model: keras.Model, sequences: Iterable[npt.NDArray[Any]], *, are_tokens: bool) -> str:
    """Let recurrent layers compute without cuDNN if the model masks steps in a way that cuDNN does not support.

    Args:
        model: The model.
        sequences: The sequences that it will be trained and scored on.
        are_tokens: Whether they are token ids, whose mask is known; for others cuDNN is avoided with any mask.

    Returns:
        The reason; empty if cuDNN can be used, or if there is nothing to compute with it.

    Shape:
        sequences: `(examples, steps)` each, if they are token ids.
    """
    layers = recurrent_layers(model)
    if not layers or not _masks(model) or (are_tokens and _are_padded_right(sequences)):
        return ""
    for layer in layers:
        layer.use_cudnn = False
    return "cuDNN masks only the end of a sequence, and these sequences are masked elsewhere, or may be"


def _masks(model: keras.Model) -> bool:
    return any(
        getattr(layer, "mask_zero", False) or isinstance(layer, keras.layers.Masking) for layer in all_layers(model)
    )


def _are_padded_right(sequences: Iterable[npt.NDArray[Any]]) -> bool:
    """Return whether every sequence begins with a token, and has 0 only at its end."""
    for array in sequences:
        rows = max(1, _BLOCK // max(1, array[:1].size))
        for start in range(0, len(array), rows):
            is_token = np.asarray(array[start : start + rows]) != 0
            if not is_token[:, 0].all() or (is_token[:, 1:] & ~is_token[:, :-1]).any():
                return False
    return True
