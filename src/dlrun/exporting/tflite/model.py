"""Write a model as a TensorFlow Lite file that needs only builtin operations, and takes one example at a time.

The batch size is fixed because loops, as in recurrent layers, cannot be converted otherwise, and lookups of categories
cannot run otherwise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlrun.errors import RunError
from dlrun.exporting.child import run_child
from dlrun.exporting.description import ModelDescription, append_description
from dlrun.exporting.export_model import ExportModel, inputs_of
from dlrun.exporting.formats import Quantize
from dlrun.exporting.harness import Example, write_examples
from dlrun.exporting.saved_model import write_endpoints
from dlrun.exporting.text_layers import ModelTail, TextRules, cut_behind, stateful_parts, string_layers
from dlrun.exporting.tflite.text import ByteTokens
from dlrun.system.disk import disk
from dlrun.system.keras_internals import all_layers


def text_inputs(model: ExportModel) -> tuple[str, ...]:
    """Return the inputs that take the UTF-8 bytes of one text, or of several lines, `(1, bytes)` uint8."""
    cut = cut_behind(model, string_layers(model.raw))
    return tuple(source for layer, sources in cut.layers.values() if _is_text(layer) for source in sources)


def write_tflite(
    model: ExportModel,
    file: Path,
    description: ModelDescription,
    *,
    quantize: Quantize | None,
    calibration: Sequence[Example],
    work: Path,
) -> None:
    """Write a TensorFlow Lite file, with `labels.txt` and `description.json` appended as a zip archive.

    Args:
        model: The parts of the model.
        file: The path of the file.
        description: Its inputs and outputs.
        quantize: `float16` for the weights of the network; `int8` for its weights and computation, or only its weights
            if it cannot be calibrated. The parts before the network stay in float32.
        calibration: For int8, examples in the form that the file takes, to measure the range of each tensor.
        work: An empty folder for temporary files.

    Raises:
        RunError: TensorFlow Lite cannot represent something in the model, or its converter crashed.
    """
    model = model.with_float_resizing().without_bincount()
    cut = cut_behind(model, string_layers(model.raw))
    _refuse_float64(model)
    packs = _packs_of_numbers(model, cut)
    write_endpoints(stateful_parts(model), work / "saved", {"serve": _of_one(model, cut, packs)})
    job = {"quantize": quantize, "calibrates": can_calibrate(model), "packs": dict(packs.values())}
    disk.write_file(work / "job.json", json.dumps(job).encode())
    write_examples(work, calibration if quantize == "int8" else [])
    run_child(
        ["-m", "dlrun.exporting.tflite.converter", str(work)],
        folder=work,
        what="TensorFlow Lite cannot convert the model",
        hint="--to onnx, or --to savedmodel" if quantize is None else "omit --quantize, or use --quantize float16",
    )
    disk.rename(work / "model.tflite", file)
    append_description(description, file)


def _packs_of_numbers(model: ExportModel, cut: ModelTail) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the inputs that the graph takes packed until it is converted: its name for each, and those in the file.

    TensorFlow takes a millisecond to write and to convert each input. Strings are looked up one by one.
    """
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    names, given = {*model.inputs()}, inputs_of(cut.rest)
    for pack, members in model.packed_names().items():
        if pack in given:
            name = f"pack_{len(found)}"
            while name in names:
                name += "_"
            found[pack] = name, members
    return found


def _of_one(model: ExportModel, cut: ModelTail, packs: Mapping[str, tuple[str, tuple[str, ...]]]) -> Any:
    """Return the model as a function of one example, with texts as bytes."""
    import tensorflow as tf

    given, taken = inputs_of(cut.rest), model.taken()
    shapes = {name: taken[own].shape[1:] for name, own in model.inputs().items()}
    argument = {name: packs[name][0] if name in packs else name for name in given if name not in cut.layers}
    specs = {
        name: tf.TensorSpec((1, *given[own].shape[1:]), given[own].dtype, name=name) for own, name in argument.items()
    }
    begin: dict[str, Any] = {}
    for ids, (layer, sources) in cut.layers.items():
        texts = math.prod(shapes[sources[0]])
        begin[ids] = ByteTokens(TextRules.of(layer), texts=texts) if _is_text(layer) else layer
        for source in sources:
            shape, dtype = ((1, None), tf.uint8) if _is_text(layer) else ((1, *shapes[source]), tf.string)
            specs[source] = tf.TensorSpec(shape, dtype, name=source)

    def serve(inputs: dict[str, Any]) -> Any:
        values = {own: inputs[name] for own, name in argument.items()}
        for ids, (layer, sources) in cut.layers.items():
            # TensorFlow Lite does not know the shape of what it looks up, and would fail at a later operation. It
            # cannot concatenate strings, so those that a layer takes side by side are looked up one after the other.
            texts = math.prod(shapes[sources[0]]) if _is_text(layer) else 1
            shape = (texts, *given[ids].shape[1:]) if len(sources) == 1 else (1, 1)
            found = [tf.reshape(begin[ids](inputs[source]), shape) for source in sources]
            values[ids] = tf.cast(tf.concat(found, axis=-1) if len(found) > 1 else found[0], given[ids].dtype)
        return cut.rest(values, training=False)

    return tf.function(serve, input_signature=[specs], autograph=False)


def _is_text(layer: Any) -> bool:
    return type(layer).__name__ == "TextVectorization"


def can_calibrate(model: ExportModel) -> bool:
    """Return whether int8 can be calibrated.

    TensorFlow 2.21 crashes while it calibrates loops or several strings. The scores of attention have a range of which
    eight bits keep too little: the outputs of small transformers were wrong by a tenth to a half of their range.
    """
    import keras

    layers = all_layers(model.core)
    uncalibrated = (keras.layers.RNN, keras.layers.MultiHeadAttention, keras.layers.Attention)
    if any(isinstance(layer, uncalibrated) for layer in layers):
        return False
    strings = [tensor for tensor in model.taken().values() if tensor.dtype == "string"]
    return all(math.prod(tensor.shape[1:]) == 1 for tensor in strings)


def _refuse_float64(model: ExportModel) -> None:
    """Check that the model needs no float64.

    Raises:
        RunError: Inputs need float64 to distinguish their numbers; the error names them.
    """
    taken = model.taken()
    names = [name for name, own in model.inputs().items() if taken[own].dtype == "float64"]
    if names:
        raise RunError(
            f"the numbers of {', '.join(names)} need float64, which TensorFlow Lite does not support",
            expected="columns whose numbers float32 can distinguish",
            hint="--to onnx, or --to savedmodel",
        )
