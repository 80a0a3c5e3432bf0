"""The shape that a Keras layer gives, from its arguments and the shape it is given; without TensorFlow.

Shapes have no batch axis. A layer that is not known here, or whose channels come first, gives None: not known.
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
"""A shape, what is wrong with the layer, or None."""

_KEEPS_SHAPE = re.compile(
    r"Activation|ActivityRegularization|(Alpha|Gaussian|Spatial)?Dropout([123]D)?|GaussianNoise|Identity|Masking|Rescaling"
    r"|(Batch|Layer|Group|RMS|Unit)Normalization|P?ReLU|LeakyReLU|ELU|Softmax|Random(?!Crop).*|AutoContrast|Solarization"
)
_RECURRENT = ("LSTM", "GRU", "SimpleRNN")


def layer_shape(layer: LayerPart, shape: Shape) -> Found:
    """The shape that `layer` gives for one example of `shape`, or what is wrong; paths count from the layer's keys."""
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
        "a Reshape before it" if len(shape) < axes + 1 else "Flatten or a global pooling belongs after it, not before"
    )
    return FieldProblem((), f"{layer.type_name} is given {written_shape(shape)}", expected=expected, hint=hint)


def written_shape(shape: Shape) -> str:
    """A shape as people write it: `28 x 28 x 1`."""
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
            what = f"{groups} groups cannot share {count} {'channels' if key == 'groups' else key} evenly"
            return FieldProblem(("groups",), what, expected=f"a divisor of {count}")
    strides, dilation = per_axis(layer.strides, rank), per_axis(layer.dilation_rate, rank)
    if max(strides) > 1 and max(dilation) > 1:
        return FieldProblem(("dilation_rate",), "strides and dilation_rate are both above 1", expected="one of them")
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
    what = f"a {'kernel' if key == 'kernel_size' else 'pool'} of {written(window, rank)} slides over {written(lengths)}"
    return FieldProblem(
        (key,), what, expected=f"at most {written(lengths)}", hint="padding: same, or fewer pools before"
    )


def _global_pooling(layer: Any, shape: Shape) -> Found:
    ones = (1,) * (len(shape) - 1) if layer.keepdims else ()
    return ones + shape[-1:]


def _recurrent(layer: Any, shape: Shape) -> Found:
    if len(shape) != 2:  # noqa: PLR2004  steps and width
        hint = "an Embedding first" if len(shape) == 1 else "a Reshape to (steps, width) first"
        what = f"{layer.type_name} is given {written_shape(shape)}"
        return FieldProblem((), what, expected="a sequence: (steps, width)", hint=hint)
    return (shape[0], layer.units) if layer.return_sequences else (layer.units,)


def _bidirectional(layer: Any, shape: Shape) -> Found:
    if layer.layer.type_name not in _RECURRENT:
        what = f"Bidirectional around {layer.layer.type_name}"
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
        return FieldProblem(("target_shape",), what, expected="as many values as before; -1 once, for what is left")
    return tuple(size // known if length == -1 else length for length in layer.target_shape)


def _permute(layer: Any, shape: Shape) -> Found:
    if sorted(layer.dims) != list(range(1, len(shape) + 1)):
        return FieldProblem(("dims",), f"{list(layer.dims)}", expected=f"each of the axes 1 to {len(shape)} once")
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
        return FieldProblem(("cropping",), f"nothing of {written_shape(shape)} is left", expected="a smaller margin")
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
