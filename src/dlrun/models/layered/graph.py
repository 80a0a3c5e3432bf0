"""The graph: Keras layers with named inputs, as in Keras' functional API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import Field

from dlrun.component import FieldProblem, Path
from dlrun.keras_table import NodePart, part_annotation
from dlrun.models.embedding import NumericEmbedding
from dlrun.models.layered.layer_shapes import Found, layer_shape, written_shape
from dlrun.models.layered.layer_traits import (
    ACTIVATIONS,
    PASSES_ON,
    activation_of,
    gain_from_shares,
    has_weights,
    token_problem,
    width_problem,
)
from dlrun.models.layered.links import Links
from dlrun.models.layered.merging import count_problem, is_merge, merged_shape
from dlrun.models.layers import NotEmpty, features_input
from dlrun.models.model import Model, models
from dlrun.models.parts.sliding_window import Shape
from dlrun.names import nearest
from dlrun.signature import Features, Target

if TYPE_CHECKING:
    import keras

    Node = NodePart
else:
    Node = part_annotation("node")

_FEATURES = "features"
_MOST_SHOWN = 8


@models.register("graph")
class Graph(NumericEmbedding, Model):
    """A graph of Keras layers, as in Keras' functional API, which includes the output layer; no head is added.

    Each layer takes the outputs of the layers that its `inputs` name, by default that of the layer before it, so every
    list of a `sequential` model is a graph, too. Outputs are joined by layers with several inputs, such as Add,
    Concatenate, Multiply and Attention. The input of the model is named `features`.

    The last layers with weights on the way to the output and all layers after them compute in float32, so that losses
    and metrics do too. With `numeric_embedding`, `features` are the vectors of the numbers.
    """

    layers: NotEmpty[Node] = Field(
        description="Keras layers in any order, each a name (Flatten) or a name with its arguments "
        "(Dense: {units: 10}), among them `name` and `inputs`."
    )
    output: str | None = Field(
        default=None, description="Name of the layer whose output is the prediction; null: the last one in the list."
    )

    def build(self, features: Features, target: Target) -> keras.Model:  # noqa: ARG002  its output layer is the head
        """Build the Keras model.

        Shape:
            Input: `(batch, *features.shape)`. Output: `(batch, target.units)`, float32.
        """
        import keras

        inputs = features_input(features)
        tensors = {_FEATURES: self.embedded(inputs, features)}
        precise = self._precise()
        for name in self._links.order:
            layer = self._by_name[name]
            built = layer.build(name=name, dtype="float32" if name in precise else None)
            given = [tensors[each] for each in self._links.inputs[name]]
            takes_each = layer.type_name == "MultiHeadAttention" or len(given) == 1
            tensors[name] = built(*given) if takes_each else built(given)
        return keras.Model(inputs, tensors[self._links.output], name=self.type_name)

    def final_activation(self, target: Target) -> str:  # noqa: ARG002  its output layer is the head
        """Return the activation of the last layer that has one; a layer with several inputs has none."""
        return activation_of(self._by_name[self._end(PASSES_ON.fullmatch)])

    def gains_from_shares(self) -> bool:
        """Return True with a convolutional or recurrent layer, if all layers compute each example independently."""
        return gain_from_shares(self.layers)

    def problems(self) -> Iterator[FieldProblem]:
        """Yield names that exist twice or not at all, wrong numbers of inputs, cycles, and layers without effect."""
        names, is_linked = self._names, True
        for index, layer in enumerate(self.layers):
            name = names[index]
            if name in names[:index] or name == _FEATURES:
                what = f"two layers have the name {name!r}" if name != _FEATURES else "features is the input's name"
                yield FieldProblem(self._path(index, "name"), what, "different names")
                is_linked = False
            if layer.type_name == "Input":
                what = "Input is no layer of a graph, whose input is named features"
                yield FieldProblem(("layers", index), what, hint="remove it, and write inputs: features")
            for place, each in enumerate(layer.inputs or ()):
                if each != _FEATURES and each not in names:
                    yield self._unknown(each, self._path(index, "inputs", place))
                    is_linked = False
            count = 1 if layer.inputs is None else len(layer.inputs)
            if problem := count_problem(layer, count):
                yield replace(problem, path=self._path(index, *problem.path))
        if self.output is not None and self.output not in names:
            yield self._unknown(self.output, ("output",))
            is_linked = False
        if is_linked:
            yield from self._without_effect()

    def misfits(self, features: Features) -> Iterator[FieldProblem]:
        """Yield the problem of each layer that does not accept its inputs. The shapes after it are unknown."""
        yield from self.numeric_misfits(features)
        if any(self.problems()):
            return
        shapes: dict[str, Shape] = {}
        if self.keys_for(features) is None:
            shapes[_FEATURES] = features.shape
        elif features.continuous:
            shapes[_FEATURES] = (*features.shape[:-1], sum(self.embedded_widths(features)))
        for name in self._links.order:
            found = self._shape_of(name, shapes, features)
            if isinstance(found, FieldProblem):
                yield replace(found, path=self._path(self._names.index(name), *found.path))
            elif found is not None:
                shapes[name] = found
        last = self._links.output
        if len(shapes.get(last, (1,))) != 1:
            what = f"the model returns {written_shape(shapes[last])} for one example"
            hint = "add Flatten or global pooling, or set return_sequences: false, before the output layer"
            path = ("layers", self._names.index(last))
            yield FieldProblem(path, what, expected="one value for each class or number", hint=hint)

    def misfits_target(self, target: Target) -> Iterator[FieldProblem]:
        """Yield an output of the wrong width, or an activation that makes the output useless."""
        if any(self.problems()):
            return
        name = self._end(lambda kind: kind in ACTIVATIONS or PASSES_ON.fullmatch(kind))
        index, layer = self._names.index(name), self._by_name[name]
        if problem := width_problem(layer, target):
            yield replace(problem, path=self._path(index, *problem.path))
        if target.units == 1 and self.final_activation(target) == "softmax":
            what = "softmax of one value is always 1"
            yield FieldProblem(self._path(index, "activation"), what, expected="sigmoid or no activation")

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(layer.name or f"{number}_{layer.snake_case}" for number, layer in enumerate(self.layers, start=1))

    @cached_property
    def _by_name(self) -> dict[str, NodePart]:
        return dict(zip(self._names, self.layers, strict=True))

    @cached_property
    def _links(self) -> Links:
        before = (_FEATURES, *self._names)
        inputs = {
            name: (before[index],) if layer.inputs is None else layer.inputs
            for index, (name, layer) in enumerate(zip(self._names, self.layers, strict=True))
        }
        output = self.output if self.output in self._names else self._names[-1]
        return Links(inputs, output, _FEATURES)

    def _path(self, index: int, *keys: str | int) -> Path:
        return ("layers", index, self.layers[index].type_name, *keys)

    def _unknown(self, name: str, path: Path) -> FieldProblem:
        known = (_FEATURES, *self._names)
        found = nearest(name, known)
        shown = ", ".join(known[:_MOST_SHOWN]) + (", ..." if len(known) > _MOST_SHOWN else "")
        hint = f"did you mean {found!r}?" if found else ""
        return FieldProblem(path, f"there is no layer named {name!r}", expected=f"one of {shown}", hint=hint)

    def _without_effect(self) -> Iterator[FieldProblem]:
        """Yield cycles, and layers that the output does not depend on."""
        in_cycles: set[str] = set()
        for cycle in self._links.cycles():
            in_cycles.update(cycle)
            # The link that closes the cycle is the one to a layer that comes later in the list.
            index = min(self._names.index(name) for name in cycle)
            first = cycle.index(self._names[index])
            written = " -> ".join((*cycle[first:], *cycle[:first], self._names[index]))
            place = self._inputs_at(index).index(cycle[first - 1])
            what = f"the layers form a cycle: {written}"
            path = self._path(index, "inputs", place)
            yield FieldProblem(path, what, expected="inputs that do not depend on the layer itself")
        for index, name in enumerate(self._names):
            if name not in self._links.needed and name not in in_cycles:
                what = f"no layer takes the output of {name!r}, so it has no effect on that of {self._links.output!r}"
                hint = f"remove it, name it in the inputs of another layer, or set output: {name}"
                if any(name in given for given in self._links.inputs.values()):
                    what = f"the output {self._links.output!r} does not depend on {name!r}"
                yield FieldProblem(("layers", index), what, expected="layers that lead to the output", hint=hint)

    def _inputs_at(self, index: int) -> tuple[str, ...]:
        return self._links.inputs[self._names[index]]

    def _shape_of(self, name: str, shapes: dict[str, Shape], features: Features) -> Found:
        """Return the output shape of a layer, its problem, or None if a shape is unknown."""
        layer, inputs = self._by_name[name], self._links.inputs[name]
        if problem := token_problem(layer, features, is_first=inputs == (_FEATURES,)):
            return problem
        if any(each not in shapes for each in inputs):
            return None
        return merged_shape(layer, shapes, inputs) if is_merge(layer) else layer_shape(layer, shapes[inputs[0]])

    def _end(self, passes_on: Callable[[str], object]) -> str:
        """Return the last layer on the way to the output for whose type `passes_on` is false."""
        name, seen = self._links.output, set[str]()
        # The links may be wrong: this is asked before all problems are known.
        while name not in seen and passes_on(self._by_name[name].type_name):
            seen.add(name)
            before = self._links.inputs[name][0]
            name = before if before in self._by_name else name
        return name

    def _precise(self) -> frozenset[str]:
        """Return the layers that compute in float32: from the last ones with weights to the output."""
        found: set[str] = set()
        waiting = [self._links.output]
        while waiting:
            name = waiting.pop()
            if name in self._by_name and name not in found:
                found.add(name)
                waiting += () if has_weights(self._by_name[name]) else self._links.inputs[name]
        return frozenset(found)
