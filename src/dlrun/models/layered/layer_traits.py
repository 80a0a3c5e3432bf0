"""What the models that are written as Keras layers need to know of a layer: weights, width, and what it computes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from dlrun.component import FieldProblem
from dlrun.keras_table import LayerPart
from dlrun.signature import Features, Target

ACTIVATIONS = frozenset({"Softmax", "ReLU", "LeakyReLU", "PReLU", "ELU", "Activation"})
PASSES_ON = re.compile(
    r"(Alpha|Gaussian|Spatial)?Dropout([123]D)?|Identity|ActivityRegularization|Global.*Pooling[123]D"
)
"""Layers that keep the width of their input and the effect of the activation before them."""

_GAINS = re.compile(r"(Separable|Depthwise)?Conv[123]D(Transpose)?|LSTM|GRU|SimpleRNN|Bidirectional")
_ALONE = re.compile(
    rf"{_GAINS.pattern}|Input|Dense|Embedding|Flatten|Reshape|Permute|(Max|Average|Global(Max|Average))Pooling[123]D"
    r"|(Spatial)?Dropout([123]D)?|GaussianNoise|ZeroPadding[123]D|Cropping[123]D|UpSampling[123]D|LayerNormalization"
    r"|Activation|ReLU|LeakyReLU|ELU|PReLU|Softmax|Rescaling|Identity|TimeDistributed|RepeatVector|Masking"
    r"|Add|Average|Concatenate|Dot|Maximum|Minimum|Multiply|Subtract|(Additive|MultiHead)?Attention"
)
"""_ALONE: layers that compute each example independently. _GAINS: those of them that gain from one core per part."""


def has_weights(layer: LayerPart) -> bool:
    """Return whether a layer has weights."""
    is_scaled = getattr(layer, "use_scale", False)  # the attention layers without dense layers
    return is_scaled or any({"initializer", "layer"} & set(argument.types) for argument in layer.entry.arguments)


def activation_of(layer: LayerPart) -> str:
    """Return the name of the activation that a layer applies, `linear` for none."""
    if layer.type_name in ACTIVATIONS - {"Activation"}:
        # The snake case of ReLU is re_lu, but the activation is named relu.
        return layer.snake_case.replace("re_lu", "relu")
    # A wrapper such as TimeDistributed has the activation of the layer inside.
    return getattr(getattr(layer, "layer", layer), "activation", None) or "linear"


def gain_from_shares(layers: Iterable[LayerPart]) -> bool:
    """Return whether there is a convolutional or recurrent layer, and all layers compute each example independently."""
    given = tuple(layers)
    every = [part for layer in given for part in _with_inner(layer)]
    alone = all(_ALONE.fullmatch(part.type_name) and not _has_activity_penalty(part) for part in every)
    return alone and any(_GAINS.fullmatch(layer.type_name) for layer in given)


def width_of(layer: LayerPart) -> tuple[str, int] | None:
    """Return the key that sets the width of a layer, and the width; None if no key does."""
    for key in ("units", "filters", "output_dim"):
        value: Any = getattr(layer, key, None)
        if value is not None:
            return key, value
    return None


def width_problem(layer: LayerPart, target: Target) -> FieldProblem | None:
    """Return the problem of a last layer whose width is not that of the target, with a path from the layer."""
    width = width_of(layer)
    if width is None or width[1] == target.units:
        return None
    wanted = (
        "1, because this loss takes one number for two classes" if target.encoding == "binary" else f"{target.units}"
    )
    return FieldProblem((width[0],), f"the last layer returns {width[1]} values", expected=wanted)


def token_problem(layer: Any, features: Features, *, is_first: bool) -> FieldProblem | None:
    """Return the problem of an Embedding, with a path from the layer.

    Args:
        layer: Any layer.
        features: Features of the model.
        is_first: Whether the layer gets the features themselves.
    """
    if layer.type_name == "Embedding" and not (is_first and features.kind == "tokens"):
        return FieldProblem(
            (), "the input of Embedding is not token ids", expected="Embedding as the first layer, on token ids"
        )
    size = features.vocabulary_size
    if layer.type_name == "Embedding" and size is not None and layer.input_dim < size:
        return FieldProblem(("input_dim",), f"{layer.input_dim} vectors for {size} tokens", expected=f"at least {size}")
    return None


def _has_activity_penalty(layer: LayerPart) -> bool:
    """Return whether the layer adds a penalty to the loss that depends on the division of the batch."""
    return getattr(layer, "activity_regularizer", None) is not None


def _with_inner(layer: LayerPart) -> Iterator[LayerPart]:
    """Yield a layer and the layers that it wraps."""
    yield layer
    for _, value in layer:
        if isinstance(value, LayerPart):
            yield from _with_inner(value)
