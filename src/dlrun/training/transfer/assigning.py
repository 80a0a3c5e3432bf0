"""Assign stored weights to layers, after every name and every shape has been compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dlrun.errors import DataError
from dlrun.models.pretrained.backbone import IMAGENET_MEAN
from dlrun.system.keras_internals import all_layers, snake_case
from dlrun.training.transfer.weights_file import StoredWeights

_MOST_SHOWN = 4
_NUMBERED = re.compile(r"(.+?)(?:_(\d+))?")


def assign_stored(backbone: keras.Model, stored: StoredWeights) -> tuple[str, ...]:
    """Assign the weights of a file to a network, all of them or none.

    Args:
        backbone: A network of keras.applications.
        stored: The weights, from an open file.

    Returns:
        The paths of the variables.

    Raises:
        DataError: A layer is missing in the file or in the network, or an array has another shape.
    """
    own = own_weights(backbone, is_nested=stored.is_nested)
    own_names, given_names = _canonical(own), _canonical(stored.layers)
    given = {given_names[name]: arrays for name, arrays in stored.layers.items() if not _is_constant(name, arrays)}
    wanted = {own_names[name]: (name, variables) for name, variables in own.items()}
    wrong = [*_missing(wanted, given), *_misshapen(wanted, given)]
    if wrong:
        more = f"; and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
        raise DataError(
            f"{stored.path} does not hold the weights of {backbone.name}: {'; '.join(wrong[:_MOST_SHOWN])}{more}",
            expected="the weights of exactly this network without its classifier (include_top=False)",
            hint="check model.backbone and its arguments, such as model.alpha; nothing was assigned",
        )
    for key, (_, variables) in wanted.items():
        for variable, array in zip(variables, given[key], strict=True):
            variable.assign(np.asarray(array).astype(variable.dtype))
    return tuple(variable.path for variables in own.values() for variable in variables)


def own_weights(backbone: keras.Model, *, is_nested: bool) -> dict[str, list[Any]]:
    """Return the variables of each layer that has any, in the order in which Keras stores them.

    Args:
        backbone: The network.
        is_nested: Whether to list the layers inside other layers on their own.
    """
    if not is_nested:
        return {layer.name: list(layer.weights) for layer in backbone.layers if layer.weights}
    leaves = (layer for layer in all_layers(backbone) if len(all_layers(layer)) == 1)
    return {layer.name: list(layer.weights) for layer in leaves if layer.weights}


def _canonical(names: Iterable[str]) -> dict[str, str]:
    """Return each name in a form that does not depend on how many layers the process had made before.

    Keras numbers the layers that have no name of their own, `conv2d_94`. What counts is their order.
    """
    numbered: dict[str, list[tuple[int, str]]] = {}
    result = {}
    for name in names:
        found = _NUMBERED.fullmatch(name)
        if found is not None and found[1] in _AUTOMATIC:
            numbered.setdefault(found[1], []).append((int(found[2] or 0), name))
        else:
            result[name] = name
    for base, found_names in numbered.items():
        result |= {name: f"{base} number {place}" for place, (_, name) in enumerate(sorted(found_names), start=1)}
    return result


def _is_constant(name: str, arrays: Sequence[Any]) -> bool:
    """Return whether stored weights are the statistics of ImageNet, which the network has as constants."""
    if not name.startswith("normalization") or not arrays:
        return False
    mean = np.asarray(arrays[0]).ravel()
    return mean.shape == (3,) and bool(np.allclose(mean, IMAGENET_MEAN, atol=1e-3))


_AUTOMATIC = {
    snake_case(each.__name__)
    for each in (
        keras.layers.BatchNormalization,
        keras.layers.Conv2D,
        keras.layers.Dense,
        keras.layers.DepthwiseConv2D,
        keras.layers.LayerNormalization,
        keras.layers.Normalization,
        keras.layers.SeparableConv2D,
        keras.Sequential,
    )
}
"""Names that Keras gives layers, without their numbers."""


def _missing(wanted: Mapping[str, tuple[str, Sequence[Any]]], given: Mapping[str, Sequence[Any]]) -> list[str]:
    absent = [f"it lacks the layer {wanted[key][0]}" for key in wanted if key not in given]
    return absent + [f"it has the layer {key}, which the network has not" for key in given if key not in wanted]


def _misshapen(wanted: Mapping[str, tuple[str, Sequence[Any]]], given: Mapping[str, Sequence[Any]]) -> list[str]:
    wrong = []
    for key, (name, variables) in wanted.items():
        if key not in given:
            continue
        shapes = [tuple(variable.shape) for variable in variables], [tuple(array.shape) for array in given[key]]
        if len(shapes[0]) != len(shapes[1]):
            wrong.append(f"{name} has {len(shapes[1])} arrays instead of {len(shapes[0])}")
            continue
        pairs = zip(variables, *shapes, strict=True)
        wrong += [
            f"{name}/{variable.name} is {there} instead of {here}" for variable, here, there in pairs if here != there
        ]
    return wrong
