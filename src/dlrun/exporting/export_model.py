"""Rebuild a trained model from Keras' own layers in float32, in parts that exports use one by one or joined."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from dlrun.data.audio.input import AudioInput
from dlrun.data.files.column_names import inner_names, safe_names
from dlrun.data.image_files.form import ImageForm
from dlrun.data.images.input import ImageInput
from dlrun.data.masks.classes import MaskClasses
from dlrun.errors import RunError
from dlrun.exporting.rebuilding import in_plain_layers, with_float_resizing, without_bincount
from dlrun.models.parts.finish import finish_levels, finish_output
from dlrun.runs.intervals import describe_offsets, read_intervals
from dlrun.signature import Target
from dlrun.system.keras_internals import operation_of

if TYPE_CHECKING:
    import keras

    from dlrun.training.trained import Trained

CORE = "core_.dlrun"
"""The name of the part that learns, by which int8 quantization recognizes its operations. Like the names of the other
parts it contains a dot, which names of inputs never do: a column may be called `core` or `mean`."""

QUANTILES = "quantiles"
"""The name of the output with all quantiles of each value."""

_OUTPUTS = {"values": "values", "input": "reconstruction"}  # `probabilities` for all other kinds


class PredictedForm(NamedTuple):
    """The form of images whose masks a model predicts, and the classes of their pixels."""

    form: ImageForm
    classes: MaskClasses


@dataclass(frozen=True)
class ExportModel:
    """A model in parts.

    Args:
        raw: The part from raw input to stored examples.
        preprocess: The part from stored examples to features.
        core: The network.
        target: What the model predicts.
        columns: The column of each input of `raw`; empty if the input is not a table or a series.
        packs: For each input of `raw` that packs several inputs of the exported model side by side, their names.
        intervals: The distances of prediction intervals, as `describe_offsets` returns them; empty if there are none.
        sampling_rate: Samples per second of the waveforms that the model takes; None for other data.
        masks: The form of the images whose masks the model predicts, and the classes; None if it predicts none.
    """

    raw: keras.Model
    preprocess: keras.Model
    core: keras.Model
    target: Target
    columns: Mapping[str, str] = field(default_factory=dict)
    packs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    intervals: Mapping[str, Any] = field(default_factory=dict)
    sampling_rate: int | None = None
    masks: PredictedForm | None = None

    @property
    def output(self) -> str:
        """The name of the predictions."""
        return _OUTPUTS.get(self.target.kind, "probabilities")

    def inputs(self) -> Mapping[str, str]:
        """Return the raw inputs by the names that they have in the exported model, in any format."""
        return self._inputs

    @cached_property
    def _inputs(self) -> dict[str, str]:
        given = {self.columns.get(name, name): name for name in self.taken()}
        # In ONNX, inputs and outputs share one namespace, so no input may have the name of an output.
        safe = safe_names(tuple(given), otherwise="input", reserved=(self.output, "error", QUANTILES))
        return {safe[column]: name for column, name in given.items()}

    def taken(self) -> Mapping[str, Any]:
        """Return the shape and dtype of each raw input, including packed ones, by its name in `raw`."""
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
        in_order = [name for name in self.columns if name in found]  # in the order of the table's columns
        return {name: found[name] for name in dict.fromkeys((*in_order, *found))}

    def packed_names(self) -> Mapping[str, tuple[str, ...]]:
        """Return the inputs of the exported model that each packed input of `whole` takes side by side."""
        return self._packed_names

    @cached_property
    def _packed_names(self) -> dict[str, tuple[str, ...]]:
        name_of = {own: name for name, own in self.inputs().items()}
        return {pack: tuple(name_of[own] for own in names) for pack, names in self.packs.items()}

    def packed(self, values: Mapping[str, Any], join: Callable[..., Any], *, are_own: bool = False) -> dict[str, Any]:
        """Return the values of an exported model's inputs in the form that `whole` takes.

        Args:
            values: The values by the names in `inputs`. A pack without any values is omitted, as it has been cut off.
            join: A function that concatenates along an axis, such as `tf.concat` or `np.concatenate`.
            are_own: Whether `values` has the names in `raw` instead.
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
        """Return the joined model.

        Shape:
            Inputs: by name, as in `inputs`, after `packed`. Outputs by name: `probabilities` of classes or labels, for
            masks `(batch, height, width, classes)`; `values`; or `reconstruction` and its `error` `(batch,)`, the mean
            of the squared differences. A model for several quantiles also has `quantiles` `(batch, levels, size)`, and
            its `values` are the medians.
        """
        return self.after(self.raw, self.joined())

    def by_column(self) -> keras.Model:
        """Return the joined model with one input per column, which only the Keras format needs: it is slow to build."""
        import keras

        taken = self.taken()
        inputs = {
            name: keras.Input(taken[own].shape[1:], dtype=taken[own].dtype, name=name)
            for name, own in self.inputs().items()
        }
        tensors = {own: inputs[name] for name, own in self.inputs().items()}
        for pack, names in self.packs.items():
            # By default, Keras 3.15 takes the concatenation of strings to be float32.
            side_by_side = keras.layers.Concatenate(dtype=taken[names[0]].dtype, name=f"{pack}.joined")
            tensors[pack] = side_by_side([tensors.pop(name) for name in names])
        return keras.Model(inputs, self._outputs(self.raw, tensors, taken=inputs), name="model")

    def joined(self) -> dict[str, str]:
        """Return the inputs of `raw` by their names in `whole`, where packs keep their own names."""
        inside = {name for names in self.packs.values() for name in names}
        alone = {name: own for name, own in self.inputs().items() if own not in inside}
        return alone | {pack: pack for pack in self.packs}

    def after(self, raw: keras.Model, names: Mapping[str, str]) -> keras.Model:
        """Return the joined model with another first part that gives the same stored examples.

        Args:
            raw: The first part.
            names: The inputs of `raw` by their new names.
        """
        import keras

        given = inputs_of(raw)
        inputs = {
            name: keras.Input(given[own].shape[1:], dtype=given[own].dtype, name=name) for name, own in names.items()
        }
        tensors = {own: inputs[name] for name, own in names.items()}
        return keras.Model(inputs, self._outputs(raw, tensors, taken=inputs), name="model")

    def _outputs(self, raw: keras.Model, tensors: Mapping[str, Any], *, taken: Collection[str]) -> dict[str, Any]:
        """Apply the parts to tensors, given by the names of the inputs of `raw`; `taken` are names already in use."""
        import keras

        # In Keras 3.15, Resizing and all layers after it run in training mode unless they get training=False.
        begin, preprocess = (_unlike(part, taken) for part in (raw, self.preprocess))
        features = preprocess(begin(_as_taken(raw, tensors), training=False), training=False)
        output = self.core(features, training=False)
        given = keras.Input(output.shape[1:], dtype=output.dtype, name="dlrun.output")
        finish = keras.Model(given, finish_output(given, self.target), name="dlrun.finish")
        outputs = {self.output: finish(output)}
        if len(self.target.levels) > 1:
            levels = keras.Model(given, finish_levels(given, self.target), name="dlrun.levels")
            outputs[QUANTILES] = levels(output)
        if self.target.kind == "input":
            outputs["error"] = _error(features.shape[1:])([output, features])
        return outputs

    def with_float_resizing(self) -> ExportModel:
        """Return the model with images resized in float32: other runtimes do not resize integers."""
        return replace(self, raw=with_float_resizing(self.raw))

    def without_bincount(self) -> ExportModel:
        """Return the model with ids counted by sums, because TensorFlow Lite has no operation that counts them."""
        return replace(self, preprocess=without_bincount(self.preprocess))


