"""Write a model as an ONNX file: tf2onnx converts the numeric part, and this package builds the string operations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlrun.errors import RunError
from dlrun.exporting.description import ModelDescription
from dlrun.exporting.export_model import inputs_of
from dlrun.exporting.onnx.strings import OPSET, Strings, opsets
from dlrun.exporting.text_layers import ModelTail, cut_behind, string_layers
from dlrun.system.keras_internals import freeze

if TYPE_CHECKING:
    from dlrun.exporting.export_model import ExportModel

_TF2ONNX_OPSET = 18
"""The newest opset that tf2onnx 1.17 supports."""

_BATCH = "batch"


def write_onnx(model: ExportModel, file: Path, description: ModelDescription) -> None:
    """Write an ONNX file with `labels` and `description` in its metadata, both as JSON.

    Args:
        model: The parts of the model.
        file: The path of the file.
        description: Its inputs and outputs.

    Raises:
        RunError: ONNX cannot represent something in the model.
    """
    import onnx

    model = model.with_float_resizing()
    strings, cut = Strings(), cut_behind(model, string_layers(model.raw))
    taken, own = model.taken(), model.inputs()
    for ids, (layer, sources) in cut.layers.items():
        strings.add(layer, sources, ids, shape=taken[own[sources[0]]].shape[1:])
    try:
        made = _converted(cut, list(description.outputs))
        # tf2onnx writes an older opset than the string operations need, and a model has only one.
        made = onnx.version_converter.convert_version(made, OPSET)
        if not strings.is_empty:
            made = _joined(strings, made)
        _take_columns(made, model)
    except Exception as error:  # tf2onnx raises exceptions of many types for unknown operations
        raise RunError(
            f"tf2onnx cannot convert the model: {_first_line(error)}", hint="--to savedmodel, or --to tflite"
        ) from error
    _name_batch(made)
    properties = {"labels": json.dumps(list(description.labels), ensure_ascii=False), "description": description.text()}
    onnx.helper.set_model_props(made, properties)
    onnx.checker.check_model(made)
    onnx.save(made, str(file))


def _converted(cut: ModelTail, outputs: list[str]) -> Any:
    """Return the part of a model after its string layers as ONNX."""
    import tensorflow as tf
    import tf2onnx

    given = inputs_of(cut.rest)
    names = sorted(given)  # TensorFlow passes the entries of a dictionary in this order
    specs = {name: tf.TensorSpec(given[name].shape, given[name].dtype, name=name) for name in names}

    def serve(inputs: dict[str, Any]) -> list[Any]:
        made = cut.rest(inputs, training=False)
        return [made[name] for name in outputs]

    function = tf.function(serve, input_signature=[specs], autograph=False)
    frozen = freeze(function.get_concrete_function())
    taken, made = [tensor.name for tensor in frozen.inputs], [tensor.name for tensor in frozen.outputs]
    converted, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        input_names=taken,
        output_names=made,
        opset=_TF2ONNX_OPSET,
        custom_op_handlers={"Erfc": (_erfc_as_erf, [])},
        tensors_to_rename=dict(zip([*taken, *made], [*names, *outputs], strict=True)),
    )
    return converted


def _erfc_as_erf(context: Any, node: Any, _: str, __: Any) -> None:
    """Write 1 - erf(x) for erfc(x), which the activation gelu needs and tf2onnx 1.17 does not know."""
    (given,), (output,) = node.input, node.output
    shape, kind = context.get_shape(output), context.get_dtype(output)
    one = context.make_const(f"{node.name}_one", np.array(1, np.float32)).output[0]
    context.remove_node(node.name)
    erf = context.make_node("Erf", [given], name=f"{node.name}_erf", shapes=[shape], dtypes=[kind])
    context.make_node("Sub", [one, erf.output[0]], name=node.name, outputs=[output], shapes=[shape], dtypes=[kind])


def _joined(strings: Strings, numbers: Any) -> Any:
    """Return the graph for strings, followed by the graph for numbers."""
    import onnx

    del numbers.opset_import[:]
    numbers.opset_import.extend(opsets())
    front = strings.model(ir_version=numbers.ir_version)
    onnx.checker.check_model(front)
    return onnx.compose.merge_models(front, numbers, io_map=[(name, name) for name in strings.outputs])


def _take_columns(made: Any, model: ExportModel) -> None:
    """Replace each packed input by one input per column, in the order of the table.

    This is done after the conversion, because tf2onnx copies and sorts the graph about fifty times with all its inputs.
    """
    from onnx import helper

    given = {value.name: value for value in made.graph.input}
    for pack, names in model.packed_names().items():
        if pack not in given:
            continue
        kind = given.pop(pack).type.tensor_type.elem_type
        given |= {name: helper.make_tensor_value_info(name, kind, [_BATCH, 1]) for name in names}
        made.graph.node.insert(0, helper.make_node("Concat", list(names), [pack], name=f"{pack}.concat", axis=1))
    in_order = [given[name] for name in model.inputs() if name in given]
    del made.graph.input[:]
    made.graph.input.extend(in_order)


def _name_batch(made: Any) -> None:
    """Name the first axis of inputs and outputs `batch`, instead of tf2onnx' names such as `unk__12`."""
    for value in (*made.graph.input, *made.graph.output):
        axes = value.type.tensor_type.shape.dim
        if axes and not axes[0].dim_value:
            axes[0].dim_param = _BATCH


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
