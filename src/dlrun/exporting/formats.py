"""The export formats: their files, the packages they need, and how close their predictions must be to dlrun's."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Literal, get_args

from dlrun.errors import UsageError

TargetName = Literal["keras", "savedmodel", "onnx", "tflite"]
Quantize = Literal["float16", "int8"]

# Fractions of the range of the predictions. Pixels rounded by another library change predictions more than
# float32 does, and float16 has only three digits.
_FLOAT32, _ROUNDED, _FLOAT16 = 1e-4, 5e-3, 1e-2


@dataclass(frozen=True)
class Limit:
    """The largest acceptable difference between an exported model and dlrun.

    Args:
        difference: The difference of the predictions, as a fraction of their range.
        is_mean: Whether that is the mean difference; otherwise the largest.
        equal_decisions: The fraction of examples with the same class or labels, or of pixels with the same class, that
            is acceptable for any difference, since an uncertain prediction may change its class by a tiny difference;
            None to use the difference only.
    """

    difference: float
    is_mean: bool = False
    equal_decisions: float | None = None

    @classmethod
    def of(
        cls, quantize: Quantize | None, *, decides: bool, rounds_pixels: bool = False, of_masks: bool = False
    ) -> Limit:
        """Return the limit for a model.

        Args:
            quantize: The quantization, which loses precision on purpose.
            decides: Whether the model predicts classes or labels.
            rounds_pixels: Whether another library resizes its images, which rounds some pixels differently.
            of_masks: Whether the model predicts masks: of their thousands of pixels, the worst is between two classes.
        """
        if quantize == "int8":
            return _INT8_DECISIONS if decides or of_masks else _INT8_VALUES
        if quantize == "float16":
            return cls(_FLOAT16, equal_decisions=_PIXELS_FLOAT16 if of_masks else None)
        if rounds_pixels:
            return cls(_ROUNDED, equal_decisions=_PIXELS_ROUNDED if of_masks else None)
        return cls(_FLOAT32)


_PIXELS_ROUNDED, _PIXELS_FLOAT16 = 0.999, 0.99
_INT8_DECISIONS = Limit(0.02, equal_decisions=0.95)
_INT8_VALUES = Limit(0.05, is_mean=True)


@dataclass(frozen=True)
class Format:
    """An export format.

    Args:
        name: Its name, as for `--to`.
        suffix: The suffix of its file; empty for a folder.
        library: The library that runs it.
        packages: The packages it needs besides dlrun's own dependencies.
        takes_batches: Whether it takes several examples at once.
    """

    name: TargetName
    suffix: str
    library: str
    packages: tuple[str, ...] = ()
    takes_batches: bool = True


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("keras", ".keras", "Keras"),
        Format("savedmodel", "", "TensorFlow"),
        Format("onnx", ".onnx", "ONNX Runtime", packages=("onnx", "onnxruntime", "tf2onnx")),
        Format("tflite", ".tflite", "TensorFlow Lite", takes_batches=False),
    )
}


def find_format(name: str, quantize: str | None) -> Format:
    """Return the format for the options of a command line.

    Args:
        name: The name of the format.
        quantize: `float16`, `int8`, or None.

    Raises:
        UsageError: There is no such format or quantization, they do not go together, or a package is missing.
    """
    found = FORMATS.get(name)
    if found is None:
        raise UsageError(f"dlrun cannot export to {name!r}", expected="one of " + ", ".join(FORMATS))
    if quantize is not None and quantize not in get_args(Quantize):
        raise UsageError(f"dlrun cannot quantize to {quantize!r}", expected="one of " + ", ".join(get_args(Quantize)))
    if quantize is not None and name != "tflite":
        raise UsageError(
            f"--quantize {quantize} works only with TensorFlow Lite, not with --to {name}",
            hint=f"--to tflite --quantize {quantize}",
        )
    missing = [package for package in found.packages if importlib.util.find_spec(package) is None]
    if missing:
        raise UsageError(f"an export to {name} needs {', '.join(missing)}: pip install 'dlrun[{name}]'")
    return found
