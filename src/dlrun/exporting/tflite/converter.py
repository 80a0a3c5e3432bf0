"""Convert the SavedModel in a folder to `model.tflite` next to it: `python -m dlrun.exporting.tflite.converter FOLDER`.

This is a program of its own because the converter can crash the process that it runs in.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlrun.exporting.export_model import CORE
from dlrun.exporting.harness import Example, read_examples
from dlrun.exporting.tflite.float16 import with_float16_weights
from dlrun.exporting.tflite.inputs import with_inputs
from dlrun.system.keras_internals import lite_operations

Calibration = Callable[[], Iterator[dict[str, Any]]]


def convert(folder: Path) -> bytes:
    """Return the converted model, quantized according to the folder's `job.json`."""
    import tensorflow as tf

    job = json.loads((folder / "job.json").read_text())
    if job["quantize"] == "int8" and job["calibrates"]:
        return with_inputs(_int8(folder, job["packs"]), job["packs"])
    converter = _converter(folder)
    if job["quantize"] == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converted: bytes = converter.convert()
    if job["quantize"] == "float16":
        converted = with_float16_weights(converted)
    return with_inputs(converted, job["packs"])


def _converter(folder: Path) -> Any:
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"), signature_keys=["serving_default"])


def _int8(folder: Path, packs: Mapping[str, Sequence[str]]) -> bytes:
    """Convert with the network in int8, and everything before it in float, since raw numbers can have any range."""
    import tensorflow as tf

    examples = [
        {name: tf.constant(value.tolist()) if value.dtype == object else value for name, value in each.items()}
        for each in (_packed(example, packs) for example in read_examples(folder))
        if all(value.size for value in each.values())  # TensorFlow 2.21 crashes on an empty text here
    ]

    def calibration() -> Iterator[dict[str, Any]]:
        yield from examples

    # The names of operations are known only after a conversion: convert once, look at the names, and convert again
    # without those that should stay in float.
    once = _quantized(folder, calibration, [])
    interpreter = tf.lite.Interpreter(model_content=once)
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    outside = [
        names[output]
        for operation in lite_operations(interpreter)
        for output in operation["outputs"]
        if output in names and not _is_inside(names[output])
    ]
    # The outputs of quantized operations have a digit appended to their names.
    outside += [name[:-1] for name in outside if name[-1:].isdigit()]
    return _quantized(folder, calibration, outside) if outside else once


def _packed(example: Example, packs: Mapping[str, Sequence[str]]) -> Example:
    """Return an example with the values of each pack side by side, as the graph takes them."""
    inside = {name for names in packs.values() for name in names}
    joined = {pack: np.concatenate([example[name] for name in names], axis=-1) for pack, names in packs.items()}
    return {name: value for name, value in example.items() if name not in inside} | joined


def _is_inside(tensor: str) -> bool:
    """Return whether a tensor belongs to the network, by the scope of its name, or is an output of the model."""
    return f"/{CORE}_" in tensor or "StatefulPart" in tensor


def _quantized(folder: Path, calibration: Calibration, left_out: list[str]) -> bytes:
    import tensorflow as tf

    converter = _converter(folder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = calibration
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=left_out)
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=calibration, debug_options=options
    )
    quantized: bytes = debugger.get_nondebug_quantized_model()
    return quantized


if __name__ == "__main__":
    np.seterr(all="ignore")
    work = Path(sys.argv[1])
    (work / "model.tflite").write_bytes(convert(work))
