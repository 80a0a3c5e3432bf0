"""What a model can be exported to: each format's file, its packages, and how near it has to come to dlrun."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Literal, get_args

from dlrun.errors import UsageError

TargetName = Literal["keras", "savedmodel", "onnx", "tflite"]
Quantize = Literal["float16", "int8"]

_FLOAT32, _ROUNDED, _FLOAT16 = 1e-4, 5e-3, 1e-2


@dataclass(frozen=True)
class Limit:
    """How near an exported model has to come to dlrun.

    Args:
        difference: From dlrun's predictions, in parts of their range.
        is_mean: Whether that is the mean difference; otherwise the largest.
        equal_decisions: Part of the examples with the same class or labels that is enough, however large the
            difference; None: the difference counts. A model that hardly knows may decide otherwise by a hair.
    """

    difference: float
    is_mean: bool = False
    equal_decisions: float | None = None

    @classmethod
    def of(cls, quantize: Quantize | None, *, decides: bool, rounds_pixels: bool = False) -> Limit:
        """The limit of a model.

        Args:
            quantize: What was lost on purpose.
            decides: Whether it predicts classes or labels.
            rounds_pixels: Whether another library resizes its images, and rounds some pixels to the next grey level.
        """
        if quantize == "int8":
            return _INT8_DECISIONS if decides else _INT8_VALUES
        if quantize == "float16":
            return cls(_FLOAT16)
        return cls(_ROUNDED if rounds_pixels else _FLOAT32)


_INT8_DECISIONS = Limit(0.02, equal_decisions=0.95)
_INT8_VALUES = Limit(0.05, is_mean=True)


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        name: As `--to` takes it.
        suffix: Of its file; empty: it is a folder.
        library: What runs it, for people.
        packages: What it needs besides dlrun's own dependencies.
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
    """The format that a command line asks for.

    Args:
        name: Of the target.
        quantize: `float16`, `int8`, or None.

    Raises:
        UsageError: There is no such target or quantization, they do not go together, or a package is missing.
    """
    found = FORMATS.get(name)
    if found is None:
        raise UsageError(f"dlrun cannot export to {name!r}", expected="one of " + ", ".join(FORMATS))
    if quantize is not None and quantize not in get_args(Quantize):
        raise UsageError(f"dlrun cannot quantize to {quantize!r}", expected="one of " + ", ".join(get_args(Quantize)))
    if quantize is not None and name != "tflite":
        raise UsageError(
            f"--quantize {quantize} is for TensorFlow Lite, and this is --to {name}",
            hint=f"--to tflite --quantize {quantize}",
        )
    missing = [package for package in found.packages if importlib.util.find_spec(package) is None]
    if missing:
        raise UsageError(f"an export to {name} needs {', '.join(missing)}: pip install 'dlrun[{name}]'")
    return found