def plain_model(trained: Trained) -> ExportModel:
    """Take a trained model apart and rebuild its network from Keras' own layers.

    Layers that cannot be rebuilt, such as those of a plugin, are kept.

    Args:
        trained: The model.

    Returns:
        The parts of the model.

    Raises:
        RunError: The run's interface is damaged.
    """
    interface = trained.interface
    try:
        raw, packs = interface.raw.build_packed()
    except (ValueError, TypeError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise RunError(f"{trained.folder.interface_json} is damaged: raw: {first_line}") from error
    core = in_plain_layers(_as_functional(trained.core))
    columns = {name: column for column, name in inner_names(tuple(interface.raw.columns_of_stored())).items()}
    rate = interface.raw.form.sampling_rate if isinstance(interface.raw, AudioInput) else None
    intervals = _intervals(trained)
    masks = None
    if isinstance(interface.raw, ImageInput) and interface.raw.masks is not None:
        masks = PredictedForm(interface.raw.form, interface.raw.masks.classes)
    return ExportModel(raw, trained.preprocess(), core, interface.target, columns, packs, intervals, rate, masks)


def _intervals(trained: Trained) -> dict[str, Any]:
    """Return the distances of prediction intervals, if they were measured with the checkpoint of the model."""
    folder, target = trained.folder, trained.interface.target
    stored = read_intervals(folder, target) if target.kind == "values" else None
    if stored is None or not stored.is_of(folder, trained.checkpoint):
        return {}
    return describe_offsets(stored.conformal, target)


def inputs_of(model: keras.Model) -> dict[str, Any]:
    """Return the inputs of a model by their names."""
    if isinstance(model.input, dict):
        return dict(model.input)
    return {tensor.name: tensor for tensor in model.inputs}


class Givens:
    """Finds the input of a model that a tensor comes from, through operations that only change axes."""

    def __init__(self, model: keras.Model) -> None:
        self._names = {id(given): name for name, given in inputs_of(model).items()}

    def name_of(self, tensor: Any) -> str | None:
        """Return the name of the input that a tensor is; None if it has been computed from one."""
        while id(tensor) not in self._names:
            operation = operation_of(tensor)
            if type(operation).__name__ not in ("ExpandDims", "Reshape", "Squeeze", "Identity"):
                return None
            tensor = operation.input
        return self._names[id(tensor)]


def _unlike(part: keras.Model, names: Collection[str]) -> keras.Model:
    """Return a part under a name that no input has, without rebuilding it unless needed, since that takes long."""
    import keras

    return keras.Model(part.input, part.output, name=f"dlrun.{part.name}") if part.name in names else part


def _error(shape: tuple[int, ...]) -> keras.Model:
    """Return a model of the mean squared difference of each example.

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
    """Return the network as a functional model with the name `CORE`, not compiled."""
    import keras

    if isinstance(core, keras.Sequential) or not hasattr(core, "operations"):
        inputs = keras.Input(core.input_shape[1:], dtype=core.inputs[0].dtype)
        return keras.Model(inputs, core(inputs), name=CORE)
    return keras.Model(core.inputs[0], core.outputs[0], name=CORE)
