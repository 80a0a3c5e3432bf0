"""Write a model of plain Keras layers as a file or folder in one of the formats."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.exporting.description import DESCRIPTION, LABELS, ModelDescription, describe
from dlrun.exporting.examples import Sample
from dlrun.exporting.export_model import ExportModel
from dlrun.exporting.formats import Format, Limit, Quantize
from dlrun.exporting.harness import Example
from dlrun.exporting.rebuilding import rounds_pixels, stop_cudnn, stop_recurrent_dropout

_BYTES, _LINES_OF_BYTES = "the bytes of a text in UTF-8", "the bytes of {} texts in UTF-8, one per line"


@dataclass(frozen=True)
class WrittenModel:
    """A written model.

    Args:
        description: Its inputs and outputs.
        examples: A sample, in the form that it takes.
        carried: Where it contains its labels and the description.
        in_keras: Predicts one example of the sample with the Keras model.
        limit: The largest acceptable difference from dlrun's predictions.
        quantized: A description of what was quantized; empty if nothing was.
    """

    description: ModelDescription
    examples: list[Example]
    carried: str
    in_keras: Callable[[Example], Any]
    limit: Limit
    quantized: str = ""


def write(
    model: ExportModel, path: Path, format_: Format, *, run: str, sample: Sample, quantize: Quantize | None
) -> WrittenModel:
    """Write a model.

    Args:
        model: The parts of the model.
        path: The file or folder to write; temporary files are written next to it.
        format_: The format.
        run: The id of the run that the model comes from.
        sample: Examples, which are converted to the form that the file takes, and used to calibrate int8.
        quantize: The quantization for TensorFlow Lite.

    Returns:
        The written model.

    Raises:
        RunError: The format cannot represent the model.
    """
    import tensorflow as tf

    if format_.name != "keras":  # a .keras file can be trained further, with the dropout of the run
        stop_recurrent_dropout(model.core)
        stop_cudnn(model.core)
    whole, names, joined = model.whole(), model.inputs(), model.joined()
    description = describe(model, whole, run=run)
    examples = [{name: each[own] for name, own in names.items()} for each in sample.inputs]

    step = tf.function(lambda inputs: whole(inputs, training=False), autograph=False, reduce_retracing=True)

    def in_keras(example: Example) -> Any:
        values = model.packed(example, np.concatenate, are_own=True)
        return step({name: _tensor(values[own]) for name, own in joined.items()})

    limit = Limit.of(
        quantize,
        decides=model.target.is_decided,
        rounds_pixels=format_.name in ("onnx", "tflite") and rounds_pixels(model.raw),
        of_masks=model.target.kind == "mask",
    )
    inside = f"{LABELS} and {DESCRIPTION}" if description.labels else DESCRIPTION
    if format_.name == "keras":
        from dlrun.exporting.keras_file import write_keras

        write_keras(model.by_column(), path, description)
        carried = f"{inside} in the file, which is a zip archive"
        return WrittenModel(description, examples, carried, in_keras, limit)
    if format_.name == "savedmodel":
        from dlrun.exporting.saved_model import write_saved_model
        from dlrun.exporting.text_layers import stateful_parts

        write_saved_model(model, whole, stateful_parts(model), path, description)
        carried = f"{inside} in assets.extra, and the signature labels"
        return WrittenModel(description, examples, carried, in_keras, limit)
    if format_.name == "onnx":
        from dlrun.exporting.onnx.model import write_onnx

        write_onnx(model, path, description)
        carried = "the metadata labels and description, both JSON"
        return WrittenModel(description, examples, carried, in_keras, limit)
    from dlrun.exporting.tflite.model import can_calibrate, text_inputs, write_tflite

    texts = text_inputs(model)
    description = _of_one(description, texts)
    examples = [
        {name: _as_bytes(value) if name in texts else value for name, value in each.items()} for each in examples
    ]
    work = Path(tempfile.mkdtemp(dir=path.parent))
    write_tflite(model, path, description, quantize=quantize, calibration=examples, work=work)
    carried = f"{inside} in the zip archive at the end of the file"
    quantized = {"int8": "int8", "float16": "float16 weights"}.get(quantize or "", "")
    if quantize == "int8" and not can_calibrate(model):
        quantized = "int8 weights; the computation is in float32"
    return WrittenModel(description, examples, carried, in_keras, limit, quantized)


def _of_one(description: ModelDescription, texts: tuple[str, ...]) -> ModelDescription:
    """Return the description for a model of one example at a time, with texts as bytes."""
    inputs = tuple(
        replace(each, dtype="uint8", shape=(1, None), what=_describe_bytes(each.shape))
        if each.name in texts
        else replace(each, shape=(1, *each.shape[1:]))
        for each in description.inputs
    )
    outputs = {name: (1, *shape[1:]) for name, shape in description.outputs.items()}
    return replace(description, inputs=inputs, outputs=outputs)


def _as_bytes(text: Any) -> Any:
    return np.frombuffer("\n".join(map(str, text.reshape(-1))).encode(), np.uint8)[None]


def _describe_bytes(shape: tuple[int | None, ...]) -> str:
    texts = math.prod(size or 1 for size in shape[1:])
    return _BYTES if texts == 1 else _LINES_OF_BYTES.format(texts)


def _tensor(value: Any) -> Any:
    import tensorflow as tf

    return tf.constant(value.tolist() if value.dtype == object else value)
