"""Turn the output of a network into predictions with standard Keras layers: probabilities, or values in their unit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dlrun.decision import CalibrationCurve, Decision
from dlrun.models.parts.levels import main_level
from dlrun.signature import Target
from dlrun.value_transform import restore_tensor

_TINY, _EPSILON = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).eps)
"""Smallest probability whose logarithm is taken, and smallest distance from 0 and 1 for a log odds."""


def finish_output(output: Any, target: Target) -> Any:
    """Convert the output of the network to a prediction.

    Args:
        output: Output of the network, a Keras tensor.
        target: Target with its encoding, the activation that produced `output`, and the unit.

    Shape:
        Input: `(batch, target.units)`, or the shape of the input for kind `input`. Output: `(batch, size)`, float32:
        probabilities of classes, which add up to 1 (in each class column); probabilities of labels; or values. For
        kind `input`: the reconstruction. For masks: `(batch, height, width, units)`, probabilities of the classes of
        each pixel.
    """
    if target.decision is not None and target.decision.calibration != "none":
        return _calibrated(output, target, target.decision)
    if target.kind == "class_columns":
        return _finish_columns(output, target)
    if target.kind == "mask" or (target.kind == "classes" and target.encoding != "binary"):
        is_probability = not target.is_logits and target.activation != "tanh"
        return output if is_probability else _layers().Softmax(dtype="float32", name="probabilities")(output)
    if target.kind in ("classes", "labels"):
        positive = _positive(output, target)
        if target.kind == "labels":
            return positive
        return _of_two(positive)
    if len(target.levels) > 1:
        return finish_output(main_level(output, target), replace(target, levels=()))
    if target.kind == "values" and target.scale:
        # Not Normalization(invert=True): it replaces deviations below the epsilon of Keras, as for values in farads.
        scale, mean = [*target.scale], [*target.mean]
        return restore_tensor(_layers().Rescaling(scale, mean, dtype="float32", name="own_unit")(output), target)
    return output


def output_logits(output: Any, target: Target) -> Any:
    """Return the logits of classes or labels, which calibration works on.

    Args:
        output: Output of the network, a Keras tensor.
        target: Target of classes or labels, with the activation that produced `output`.

    Shape:
        Input: `(batch, target.units)`. Output: the same, float32; for one unit the log odds of the second class.
    """
    import keras

    if target.is_logits:
        return output
    if target.kind == "classes" and target.encoding != "binary":
        # Any logits with this softmax will do, such as the logarithms of the probabilities.
        return output if target.activation == "tanh" else keras.ops.log(keras.ops.maximum(output, _TINY))
    positive = keras.ops.clip(_positive(output, target, name="uncalibrated"), _EPSILON, 1 - _EPSILON)
    return keras.ops.log(positive) - keras.ops.log(1.0 - positive)


def _calibrated(output: Any, target: Target, decision: Decision) -> Any:
    """Return calibrated probabilities of classes or labels."""
    logits = output_logits(output, target)
    plain = target.decided_by(None).with_encoding(target.encoding, "linear")
    if decision.temperatures:
        divisors = [*decision.temperatures]
        if target.kind == "class_columns":
            divisors = [each for each, count in zip(divisors, target.class_counts, strict=True) for _ in range(count)]
        scales = [1 / each for each in divisors] if len(divisors) > 1 else 1 / divisors[0]
        return finish_output(_layers().Rescaling(scales, dtype="float32", name="temperature")(logits), plain)
    odds = logits
    if target.kind == "classes" and target.units == 2:
        odds = _log_odds(logits)
    positive = _on_curves(odds, decision.curves)
    return positive if target.kind == "labels" else _of_two(positive)


def _log_odds(logits: Any) -> Any:
    """Return the log odds of the second of two classes: the difference of their logits, without slice operations."""
    import keras

    signed = _layers().Rescaling([-1.0, 1.0], dtype="float32", name="signed_logits")(logits)
    return keras.ops.sum(signed, axis=-1, keepdims=True)


def _on_curves(logits: Any, curves: tuple[CalibrationCurve, ...]) -> Any:
    """Return the value of each curve at its logit, as a sum of ramps with one for each segment.

    Formula:
        q_0 + sum over segments k of (q_{k+1} - q_k) min(1, max(0, (z - z_k) / (z_{k+1} - z_k)))

    Shape:
        logits: `(batch, curves)`. Returns: the same, float32.
    """
    import keras

    # Curves have different numbers of segments: those that are missing have height 0.
    shape = (len(curves), max(1, *(len(curve.logits) - 1 for curve in curves)))
    starts, steepness, heights = np.zeros(shape, np.float32), np.ones(shape, np.float32), np.zeros(shape, np.float32)
    for row, curve in enumerate(curves):
        segments = slice(0, len(curve.logits) - 1)
        starts[row, segments] = curve.logits[:-1]
        steepness[row, segments] = 1 / np.diff(curve.logits)
        heights[row, segments] = np.diff(curve.probabilities)
    first = np.array([curve.probabilities[0] for curve in curves], np.float32)
    ramps = keras.ops.clip((keras.ops.expand_dims(logits, -1) - starts) * steepness, 0.0, 1.0)
    return keras.ops.sum(ramps * heights, axis=-1) + first


def finish_levels(output: Any, target: Target) -> Any:
    """Convert the output of a network for several quantiles to values in their unit.

    Shape:
        Input: `(batch, target.units)`. Output: `(batch, levels, size)`, float32.
    """
    count = len(target.levels)
    flat = replace(
        target,
        size=target.units,
        levels=(),
        mean=target.mean * count,
        scale=target.scale * count,
        curves=target.curves * count,
    )
    rows = (count, target.size)
    return _layers().Reshape(rows, dtype="float32", name="quantiles")(finish_output(output, flat))


def _finish_columns(output: Any, target: Target) -> Any:
    """Apply a softmax to each class column, without slice operations, which not every runtime can load."""
    layers = _layers()
    places = layers.Reshape((target.size, 1), dtype="float32", name="places")(output)
    shares = []
    for number, part in enumerate(target.parts):
        outside = (part.first, target.size - part.places.stop)
        own = layers.Cropping1D(outside, dtype="float32", name=f"column_{number}")(places)
        shares.append(layers.Softmax(axis=1, dtype="float32", name=f"shares_{number}")(own))
    joined = layers.Concatenate(axis=1, dtype="float32", name="shares")(shares)
    return layers.Reshape((target.size,), dtype="float32", name="probabilities")(joined)


def _of_two(positive: Any) -> Any:
    """Return the probabilities of both classes from that of the second."""
    negative = _layers().Rescaling(-1.0, 1.0, dtype="float32", name="first_class")(positive)
    return _layers().Concatenate(dtype="float32", name="probabilities")([negative, positive])


def _positive(output: Any, target: Target, name: str = "second_class") -> Any:
    """Return the probability of the second of two classes, or of each label."""
    if target.activation == "tanh":  # models for hinge losses end with tanh; map -1..1 to 0..1
        return _layers().Rescaling(0.5, 0.5, dtype="float32", name=name)(output)
    if target.is_logits:
        return _layers().Activation("sigmoid", dtype="float32", name=name)(output)
    return output


def _layers() -> Any:
    import keras

    return keras.layers
