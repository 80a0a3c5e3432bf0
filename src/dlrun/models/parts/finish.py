"""Turn the output of a network into predictions with standard Keras layers: probabilities, or values in their unit."""

from __future__ import annotations

from typing import Any

from dlrun.signature import Target
from dlrun.value_transform import restore_tensor


def finish_output(output: Any, target: Target) -> Any:
    """Convert the output of the network to a prediction.

    Args:
        output: Output of the network, a Keras tensor.
        target: Target with its encoding, the activation that produced `output`, and the unit.

    Shape:
        Input: `(batch, target.units)`, or the shape of the input for kind `input`. Output: `(batch, size)`, float32:
        probabilities of classes, which add up to 1 (in each class column); probabilities of labels; or values. For
        kind `input`: the reconstruction.
    """
    if target.kind == "class_columns":
        return _finish_columns(output, target)
    if target.kind == "classes" and target.encoding != "binary":
        is_probability = not target.is_logits and target.activation != "tanh"
        return output if is_probability else _layers().Softmax(dtype="float32", name="probabilities")(output)
    if target.kind in ("classes", "labels"):
        positive = _positive(output, target)
        if target.kind == "labels":
            return positive
        negative = _layers().Rescaling(-1.0, 1.0, dtype="float32", name="first_class")(positive)
        return _layers().Concatenate(dtype="float32", name="probabilities")([negative, positive])
    if target.kind == "values" and target.scale:
        # Not Normalization(invert=True): it replaces deviations below the epsilon of Keras, as for values in farads.
        scale, mean = [*target.scale], [*target.mean]
        return restore_tensor(_layers().Rescaling(scale, mean, dtype="float32", name="own_unit")(output), target)
    return output


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


def _positive(output: Any, target: Target) -> Any:
    """Return the probability of the second of two classes, or of each label."""
    if target.activation == "tanh":  # models for hinge losses end with tanh; map -1..1 to 0..1
        return _layers().Rescaling(0.5, 0.5, dtype="float32", name="second_class")(output)
    if target.is_logits:
        return _layers().Activation("sigmoid", dtype="float32", name="second_class")(output)
    return output


def _layers() -> Any:
    import keras

    return keras.layers
