"""Compute the output shape of a Keras layer with several inputs, without TensorFlow.

Shapes have no batch axis, as in `layer_shapes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from dlrun.component import FieldProblem
from dlrun.keras_table import LayerPart
from dlrun.models.layered.layer_shapes import Found, written_shape
from dlrun.models.parts.sliding_window import Shape

_ELEMENTWISE = re.compile("Add|Average|Maximum|Minimum|Multiply|Subtract")
_INPUT_COUNTS: Mapping[str, tuple[int, int | None]] = {
    "Subtract": (2, 2),
    "Dot": (2, 2),
    "Attention": (2, 3),
    "AdditiveAttention": (2, 3),
    "MultiHeadAttention": (2, 3),
}
"""Smallest and largest number of inputs; None for any number."""


def is_merge(layer: LayerPart) -> bool:
    """Return whether a layer takes several inputs."""
    return bool(_ELEMENTWISE.fullmatch(layer.type_name)) or layer.type_name in {"Concatenate", *_INPUT_COUNTS}


def count_problem(layer: LayerPart, count: int) -> FieldProblem | None:
    """Return the problem of a layer that gets the wrong number of inputs, with a path from the layer."""
    name = layer.type_name
    if not is_merge(layer):
        if count == 1:
            return None
        hint = "put an Add or a Concatenate of these inputs before it"
        return FieldProblem(("inputs",), f"{name} gets {count} inputs", expected="one input", hint=hint)
    least, most = _INPUT_COUNTS.get(name, (2, None))
    if least <= count and (most is None or count <= most):
        return None
    of_what = "query, value, and key if it is not the value" if "Attention" in name else ""
    expected = f"{least} inputs" if most == least else f"{least} or {most} inputs" if most else "at least 2 inputs"
    hint = "inputs: [x, x] attends from x to itself" if of_what and count == 1 else ""
    what = f"{name} gets {count} input{'s' if count > 1 else ''}"
    return FieldProblem(("inputs",), what, expected=f"{expected}: {of_what}" if of_what else expected, hint=hint)


def merged_shape(layer: LayerPart, shapes: Mapping[str, Shape], inputs: tuple[str, ...]) -> Found:
    """Return the output shape of a layer with several inputs for one example, or its problem.

    Args:
        layer: Layer with several inputs.
        shapes: Shape of each input by name, without the batch axis.
        inputs: Names of the inputs in their order; one may occur twice.

    Returns:
        The output shape; a problem whose path starts at the keys of the layer; or None if the shape is unknown.
    """
    given = [shapes[name] for name in inputs]
    name = layer.type_name
    if _ELEMENTWISE.fullmatch(name):
        return _elementwise(layer, given, inputs)
    rules: dict[str, Callable[[Any, list[Shape], tuple[str, ...]], Found]] = {
        "Concatenate": _concatenated,
        "Dot": _dot,
        "MultiHeadAttention": _attention,
    }
    return rules.get(name, _attention)(layer, given, inputs)


def _elementwise(layer: LayerPart, shapes: list[Shape], inputs: tuple[str, ...]) -> Found:
    # As in numpy, an axis of length 1 is repeated.
    if len({len(shape) for shape in shapes}) == 1:
        axes = [{length for length in lengths if length != 1} for lengths in zip(*shapes, strict=True)]
        if all(len(lengths) <= 1 for lengths in axes):
            return tuple(next(iter(lengths), 1) for lengths in axes)
    differs_last = len({shape[:-1] for shape in shapes}) == 1
    hint = "give both the same number of filters or units, or use Concatenate" if differs_last else ""
    return _mismatch(layer, shapes, inputs, expected="inputs of one shape", hint=hint)


def _concatenated(layer: Any, shapes: list[Shape], inputs: tuple[str, ...]) -> Found:
    rank = len(shapes[0])
    if len({len(shape) for shape in shapes}) > 1:
        hint = "put Flatten or global pooling before it"
        return _mismatch(layer, shapes, inputs, expected="inputs with as many axes as each other", hint=hint)
    if layer.axis == 0 or not -rank <= layer.axis <= rank:
        return FieldProblem(
            ("axis",),
            f"the axis is {layer.axis}, and the inputs have {rank} besides the batch",
            expected=f"1 to {rank}",
        )
    place = layer.axis - 1 if layer.axis > 0 else rank + layer.axis
    others = {shape[:place] + shape[place + 1 :] for shape in shapes}
    if len(others) > 1:
        expected = "inputs that differ only along the axis of concatenation"
        return _mismatch(layer, shapes, inputs, expected=expected, hint="")
    return (*shapes[0][:place], sum(shape[place] for shape in shapes), *shapes[0][place + 1 :])


def _dot(layer: Any, shapes: list[Shape], inputs: tuple[str, ...]) -> Found:
    axes = layer.axes if isinstance(layer.axes, tuple) else (layer.axes, layer.axes)
    places = [axis - 1 if axis > 0 else len(shape) + axis for axis, shape in zip(axes, shapes, strict=True)]
    if any(axis == 0 or not 0 <= place < len(shape) for axis, place, shape in zip(axes, places, shapes, strict=True)):
        return _mismatch(layer, shapes, inputs, expected="axes of the inputs; axis 0 is the batch", hint="", key="axes")
    if shapes[0][places[0]] != shapes[1][places[1]]:
        return _mismatch(layer, shapes, inputs, expected="axes of equal length", hint="", key="axes")
    rest = [shape[:place] + shape[place + 1 :] for shape, place in zip(shapes, places, strict=True)]
    return rest[0] + rest[1] or (1,)


def _attention(layer: Any, shapes: list[Shape], inputs: tuple[str, ...]) -> Found:
    query, value, key = (*shapes, shapes[1])[:3]
    if any(len(shape) != 2 for shape in shapes):
        expected = "sequences: (steps, width)"
        return _mismatch(layer, shapes, inputs, expected=expected, hint="add a Reshape to (steps, width) before it")
    if key[0] != value[0]:
        return _mismatch(layer, shapes, inputs, expected="as many steps of key and value", hint="")
    if layer.type_name == "MultiHeadAttention":
        return query
    if query[1] != key[1]:
        hint = "put a Dense of the same width before one of them"
        return _mismatch(layer, shapes, inputs, expected="query and key of one width", hint=hint)
    return query[0], value[1]


def _mismatch(
    layer: LayerPart, shapes: list[Shape], inputs: tuple[str, ...], *, expected: str, hint: str, key: str = "inputs"
) -> FieldProblem:
    written = ", ".join(f"{name} is {written_shape(shape)}" for name, shape in zip(inputs, shapes, strict=True))
    return FieldProblem((key,), f"the inputs of {layer.type_name} do not fit together: {written}", expected, hint)
