"""Average the predictions of several networks, in the form of the output of a single network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dlrun.models.parts.finish import finish_output
from dlrun.signature import Target
from dlrun.value_transform import transform_tensor

_TINY = 2.0**-126  # the smallest normal float32


def average_outputs(outputs: Sequence[Any], weights: Sequence[float], targets: Sequence[Target], target: Target) -> Any:
    """Return the weighted mean of the predictions of several networks, as the output of one network.

    Probabilities are returned as logits, so that losses, metrics and predictions work as for a single network.

    Args:
        outputs: Output of each network, Keras tensors.
        weights: Weight of each network. They are positive and add up to 1.
        targets: Target of each network, with its encoding, activation and unit.
        target: Target of the result, with the activation `linear`.

    Formula:
        classes: log(sum over i of w_i p_i); for two classes with one output, and for labels, the difference of the
        logarithms of the mean probabilities of yes and no. values: sum over i of w_i y_i, in the unit of `target`.

    Shape:
        outputs: `(batch, units)` each. Result: `(batch, target.units)`, float32.
    """
    if target.kind == "values":
        return _mean_value(outputs, weights, [_column_by_column(own) for own in targets], _column_by_column(target))
    pairs = [_log_probabilities(*each, number=number) for number, each in enumerate(zip(outputs, targets, strict=True))]
    yes = _log_mean([first for first, _ in pairs], weights, name="log_mean")
    if target.kind == "labels":
        return yes - _log_mean([second for _, second in pairs], weights, name="log_mean_of_no")
    if target.kind == "classes" and target.units == 1:
        return yes[:, 1:] - yes[:, :1]
    return yes


def _log_mean(logarithms: Sequence[Any], weights: Sequence[float], *, name: str) -> Any:
    """Return the logarithm of the weighted mean, computed without leaving the logarithms, which keeps tiny numbers."""
    from keras import layers, ops

    weighted = [each + math.log(weight) for each, weight in zip(logarithms, weights, strict=True)]
    if len(weighted) == 1:
        return weighted[0]
    largest = layers.Maximum(dtype="float32", name=f"{name}_largest")(weighted)
    shares = [ops.exp(each - largest) for each in weighted]
    return largest + ops.log(layers.Add(dtype="float32", name=f"{name}_sum")(shares))


def _log_probabilities(output: Any, target: Target, *, number: int) -> tuple[Any, Any]:
    """Return the logarithms of the probabilities of the classes or labels, and for labels those of their absence.

    Shape:
        output: `(batch, target.units)`. Result: two of `(batch, target.size)`.
    """
    from keras import ops

    is_plain = target.is_logits and target.decision is None
    if is_plain and target.kind == "classes" and target.units > 1:
        return ops.log_softmax(output), None
    if is_plain and target.kind in ("classes", "labels"):
        present, absent = -ops.softplus(-output), -ops.softplus(output)
        return (present, absent) if target.kind == "labels" else (ops.concatenate([absent, present], axis=-1), None)
    # The probabilities themselves: calibrated ones, of several columns, or of a network that ends with an activation.
    probabilities = _finished(output, target, number=number)
    absent = ops.log(ops.maximum(1.0 - probabilities, _TINY)) if target.kind == "labels" else None
    return ops.log(ops.maximum(probabilities, _TINY)), absent


def _finished(output: Any, target: Target, *, number: int) -> Any:
    """Return the predictions of a network, computed in a model of its own, because the layers have fixed names."""
    import keras

    given = keras.Input(output.shape[1:], dtype=output.dtype, name="output")
    return keras.Model(given, finish_output(given, target), name=f"finish_{number}")(output)


def _column_by_column(target: Target) -> Target:
    """Return a target with a value for each output, where a network predicts several quantiles of each value."""
    times = max(1, len(target.levels))
    each = {name: getattr(target, name) * times for name in ("mean", "scale", "curves")}
    return replace(target, size=target.size * times, levels=(), names=(), **each)


def _mean_value(outputs: Sequence[Any], weights: Sequence[float], targets: Sequence[Target], target: Target) -> Any:
    from keras import layers

    if any(own.transform != "none" for own in (target, *targets)):
        return _mean_of_transformed(outputs, weights, targets, target)
    ones, zeros = (1.0,) * target.size, (0.0,) * target.size
    to_scale, to_mean = target.scale or ones, target.mean or zeros
    parts = []
    for number, (output, weight, own) in enumerate(zip(outputs, weights, targets, strict=True)):
        # From the unit of the member to that of the result in one step: in the unit of the data, float32 may have too
        # few digits for values that are far from 0.
        units = list(zip(own.scale or ones, own.mean or zeros, to_scale, to_mean, strict=True))
        factors = [weight * scale / other for scale, _, other, _ in units]
        offsets = [weight * (mean - center) / other for _, mean, other, center in units]
        parts.append(layers.Rescaling(factors, offsets, dtype="float32", name=f"part_{number}")(output))
    return layers.Add(dtype="float32", name="mean_value")(parts) if len(parts) > 1 else parts[0]


def _mean_of_transformed(
    outputs: Sequence[Any], weights: Sequence[float], targets: Sequence[Target], target: Target
) -> Any:
    """Return the mean of the values in the unit of the data, transformed as `target` transforms them."""
    from keras import layers, ops

    parts = []
    for number, (output, weight, own) in enumerate(zip(outputs, weights, targets, strict=True)):
        value = _finished(output, own, number=number)
        parts.append(layers.Rescaling(weight, dtype="float32", name=f"part_{number}")(value))
    mean = layers.Add(dtype="float32", name="mean_value")(parts) if len(parts) > 1 else parts[0]
    # tf2onnx 1.17 has no log1p. The digits that this loses matter only for values far below 1.
    mean = ops.log(mean + 1.0) if target.transform == "log1p" else transform_tensor(mean, target)
    if not target.scale:
        return mean
    factors = [1 / each for each in target.scale]
    offsets = [-each * factor for each, factor in zip(target.mean, factors, strict=True)]
    return layers.Rescaling(factors, offsets, dtype="float32", name="mean_learned")(mean)
