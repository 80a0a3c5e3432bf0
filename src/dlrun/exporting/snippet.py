"""Generate the plain Python code that loads and runs an exported model: the check runs it, and users copy it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dlrun.exporting.description import DESCRIPTION, Input, ModelDescription
from dlrun.exporting.formats import TargetName
from dlrun.exporting.harness import Example

_LOAD: dict[TargetName, str] = {
    "keras": """\
import json, zipfile
import numpy as np
import tensorflow as tf

model = tf.keras.models.load_model({path})
run = tf.function(lambda inputs: model(inputs, training=False), reduce_retracing=True)
description = json.loads(zipfile.ZipFile({path}).read("{description}"))
labels = description["labels"]

def predict(inputs):
    outputs = run({{name: tf.constant(value) for name, value in inputs.items()}})
    return {{name: value.numpy() for name, value in outputs.items()}}
""",
    "savedmodel": """\
import json, pathlib
import numpy as np
import tensorflow as tf

model = tf.saved_model.load({path})
description = json.loads(pathlib.Path({path}, "assets.extra", "{description}").read_text("utf-8"))
labels = description["labels"]

def predict(inputs):
    outputs = model.signatures["serving_default"](**{{name: tf.constant(value) for name, value in inputs.items()}})
    return {{name: value.numpy() for name, value in outputs.items()}}
""",
    "onnx": """\
import json
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession({path}, providers=["CPUExecutionProvider"])
description = json.loads(session.get_modelmeta().custom_metadata_map["description"])
labels = description["labels"]

def predict(inputs):
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs)))
""",
    "tflite": """\
import json, zipfile
import numpy as np
import tensorflow as tf

interpreter = tf.lite.Interpreter({path})  # or ai_edge_litert.interpreter.Interpreter, without TensorFlow
run = interpreter.get_signature_runner()
description = json.loads(zipfile.ZipFile({path}).read("{description}"))
labels = description["labels"]

def predict(inputs):  # one example at a time
    return run(**inputs)
""",
}

_PIL_IMAGE = """\
import PIL.Image, PIL.ImageOps  # of a JPEG, pixels may be a level or two from TensorFlow's, which dlrun reads with

image = PIL.ImageOps.exif_transpose(PIL.Image.open("image.jpg"))
if image.mode.startswith("I"):  # 16 bits, of which dlrun uses the upper 8
    image = PIL.Image.fromarray((np.array(image) >> 8).astype("uint8"))"""
_TENSORFLOW_IMAGE = (
    "# dlrun rotates images as their EXIF data says, but TensorFlow does not: rotate such files first;\n"
    "# TensorFlow reads JPEG, PNG, GIF and BMP: open a WebP, TIFF or PPM file with PIL.Image.open"
)
_SOUND = """\
import soundfile  # pip install soundfile

sound, rate = soundfile.read("sound.wav", dtype="float32", always_2d=True)
assert rate == {rate}, "resample it first"  # dlrun does that for the files that it reads itself"""
_LARGEST_SHOWN = 8
_WIDTH = 100
_LARGEST_BYTE = 255
_IMAGE_AXES = 4  # examples, height, width, channels


def loading_code(target: TargetName, path: Path) -> str:
    """Return code that loads a model and defines `description`, `labels` and `predict`, a function of named arrays."""
    return _LOAD[target].format(path=json.dumps(str(path)), description=DESCRIPTION)


def example_code(
    target: TargetName, description: ModelDescription, example: Example, *, has_steps: bool = False
) -> str:
    """Return code that predicts one example; an example too large for the code is read from a file.

    Args:
        target: The format of the model.
        description: The inputs and outputs of the model.
        example: The example.
        has_steps: Whether the inputs are columns of a series, with a value for every step of the history.
    """
    entries = [] if has_steps else [_entry(each, example[each.name], target) for each in description.inputs]
    if has_steps:
        lines = list(_history(description, example))
    elif len(entries) == 1:
        lines = [f"inputs = {{{entries[0]}}}"]
    elif all(each.shape[1:] == (1,) and each.dtype != "float64" for each in description.inputs):
        row = ", ".join(f"{each.name!r}: {_scalar(example[each.name])}" for each in description.inputs)
        kind = 'np.array([[value]], object if isinstance(value, str) else "float32")'
        lines = [f"row = {{{row}}}", f"inputs = {{name: {kind} for name, value in row.items()}}"]
    else:
        lines = ["inputs = {", *(f"    {entry}," for entry in entries), "}"]
    if any(_is_image(each) for each in description.inputs):
        lines.insert(0, _PIL_IMAGE if target == "onnx" else _TENSORFLOW_IMAGE)
    if description.kind == "mask" and target != "onnx":  # which needs it for the image already
        lines.insert(0, "import PIL.Image\n")
    if (rate := next((each.sampling_rate for each in description.inputs if each.sampling_rate), None)) is not None:
        lines.insert(0, _SOUND.format(rate=rate))
    lines += ["outputs = predict(inputs)", *_result(description, next(iter(description.outputs)))]
    return "\n".join(lines) + "\n"


def _result(description: ModelDescription, output: str) -> Iterator[str]:
    """Yield code that prints what the first output means, or saves the mask that it is."""
    if description.thresholds:
        yield from _by_threshold(description, output)
    elif description.kind == "mask":
        yield from _mask(description, output)
    elif description.kind == "classes":
        yield f'print(labels[outputs["{output}"][0].argmax()], outputs["{output}"][0])'
    elif description.kind == "input":
        yield 'print(outputs["error"][0])'
    else:
        yield f'print(dict(zip(labels, outputs["{output}"][0])))'


