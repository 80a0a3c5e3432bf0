"""A list of Keras layers in, the model that Keras' `Sequential` would make of it out: any tutorial's model, as YAML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlrun.component import FieldProblem, Path
from dlrun.keras_table import LayerPart, part_annotation
from dlrun.models.layers import NotEmpty, features_input
from dlrun.models.model import Model, models
from dlrun.models.parts.layer_shapes import layer_shape, written_shape
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
"""Layers that change neither the width of what they are given nor what its activation made of it."""

_GAINS = re.compile(r"(Separable|Depthwise)?Conv[123]D(Transpose)?|LSTM|GRU|SimpleRNN|Bidirectional")
_ALONE = re.compile(
    rf"{_GAINS.pattern}|Input|Dense|Embedding|Flatten|Reshape|Permute|(Max|Average|Global(Max|Average))Pooling[123]D"
    r"|(Spatial)?Dropout([123]D)?|GaussianNoise|ZeroPadding[123]D|Cropping[123]D|UpSampling[123]D|LayerNormalization"
    r"|Activation|ReLU|LeakyReLU|ELU|PReLU|Softmax|Rescaling|Identity|TimeDistributed|RepeatVector|Masking"
)
"""Layers that compute every example of a batch by itself, and those that gain from doing so on a core of their own."""


@models.register("sequential")
class Sequential(Model):
    """Keras layers one after another, the output layer included: no head is added.

    The layers from the last one with weights on work in float32, so that losses and metrics are.
    """

    layers: NotEmpty[Layer] = Field(
        description="Keras' own layers in order, each a name (Flatten) or a name with its arguments "
        "(Dense: {units: 10}); the last one gives the output."
    )

    def build(self, features: Features, target: Target) -> keras.Model:  # noqa: ARG002  its last layer is the head
        """Make the Keras model.

        Shape:
            Input: `(batch, *features.shape)`. Output: what the last layer gives: `(batch, target.units)`, float32.
        """
        import keras

        inputs = tensor = features_input(features)
        first_precise = self._last_with_weights()
        for index, (layer, name) in enumerate(zip(self.layers, self._names(), strict=True)):
            if layer.type_name != "Input":
                precise = "float32" if index >= first_precise else None
                tensor = layer.build(name=name, dtype=precise)(tensor)
        return keras.Model(inputs, tensor, name=self.type_name)

    def final_activation(self, target: Target) -> str:  # noqa: ARG002  its last layer is the head
        """That of the last layer which has one."""
        _, layer = self._end(_PASSES_ON.fullmatch)
        if layer.type_name in _ACTIVATIONS - {"Activation"}:
            return layer.snake_case.replace("re_lu", "relu")
        return getattr(getattr(layer, "layer", layer), "activation", None) or "linear"

    def gains_from_shares(self) -> bool:
        """With a convolution or a recurrent layer, if every layer is known to compute each example by itself."""
        every = [part for layer in self.layers for part in _with_inner(layer)]
        alone = all(_ALONE.fullmatch(part.type_name) and not _has_activity_penalty(part) for part in every)
        return alone and any(_GAINS.fullmatch(layer.type_name) for layer in self.layers)

    def problems(self) -> Iterator[FieldProblem]:
        """Names given twice, an Input that is not first, and wrappers around what cannot be wrapped."""
        names = self._names()
        for index, layer in enumerate(self.layers):
            if names[index] in names[:index]:
                yield FieldProblem(
                    self._path(index, "name"), f"two layers are called {names[index]!r}", "one of each name"
                )
            if layer.type_name == "Input" and index:
                yield FieldProblem(("layers", index), "Input is not the first layer", "Input first, or not at all")
        if all(layer.type_name == "Input" for layer in self.layers):
            yield FieldProblem(("layers",), "there is no layer besides Input", "an output layer at least")

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """The first layer that cannot take what it is given; what comes after it cannot be known."""
        shape = features.shape
        for index, layer in enumerate(self.layers):
            found = _input_shape(layer, shape) if layer.type_name == "Input" else layer_shape(layer, shape)
            if problem := _token_problem(layer, features, is_first=shape is features.shape):
                found = problem
            if isinstance(found, FieldProblem):
                yield FieldProblem(self._path(index, *found.path), found.what, found.expected, found.hint)
            if not isinstance(found, tuple):
                return
            shape = found
        if len(shape) != 1:
            last = len(self.layers) - 1
            what = f"the model gives {written_shape(shape)} for one example"
            hint = "Flatten, a global pooling, or return_sequences: false, before the last layer"
            yield FieldProblem(("layers", last), what, expected="one value for each class or number", hint=hint)

    def misfits_target(self, target: Target) -> Iterator[FieldProblem]:
        """An output of the wrong width, or an activation that makes it useless."""
        index, layer = self._end(lambda name: name in _ACTIVATIONS or _PASSES_ON.fullmatch(name))
        width = _width(layer)
        if width and width[1] != target.units:
            wanted = "1: the loss takes two classes as one number" if target.encoding == "binary" else f"{target.units}"
            what = f"the last layer gives {width[1]} values"
            yield FieldProblem(self._path(index, width[0]), what, expected=wanted)
        if target.units == 1 and self.final_activation(target) == "softmax":
            yield FieldProblem(
                self._path(index, "activation"),
                "softmax of one value is always 1",
                expected="sigmoid, or no activation",
            )

    def _end(self, passes_on: Callable[[str], object]) -> tuple[int, LayerPart]:
        """The last layer whose type does not merely pass on, and its index."""
        ends = (index for index in reversed(range(len(self.layers))) if not passes_on(self.layers[index].type_name))
        index = next(ends, 0)
        return index, self.layers[index]

    def _names(self) -> tuple[str, ...]:
        first = 0 if self.layers[0].type_name == "Input" else 1
        return tuple(
            layer.name or f"{index}_{layer.snake_case}" for index, layer in enumerate(self.layers, start=first)
        )

    def _path(self, index: int, *keys: str | int) -> Path:
        return ("layers", index, self.layers[index].type_name, *keys)

    def _last_with_weights(self) -> int:
        indices = [index for index, layer in enumerate(self.layers) if _has_weights(layer)]
        return indices[-1] if indices else len(self.layers) - 1


def _has_weights(layer: LayerPart) -> bool:
    return any({"initializer", "layer"} & set(argument.types) for argument in layer.entry.arguments)


def _has_activity_penalty(layer: LayerPart) -> bool:
    """Whether something is added to the loss that depends on how the batch is cut."""
    return getattr(layer, "activity_regularizer", None) is not None


def _with_inner(layer: LayerPart) -> Iterator[LayerPart]:
    """A layer, and those that it wraps."""
    yield layer
    for _, value in layer:
        if isinstance(value, LayerPart):
            yield from _with_inner(value)


def _width(layer: LayerPart) -> tuple[str, int] | None:
    """The key that gives a layer's width, and the width."""
    for key in ("units", "filters", "output_dim"):
        value: Any = getattr(layer, key, None)
        if value is not None:
            return key, value
    return None


def _input_shape(layer: Any, shape: tuple[int, ...]) -> tuple[int, ...] | FieldProblem:
    said = layer.shape
    if said is None or (len(said) == len(shape) and all(a in (None, b) for a, b in zip(said, shape, strict=True))):
        return shape
    what = f"Input has the shape {written_shape(said)}, and the data {written_shape(shape)}"
    return FieldProblem(("shape",), what, expected=f"[{', '.join(map(str, shape))}]", hint="leave Input out")


def _token_problem(layer: Any, features: Features, *, is_first: bool) -> FieldProblem | None:
    if layer.type_name == "Embedding" and not (is_first and features.kind == "tokens"):
        return FieldProblem((), "Embedding is given numbers", expected="token ids, straight from the data")
    size = features.vocabulary_size
    if layer.type_name == "Embedding" and size is not None and layer.input_dim < size:
        return FieldProblem(("input_dim",), f"{layer.input_dim} vectors for {size} tokens", expected=f"at least {size}")
    return None
