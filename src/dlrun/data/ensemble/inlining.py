"""Apply the layers of a Keras model inside another one, without a nested model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_OF_STRINGS = ("StringLookup", "TextVectorization")


def inlined(model: keras.Model, given: Mapping[str, Any], *, prefix: str) -> Any:
    """Return the output of a model for other inputs, with each of its layers as a layer of its own.

    The exports look for layers such as lookups of strings, and do not search nested models for them.

    Args:
        model: A functional model, which is used up: its layers get new names.
        given: Keras inputs by the names of the inputs of the model.
        prefix: Beginning of the new names, so that several models of the same kind fit in one.
    """
    import keras

    def renamed(layer: Any) -> Any:
        name = f"{prefix}.{layer.name}"
        if type(layer).__name__ in _OF_STRINGS:
            # A copy, because the exports ask these layers for their only input.
            return type(layer).from_config({**layer.get_config(), "name": name})
        layer.name = name
        return layer

    # With inputs in a dictionary, Keras 3.15 warns of tensors that have other names than the keys.
    listed = keras.Model(list(model.inputs), model.output)
    tensors = [given[each.name] for each in model.inputs]
    return keras.models.clone_model(listed, input_tensors=tensors, clone_function=renamed).output