def _mask(description: ModelDescription, output: str) -> Iterator[str]:
    """Yield code that saves the mask of the image with the pixel values of the masks of the training data."""
    has_16_bits = any(isinstance(value, int) and value > _LARGEST_BYTE for value in description.mask_values)
    dtype = "uint16" if has_16_bits else "uint8"
    yield f'classes = outputs["{output}"][0].argmax(axis=-1)'
    yield f'values = np.array(description["mask_values"], "{dtype}")  # of each class, as in the training masks'
    yield "mask = PIL.Image.fromarray(values[classes])"
    if description.fit == "resize":
        image = next(each.name for each in description.inputs if _is_image(each))
        yield f"height, width = inputs[{image!r}].shape[1:3]"
        yield "mask = mask.resize((width, height), PIL.Image.NEAREST)"
    else:
        yield f"# of the image with fit: {description.fit}; dlrun predict --masks gives masks in the size of each image"
    yield 'mask.save("mask.png")'
    yield "print({label: (classes == index).mean().item() for index, label in enumerate(labels)})  # shares of pixels"


def _by_threshold(description: ModelDescription, output: str) -> Iterator[str]:
    """Yield code that names what is predicted by the thresholds in the description."""
    yield f'probabilities = outputs["{output}"][0]'
    if description.kind == "classes":
        yield 'print(labels[int(probabilities[1] > description["thresholds"][0])], probabilities)'
        return
    yield 'above = probabilities > np.array(description["thresholds"])'
    yield "print([label for label, is_above in zip(labels, above) if is_above], probabilities)"


def _entry(given: Input, value: np.ndarray[tuple[int, ...], np.dtype[np.generic]], target: TargetName) -> str:
    """Return the code for one input."""
    if _is_image(given):
        return f"{given.name!r}: {_image(given, target)}"
    if given.sampling_rate is not None:
        return f"{given.name!r}: sound.mean(axis=1)[None]"
    if value.dtype.kind in "OU":
        return f"{given.name!r}: np.array({value.tolist()!r}, object)"
    if given.dtype == "uint8" and given.shape[-1] is None:
        return f"{given.name!r}: np.frombuffer({bytes(value[0]).decode()!r}.encode(), np.uint8)[None]"
    if value.size <= _LARGEST_SHOWN and value.dtype.kind == "f":
        # repr() writes nan, which is not a name that Python knows.
        written = re.sub(r"\bnan\b", 'float("nan")', repr(value.tolist()))
        return f'{given.name!r}: np.array({written}, "{given.dtype}")'
    return f'{given.name!r}: np.load("examples.npy")[:1].astype("{given.dtype}")'


def _is_image(given: Input) -> bool:
    """Return whether an input is an image of any size, as in an image file."""
    return given.dtype == "uint8" and len(given.shape) == _IMAGE_AXES and None in given.shape[1:]


def _history(description: ModelDescription, example: Example) -> Iterator[str]:
    """Yield code for one window of a series: a list for each column, and how to make arrays from them."""
    columns = {each.name: _values(each, example[each.name]) for each in description.inputs}
    if any("nan" in values for values in columns.values()):
        yield 'nan = float("nan")'
    yield "history = {  # for each column the values of every step, the newest last"
    for name, values in columns.items():
        yield f"    {name!r}: ["
        yield from _packed(values, indent=" " * 8)
        yield "    ],"
    yield "}"
    number = "float64" if any(each.dtype == "float64" for each in description.inputs) else "float32"
    if number == "float32":
        yield 'kinds = {name: object if isinstance(values[0], str) else "float32" for name, values in history.items()}'
    else:
        written = {
            each.name: "object" if each.dtype in ("string", "uint8") else each.dtype for each in description.inputs
        }
        yield f"kinds = {written}"
    yield "inputs = {name: np.array([values], kinds[name]) for name, values in history.items()}"
    as_bytes = [each.name for each in description.inputs if each.dtype == "uint8"]
    if as_bytes:
        yield f"for name in {as_bytes}:  # the bytes of the texts, one per line"
        yield '    inputs[name] = np.frombuffer("\\n".join(history[name]).encode(), np.uint8)[None]'


def _values(given: Input, value: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> list[str]:
    """Return the code for every value of a column; for numbers, the shortest that is the same in float32."""
    if given.dtype == "uint8":
        return [repr(text) for text in bytes(value.astype(np.uint8).reshape(-1)).decode().split("\n")]
    if value.dtype.kind in "OU":
        return [repr(str(text)) for text in value.reshape(-1)]
    # str() of a float32 has the fewest digits that identify it; its float64 value would have many more.
    return [repr(float(str(number))) for number in value.astype(given.dtype).reshape(-1)]


def _packed(values: Sequence[str], *, indent: str) -> Iterator[str]:
    """Yield lines of limited width with the values, each followed by a comma."""
    line = indent
    for value in values:
        if line != indent and len(line) + len(value) > _WIDTH:
            yield line.rstrip()
            line = indent
        line += f"{value}, "
    yield line.rstrip()


def _image(given: Input, target: TargetName) -> str:
    channels = given.shape[-1]
    if target != "onnx":
        return f'tf.io.decode_image(tf.io.read_file("image.jpg"), channels={channels}, expand_animations=False)[None]'
    if channels == 3:  # red, green and blue
        return 'np.array(image.convert("RGB"))[None]'
    return 'np.array(image.convert("L"))[None, :, :, None]'


def _scalar(value: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    plain = value.reshape(-1)[0]
    plain = plain.item() if isinstance(plain, np.generic) else plain
    if isinstance(plain, float) and math.isnan(plain):
        return 'float("nan")'
    return repr(plain)
