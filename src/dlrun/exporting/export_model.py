"""A trained model in, the same computation out of Keras' own layers alone, in float32, by parts and as a whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlrun.data.files.column_names import inner_names, safe_names
from dlrun.errors import RunError
from dlrun.exporting.rebuilding import in_plain_layers, with_float_resizing, without_bincount
from dlrun.models.parts.finish import finished
from dlrun.signature import Target
from dlrun.system.keras_internals import operation_of

if TYPE_CHECKING:
    import keras

    from dlrun.training.trained import Trained

CORE = "core_.dlrun"
"""Name of the part that learns; int8 knows its operations by it. As the names of what is
beside it, it has a dot, which no name of an input has: a column may be called `core`, or `mean`."""

_OUTPUTS = {"values": "values", "input": "reconstruction"}  # and of everything else probabilities


@dataclass(frozen=True)
class ExportModel:
    """A model by its parts.

    Args:
        raw: From raw input to stored examples.
        preprocess: From these to features.
        core: The network.
        target: What it predicts.
        columns: The columns of which `raw` takes the values, by its inputs; empty: it takes other things.
        packs: By inputs of `raw` that stand for several inputs of the exported model, the names of these in `raw`.
    """

    raw: keras.Model
    preprocess: keras.Model
    core: keras.Model
    target: Target
    columns: Mapping[str, str] = field(default_factory=dict)
    packs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """Name of what is predicted."""
        return _OUTPUTS.get(self.target.kind, "probabilities")

    def inputs(self) -> Mapping[str, str]:
        """The raw inputs by the names that an exported model gives them, which every format takes."""
        return self._inputs

    @cached_property
    def _inputs(self) -> dict[str, str]:
        given = {self.columns.get(name, name): name for name in self.taken()}
        # In ONNX an input and an output are two things of one kind, each with a name of its own.
        safe = safe_names(tuple(given), otherwise="input", reserved=(self.output, "error"))
        return {safe[column]: name for column, name in given.items()}

    def taken(self) -> Mapping[str, Any]:
        """Shape and dtype of each raw input, of those too that `raw` takes in a pack, by its name in `raw`."""
        return self._taken

    @cached_property
    def _taken(self) -> dict[str, Any]:
        import keras

        own = inputs_of(self.raw)
        members = {
            name: keras.KerasTensor((None, 1), own[pack].dtype, name=name)
            for pack, names in self.packs.items()
            for name in names
        }
        found = {name: tensor for name, tensor in own.items() if name not in self.packs} | members
        in_order = [name for name in self.columns if name in found]  # as the table has its columns
        return {name: found[name] for name in dict.fromkeys((*in_order, *found))}

    def packed_names(self) -> Mapping[str, tuple[str, ...]]:
        """The inputs of the exported model that `whole` takes side by side, by the name of its input."""
        return self._packed_names

    @cached_property
    def _packed_names(self) -> dict[str, tuple[str, ...]]:
        name_of = {own: name for name, own in self.inputs().items()}
        return {pack: tuple(name_of[own] for own in names) for pack, names in self.packs.items()}

    def packed(self, values: Mapping[str, Any], join: Callable[..., Any], *, are_own: bool = False) -> dict[str, Any]:
        """Bring the values of an exported model's inputs into the form that `whole` takes.

        Args:
            values: By the names of `inputs`. A pack of which they have none is left out: it was cut off.
            join: Joins several along an axis: `tf.concat`, or that of numpy.
            are_own: Whether they are by their names in `raw`, and as `raw` takes them.
        """
        if not self.packs:
            return dict(values)
        members = self.packs if are_own else self.packed_names()
        inside = {name for names in members.values() for name in names}
        found = {name: value for name, value in values.items() if name not in inside}
        return found | {
            pack: join([values[name] for name in names], axis=-1)
            for pack, names in members.items()
            if values.keys() >= set(names)
        }

    def whole(self) -> keras.Model:
        """Join the parts.

        Shape:
            Inputs: by name, as `inputs` has them and `packed` makes of them. Outputs: by name: `probabilities` of
            classes or labels, `values`, or `reconstruction` and its `error` `(batch,)`, the mean of the squared
            differences.
        """
        return self.after(self.raw, self.joined())

    def by_column(self) -> keras.Model:
        """The same with an input for each column: Keras takes milliseconds for each, and only its format needs them."""
        import keras

        taken = self.taken()
        inputs = {
            name: keras.Input(taken[own].shape[1:], dtype=taken[own].dtype, name=name)
            for name, own in self.inputs().items()
        }
        tensors = {own: inputs[name] for name, own in self.inputs().items()}
        for pack, names in self.packs.items():
            # Of its own accord Keras 3.15 takes what strings are joined to for float32.
            side_by_side = keras.layers.Concatenate(dtype=taken[names[0]].dtype, name=f"{pack}.joined")
            tensors[pack] = side_by_side([tensors.pop(name) for name in names])
        return keras.Model(inputs, self._outputs(self.raw, tensors, taken=inputs), name="model")

    def joined(self) -> dict[str, str]:
        """The inputs of `raw` by the names that `whole` gives them: packs keep their own."""
        inside = {name for names in self.packs.values() for name in names}
        alone = {name: own for name, own in self.inputs().items() if own not in inside}
        return alone | {pack: pack for pack in self.packs}

    def after(self, raw: keras.Model, names: Mapping[str, str]) -> keras.Model:
        """Join the parts, with another beginning that gives the same stored examples.

        Args:
            raw: The beginning.
            names: The inputs of `raw` by the names that they get.
        """
        import keras

        given = inputs_of(raw)
        inputs = {
            name: keras.Input(given[own].shape[1:], dtype=given[own].dtype, name=name) for name, own in names.items()
        }
        tensors = {own: inputs[name] for name, own in names.items()}
        return keras.Model(inputs, self._outputs(raw, tensors, taken=inputs), name="model")

    def _outputs(self, raw: keras.Model, tensors: Mapping[str, Any], *, taken: Collection[str]) -> dict[str, Any]:
        """What the parts make of tensors, which are by the names of the inputs of `raw`; `taken` are names in use."""
        import keras

        # In Keras 3.15 Resizing takes itself to be in training, and all layers after it, unless it is told otherwise.
        begin, preprocess = (_unlike(part, taken) for part in (raw, self.preprocess))
        features = preprocess(begin(_as_taken(raw, tensors), training=False), training=False)
        output = self.core(features, training=False)
        given = keras.Input(output.shape[1:], dtype=output.dtype, name="dlrun.output")
        finish = keras.Model(given, finished(given, self.target), name="dlrun.finish")
        outputs = {self.output: finish(output)}
        if self.target.kind == "input":
            outputs["error"] = _error(features.shape[1:])([output, features])
        return outputs

    def with_float_resizing(self) -> ExportModel:
        """The same with images resized in float32: other runtimes do not resize bytes."""
        return replace(self, raw=with_float_resizing(self.raw))

    def without_bincount(self) -> ExportModel:
        """The same with ids counted by sums, in place of an operation that TensorFlow Lite does not have."""
        return replace(self, preprocess=without_bincount(self.preprocess))


def plain_model(trained: Trained) -> ExportModel:
    """Take a trained model apart and rebuild its network.

    What cannot be rebuilt, as a plugin's own layers, stays what it is.

    Args:
        trained: The model.

    Raises:
        RunError: The run's interface contradicts itself: it is damaged.
    """
    interface = trained.interface
    try:
        raw, packs = interface.raw.build_packed()
    except (ValueError, TypeError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise RunError(f"{trained.folder.interface_json} is damaged: raw: {first_line}") from error
    core = in_plain_layers(_as_functional(trained.core))
    columns = {name: column for column, name in inner_names(tuple(interface.raw.columns_of_stored())).items()}
    return ExportModel(raw, trained.preprocess(), core, interface.target, columns, packs)


def inputs_of(model: keras.Model) -> dict[str, Any]:
    """The inputs of a model by the names under which it takes them."""
    if isinstance(model.input, dict):
        return dict(model.input)
    return {tensor.name: tensor for tensor in model.inputs}


class Givens:
    """The inputs of a model, to be found again behind what changes their axes alone."""

    def __init__(self, model: keras.Model) -> None:
        self._names = {id(given): name for name, given in inputs_of(model).items()}

    def name_of(self, tensor: Any) -> str | None:
        """The name of the input that a tensor inside the model is; None if it is something else by now."""
        while id(tensor) not in self._names:
            operation = operation_of(tensor)
            if type(operation).__name__ not in ("ExpandDims", "Reshape", "Squeeze", "Identity"):
                return None
            tensor = operation.input
        return self._names[id(tensor)]


def _unlike(part: keras.Model, names: Collection[str]) -> keras.Model:
    """A part under a name that no input has; Keras takes long to make one of thousands of inputs anew."""
    import keras

    return keras.Model(part.input, part.output, name=f"dlrun.{part.name}") if part.name in names else part


def _error(shape: tuple[int, ...]) -> keras.Model:
    """The mean of the squared differences of each example.

    Shape:
        Inputs: two of `(batch, *shape)`. Output: `(batch,)`.
    """
    import keras

    pair = [keras.Input(shape, dtype="float32", name=f"dlrun.{name}") for name in ("reconstructed", "features")]
    difference = keras.ops.square(pair[0] - pair[1])
    return keras.Model(pair, keras.ops.mean(difference, axis=tuple(range(1, len(shape) + 1))), name="dlrun.error")


def _as_taken(model: keras.Model, tensors: Mapping[str, Any]) -> Any:
    if isinstance(model.input, dict):
        return dict(tensors)
    ordered = [tensors[tensor.name] for tensor in model.inputs]
    return ordered if isinstance(model.input, list | tuple) else ordered[0]


def _as_functional(core: keras.Model) -> keras.Model:
    """The network under the name `core`, not compiled."""
    import keras

    if isinstance(core, keras.Sequential) or not hasattr(core, "operations"):
        inputs = keras.Input(core.input_shape[1:], dtype=core.inputs[0].dtype)
        return keras.Model(inputs, core(inputs), name=CORE)
    return keras.Model(core.inputs[0], core.outputs[0], name=CORE)
