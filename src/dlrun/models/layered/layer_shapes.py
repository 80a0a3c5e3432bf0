"""Compute the output shape of a Keras layer from its arguments and its input shape, without TensorFlow.

Shapes have no batch axis. The result for other layers, and for layers with channels first, is None (unknown).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from dlrun.component import FieldProblem
from dlrun.keras_table import LayerPart
from dlrun.models.parts.sliding_window import Padding, Shape, per_axis, slide, written

Found = Shape | FieldProblem | None
"""An output shape, a problem of the layer, or None if the shape is unknown."""

_KEEPS_SHAPE = re.compile(
    r"Activation|ActivityRegularization|(Alpha|Gaussian|Spatial)?Dropout([123]D)?|GaussianNoise|Identity|Masking|Rescaling"
    r"|(Batch|Layer|Group|RMS|Unit)Normalization|P?ReLU|LeakyReLU|ELU|Softmax|Random(?!Crop).*|AutoContrast|Solarization"
)
_RECURRENT = ("LSTM", "GRU", "SimpleRNN")


def layer_shape(layer: LayerPart, shape: Shape) -> Found:
    """Return the output shape of `layer` for one example of `shape`, or its problem.

    Args:
        layer: Layer of a `sequential` model.
        shape: Shape of one example, without the batch axis.

    Returns:
        The output shape without the batch axis; a problem whose path starts at the keys of the layer; or None if the
        shape is unknown.
    """
    name = layer.type_name
    if getattr(layer, "data_format", None) == "channels_first" or name.startswith("ConvLSTM"):
        return None
    axes = re.search(r"([123])D", name)
    if axes and len(shape) != int(axes[1]) + 1:
        return _wrong_rank(layer, shape, int(axes[1]))
    for pattern, rule in _RULES:
        if re.fullmatch(pattern, name):
            return rule(layer, shape)
    return shape if _KEEPS_SHAPE.fullmatch(name) else None


def _wrong_rank(layer: LayerPart, shape: Shape, axes: int) -> FieldProblem:
    expected = {1: "(steps, width)", 2: "(height, width, channels)", 3: "(depth, height, width, channels)"}[axes]
    hint = (
        "add a Reshape before it" if len(shape) < axes + 1 else "put Flatten or global pooling after it, not before it"
    )
    return FieldProblem(
        (), f"{layer.type_name} gets an input of shape {written_shape(shape)}", expected=expected, hint=hint
    )


def written_shape(shape: Shape) -> str:
    """Return a shape as text: `28 x 28 x 1`."""
    return " x ".join(map(str, shape)) or "a single value"


def _dense(layer: Any, shape: Shape) -> Found:
    return (*shape[:-1], layer.units) if shape else None


def _convolution(layer: Any, shape: Shape) -> Found:
    *lengths, channels = shape
    rank = len(lengths)
    groups = getattr(layer, "groups", 1)
    filters = getattr(layer, "filters", None) or channels * layer.depth_multiplier
    for key, count in (("groups", channels), ("filters", filters)):
        if count % groups:
            what = f"{count} {'channels' if key == 'groups' else key} cannot be divided into {groups} equal groups"
            return FieldProblem(("groups",), what, expected=f"a divisor of {count}")
    strides, dilation = per_axis(layer.strides, rank), per_axis(layer.dilation_rate, rank)
    if max(strides) > 1 and max(dilation) > 1:
        return FieldProblem(
            ("dilation_rate",), "strides and dilation_rate are both above 1", expected="only one of them above 1"
        )
    kernel = tuple(
        (size - 1) * rate + 1 for size, rate in zip(per_axis(layer.kernel_size, rank), dilation, strict=True)
    )
    given = _window(tuple(lengths), kernel, strides, layer.padding, key="kernel_size")
    return (*given, filters) if isinstance(given, tuple) else given


def _transposed(layer: Any, shape: Shape) -> Found:
    *lengths, _ = shape
    rank = len(lengths)
    if layer.output_padding is not None or max(per_axis(layer.dilation_rate, rank)) > 1:
        return None
    sizes = zip(lengths, per_axis(layer.kernel_size, rank), per_axis(layer.strides, rank), strict=True)
    extra = layer.padding == "valid"
    return (*(n * stride + (max(kernel - stride, 0) if extra else 0) for n, kernel, stride in sizes), layer.filters)


def _pooling(layer: Any, shape: Shape) -> Found:
    *lengths, channels = shape
    pool = per_axis(layer.pool_size, len(lengths))
    strides = pool if layer.strides is None else per_axis(layer.strides, len(lengths))
    given = _window(tuple(lengths), pool, strides, layer.padding, key="pool_size")
    return (*given, channels) if isinstance(given, tuple) else given


def _window(lengths: Shape, window: Shape, strides: Shape, padding: str, *, key: str) -> Shape | FieldProblem:
    kind: Padding = "valid" if padding == "valid" else "same"
    given = slide(lengths, window, strides=strides, padding=kind)
    if min(given) > 0:
        return given
    rank = len(lengths)
    noun = "kernel" if key == "kernel_size" else "pool"
    what = f"the {noun} is {written(window, rank)} but its input is {written(lengths)}"
    return FieldProblem(
        (key,), what, expected=f"at most {written(lengths)}", hint="padding: same, or fewer pooling layers before it"
    )


def _global_pooling(layer: Any, shape: Shape) -> Found:
    ones = (1,) * (len(shape) - 1) if layer.keepdims else ()
    return ones + shape[-1:]


def _recurrent(layer: Any, shape: Shape) -> Found:
    if len(shape) != 2:  # steps and width
        hint = "add an Embedding before it" if len(shape) == 1 else "add a Reshape to (steps, width) before it"
        what = f"{layer.type_name} gets an input of shape {written_shape(shape)}"
        return FieldProblem((), what, expected="a sequence: (steps, width)", hint=hint)
    return (shape[0], layer.units) if layer.return_sequences else (layer.units,)


def _bidirectional(layer: Any, shape: Shape) -> Found:
    if layer.layer.type_name not in _RECURRENT:
        what = f"Bidirectional cannot wrap {layer.layer.type_name}"
        return FieldProblem(("layer",), what, expected="one of " + ", ".join(_RECURRENT))
    given = _inside(layer.layer, layer_shape(layer.layer, shape))
    doubled = layer.merge_mode == "concat"
    return (*given[:-1], given[-1] * (2 if doubled else 1)) if isinstance(given, tuple) else given


def _time_distributed(layer: Any, shape: Shape) -> Found:
    given = _inside(layer.layer, layer_shape(layer.layer, shape[1:]))
    return (shape[0], *given) if isinstance(given, tuple) else given


def _inside(layer: LayerPart, found: Found) -> Found:
    if isinstance(found, FieldProblem):
        path = ("layer", layer.type_name, *found.path)
        return FieldProblem(path, found.what, found.expected, found.hint)
    return found


def _reshape(layer: Any, shape: Shape) -> Found:
    size, known = math.prod(shape), math.prod(length for length in layer.target_shape if length != -1)
    open_axes = layer.target_shape.count(-1)
    if open_axes > 1 or (size % known if open_axes else size != known):
        what = f"{written_shape(layer.target_shape)} cannot hold the {size} values of {written_shape(shape)}"
        return FieldProblem(
            ("target_shape",), what, expected="the same number of values; one length may be -1 for the rest"
        )
    return tuple(size // known if length == -1 else length for length in layer.target_shape)


def _permute(layer: Any, shape: Shape) -> Found:
    if sorted(layer.dims) != list(range(1, len(shape) + 1)):
        return FieldProblem(
            ("dims",), f"the dims are {list(layer.dims)}", expected=f"each of the axes 1 to {len(shape)} once"
        )
    return tuple(shape[axis - 1] for axis in layer.dims)


def _padding(layer: Any, shape: Shape) -> Found:
    margins: Any = layer.padding if layer.type_name.startswith("Zero") else layer.cropping
    sign = 1 if layer.type_name.startswith("Zero") else -1
    rank = len(shape) - 1
    if isinstance(margins, tuple) and rank == 1:
        margins = (margins,)
    each: tuple[Any, ...] = per_axis(margins, rank)
    pairs = [margin if isinstance(margin, tuple) else (margin, margin) for margin in each]
    lengths = [length + sign * sum(pair) for length, pair in zip(shape[:-1], pairs, strict=True)]
    if min(lengths) < 1:
        return FieldProblem(
            ("cropping",), f"cropping leaves nothing of {written_shape(shape)}", expected="smaller margins"
        )
    return (*lengths, shape[-1])


def _scaled(layer: Any, shape: Shape) -> Found:
    sizes = per_axis(layer.size, len(shape) - 1)
    return (*(length * size for length, size in zip(shape[:-1], sizes, strict=True)), shape[-1])


_RULES: tuple[tuple[str, Callable[[Any, Shape], Found]], ...] = (
    (r"Dense", _dense),
    (r"(Separable|Depthwise)?Conv[123]D", _convolution),
    (r"Conv[123]DTranspose", _transposed),
    (r"(Max|Average)Pooling[123]D", _pooling),
    (r"Adaptive.*", lambda layer, shape: (*per_axis(layer.output_size, len(shape) - 1), shape[-1])),
    (r"Global.*", _global_pooling),
    (r"Flatten", lambda _, shape: (math.prod(shape),)),
    (r"Reshape", _reshape),
    (r"Permute", _permute),
    (r"RepeatVector", lambda layer, shape: (layer.n, *shape) if len(shape) == 1 else None),
    (r"ZeroPadding[123]D|Cropping[123]D", _padding),
    (r"UpSampling[123]D", _scaled),
    (r"Resizing|CenterCrop|RandomCrop", lambda layer, shape: (layer.height, layer.width, *shape[2:])),
    (r"Embedding", lambda layer, shape: (*shape, layer.output_dim)),
    (r"LSTM|GRU|SimpleRNN", _recurrent),
    (r"Bidirectional", _bidirectional),
    (r"TimeDistributed", _time_distributed),
)
