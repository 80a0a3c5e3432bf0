"""The sequential model: a list of Keras layers, like `keras.Sequential`, so that models of tutorials fit in YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlrun.component import FieldProblem, Path
from dlrun.keras_table import LayerPart, part_annotation
from dlrun.models.embedding import NumericEmbedding
from dlrun.models.layered.layer_shapes import layer_shape, written_shape
from dlrun.models.layered.layer_traits import (
    ACTIVATIONS,
    PASSES_ON,
    activation_of,
    gain_from_shares,
    has_weights,
    token_problem,
    width_problem,
)
from dlrun.models.layers import NotEmpty, features_input
from dlrun.models.model import Model, models
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

    Layer = LayerPart
else:
    Layer = part_annotation("layer")


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
        _, layer = self._end(PASSES_ON.fullmatch)
        return activation_of(layer)

    def gains_from_shares(self) -> bool:
        """Return True with a convolutional or recurrent layer, if all layers compute each example independently."""
        return gain_from_shares(self.layers)

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
            found = token_problem(layer, features, is_first=shape is first) or layer_shape(layer, shape)
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
        index, layer = self._end(lambda name: name in ACTIVATIONS or PASSES_ON.fullmatch(name))
        if problem := width_problem(layer, target):
            yield replace(problem, path=self._path(index, *problem.path))
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
        indices = [index for index, layer in enumerate(self.layers) if has_weights(layer)]
        return indices[-1] if indices else len(self.layers) - 1


def _input_problem(layer: Any, shape: tuple[int, ...]) -> FieldProblem | None:
    declared = layer.shape if layer.type_name == "Input" else None
    if declared is None or (
        len(declared) == len(shape) and all(a in (None, b) for a, b in zip(declared, shape, strict=True))
    ):
        return None
    what = f"Input has the shape {written_shape(declared)}, but the data has {written_shape(shape)}"
    return FieldProblem(("shape",), what, expected=f"[{', '.join(map(str, shape))}]", hint="remove Input")
