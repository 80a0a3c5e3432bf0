"""The sequential model: a list of Keras layers, like `keras.Sequential`, so that models of tutorials fit in YAML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlrun.component import FieldProblem, Path
from dlrun.keras_table import LayerPart, part_annotation
from dlrun.models.embedding import NumericEmbedding
from dlrun.models.layered.layer_shapes import layer_shape, written_shape
from dlrun.models.layers import NotEmpty, features_input
from dlrun.models.model import Model, models
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

    Layer = LayerPart
else:
    Layer = part_annotation("layer")

_ACTIVATIONS = frozenset({"Softmax", "ReLU", "LeakyReLU", "PReLU", "ELU", "Activation"})
_PASSES_ON = re.compile(
    r"(Alpha|Gaussian|Spatial)?Dropout([123]D)?|Identity|ActivityRegularization|Global.*Pooling[123]D"
)
"""Layers that keep the width of their input and the effect of the activation before them."""

_GAINS = re.compile(r"(Separable|Depthwise)?Conv[123]D(Transpose)?|LSTM|GRU|SimpleRNN|Bidirectional")
_ALONE = re.compile(
    rf"{_GAINS.pattern}|Input|Dense|Embedding|Flatten|Reshape|Permute|(Max|Average|Global(Max|Average))Pooling[123]D"
    r"|(Spatial)?Dropout([123]D)?|GaussianNoise|ZeroPadding[123]D|Cropping[123]D|UpSampling[123]D|LayerNormalization"
    r"|Activation|ReLU|LeakyReLU|ELU|PReLU|Softmax|Rescaling|Identity|TimeDistributed|RepeatVector|Masking"
)
"""_ALONE: layers that compute each example independently. _GAINS: those of them that gain from one core per part."""


@models.register("sequential")
class Sequential(NumericEmbedding, Model):
    """A sequence of Keras layers, which includes the output layer; no head is added.

    The last layer with weights and all layers after it compute in float32, so that losses and metrics do too. With
    `numeric_embedding`, the first layer after `Input` gets the vectors of the numbers.
    """

    layers: NotEmpty[Layer] = Field(
        description="Keras layers from input to output, each a name (Flatten) or a name with its arguments "
        "(Dense: {units: 10}). The last one is the output layer."
    )

    def build(self, features: Features, target: Target) -> keras.Model:  # noqa: ARG002  its last layer is the head
        """Build the Keras model.

        Shape:
            Input: `(batch, *features.shape)`. Output: `(batch, target.units)`, float32.
        """
        import keras

        inputs = features_input(features)
        tensor = self.embedded(inputs, features)
        first_precise = self._last_with_weights()
        for index, (layer, name) in enumerate(zip(self.layers, self._names(), strict=True)):
            if layer.type_name != "Input":
                precise = "float32" if index >= first_precise else None
                tensor = layer.build(name=name, dtype=precise)(tensor)
        return keras.Model(inputs, tensor, name=self.type_name)

    def final_activation(self, target: Target) -> str:  # noqa: ARG002  its last layer is the head
        """Return the activation of the last layer that has one."""
        _, layer = self._end(_PASSES_ON.fullmatch)
        if layer.type_name in _ACTIVATIONS - {"Activation"}:
            # The snake case of ReLU is re_lu, but the activation is named relu.
            return layer.snake_case.replace("re_lu", "relu")
        # A wrapper such as TimeDistributed has the activation of the layer inside.
        return getattr(getattr(layer, "layer", layer), "activation", None) or "linear"

    def gains_from_shares(self) -> bool:
        """Return True with a convolutional or recurrent layer, if all layers compute each example independently."""
        every = [part for layer in self.layers for part in _with_inner(layer)]
        alone = all(_ALONE.fullmatch(part.type_name) and not _has_activity_penalty(part) for part in every)
        return alone and any(_GAINS.fullmatch(layer.type_name) for layer in self.layers)

    def problems(self) -> Iterator[FieldProblem]:
        """Yield duplicate names, an Input that is not first, and a missing output layer."""
        names = self._names()
        for index, layer in enumerate(self.layers):
            if names[index] in names[:index]:
                yield FieldProblem(
                    self._path(index, "name"), f"two layers have the name {names[index]!r}", "different names"
                )
            if layer.type_name == "Input" and index:
                yield FieldProblem(("layers", index), "Input is not the first layer", "Input first, or no Input")
        if all(layer.type_name == "Input" for layer in self.layers):
            yield FieldProblem(("layers",), "there is no layer besides Input", "at least an output layer")

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield the problem of the first layer that does not accept its input. The shapes after it are unknown."""
        yield from self.numeric_misfits(features)
        if self.keys_for(features) is not None and not features.continuous:
            return  # it is not known how many values the first layer gets
        if problem := _input_problem(self.layers[0], features.shape):
            yield FieldProblem(self._path(0, *problem.path), problem.what, problem.expected, problem.hint)
            return
        shape = first = self._embedded_shape(features)
        for index, layer in enumerate(self.layers[self._first :], start=self._first):
            # A layer that keeps the shape passes on the same tuple, so identity tells whether another came before.
            found = _token_problem(layer, features, is_first=shape is first) or layer_shape(layer, shape)
            if isinstance(found, FieldProblem):
                yield FieldProblem(self._path(index, *found.path), found.what, found.expected, found.hint)
            if not isinstance(found, tuple):
                return
            shape = found
        if len(shape) != 1:
            last = len(self.layers) - 1
            what = f"the model returns {written_shape(shape)} for one example"
            hint = "add Flatten or global pooling, or set return_sequences: false, before the last layer"
            yield FieldProblem(("layers", last), what, expected="one value for each class or number", hint=hint)

    def misfits_target(self, target: Target) -> Iterator[FieldProblem]:
        """Yield an output of the wrong width, or an activation that makes the output useless."""
        index, layer = self._end(lambda name: name in _ACTIVATIONS or _PASSES_ON.fullmatch(name))
        width = _width(layer)
        if width and width[1] != target.units:
            wanted = (
                "1, because this loss takes one number for two classes"
                if target.encoding == "binary"
                else f"{target.units}"
            )
            what = f"the last layer returns {width[1]} values"
            yield FieldProblem(self._path(index, width[0]), what, expected=wanted)
        if target.units == 1 and self.final_activation(target) == "softmax":
            yield FieldProblem(
                self._path(index, "activation"),
                "softmax of one value is always 1",
                expected="sigmoid or no activation",
            )

    def _end(self, passes_on: Callable[[str], object]) -> tuple[int, LayerPart]:
        """Return the last layer for whose type `passes_on` is false, and its index."""
        ends = (index for index in reversed(range(len(self.layers))) if not passes_on(self.layers[index].type_name))
        index = next(ends, 0)
        return index, self.layers[index]

    @property
    def _first(self) -> int:
        """Index of the first layer after Input."""
        return 1 if self.layers[0].type_name == "Input" else 0

    def _embedded_shape(self, features: Features) -> tuple[int, ...]:
        """Return the shape of what the first layer gets."""
        if self.keys_for(features) is None:
            return features.shape
        return (*features.shape[:-1], sum(self.embedded_widths(features)))

    def _names(self) -> tuple[str, ...]:
        # Input is not built, so layers have the same numbers with and without one before them.
        start = 1 - self._first
        return tuple(
            layer.name or f"{index}_{layer.snake_case}" for index, layer in enumerate(self.layers, start=start)
        )

    def _path(self, index: int, *keys: str | int) -> Path:
        return ("layers", index, self.layers[index].type_name, *keys)

    def _last_with_weights(self) -> int:
        # A softmax after the last Dense, for example, has no weights but must be float32 too.
        indices = [index for index, layer in enumerate(self.layers) if _has_weights(layer)]
        return indices[-1] if indices else len(self.layers) - 1


def _has_weights(layer: LayerPart) -> bool:
    return any({"initializer", "layer"} & set(argument.types) for argument in layer.entry.arguments)


def _has_activity_penalty(layer: LayerPart) -> bool:
    """Return whether the layer adds a penalty to the loss that depends on the division of the batch."""
    return getattr(layer, "activity_regularizer", None) is not None


def _with_inner(layer: LayerPart) -> Iterator[LayerPart]:
    """Yield a layer and the layers that it wraps."""
    yield layer
    for _, value in layer:
        if isinstance(value, LayerPart):
            yield from _with_inner(value)


def _width(layer: LayerPart) -> tuple[str, int] | None:
    """Return the key that sets the width of a layer, and the width."""
    for key in ("units", "filters", "output_dim"):
        value: Any = getattr(layer, key, None)
        if value is not None:
            return key, value
    return None


def _input_problem(layer: Any, shape: tuple[int, ...]) -> FieldProblem | None:
    declared = layer.shape if layer.type_name == "Input" else None
    if declared is None or (
        len(declared) == len(shape) and all(a in (None, b) for a, b in zip(declared, shape, strict=True))
    ):
        return None
    what = f"Input has the shape {written_shape(declared)}, but the data has {written_shape(shape)}"
    return FieldProblem(("shape",), what, expected=f"[{', '.join(map(str, shape))}]", hint="remove Input")


def _token_problem(layer: Any, features: Features, *, is_first: bool) -> FieldProblem | None:
    if layer.type_name == "Embedding" and not (is_first and features.kind == "tokens"):
        return FieldProblem(
            (), "the input of Embedding is not token ids", expected="Embedding as the first layer, on token ids"
        )
    size = features.vocabulary_size
    if layer.type_name == "Embedding" and size is not None and layer.input_dim < size:
        return FieldProblem(("input_dim",), f"{layer.input_dim} vectors for {size} tokens", expected=f"at least {size}")
    return None
