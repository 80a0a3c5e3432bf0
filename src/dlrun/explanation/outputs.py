"""Find the output of a model to explain: the one that the user names, or the predicted one of each example."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.errors import UsageError
from dlrun.scoring.deciding import decide
from dlrun.signature import Target

Array = npt.NDArray[Any]


def find_output(about: str, target: Target) -> int | None:
    """Return the index of the output to explain; None for the predicted one of each example."""
    if not about:
        return None
    names = list(target.output_names)
    if about in names:
        return names.index(about)
    if about.isdecimal() and int(about) < target.size:
        return int(about)
    raise UsageError(f"the model has no output {about!r}", expected="one of " + ", ".join(names[:20]))


def chosen_output(outputs: Array, output: int | None, target: Target) -> tuple[int, str, float]:
    """Return the index and the name of the output to explain, and its prediction.

    Shape:
        outputs: `(size,)`; for masks `(height, width, size)`, and the prediction is the share of the pixels of a class.
    """
    if target.kind == "mask":
        shares = np.bincount(outputs.argmax(axis=-1).reshape(-1), minlength=target.size) / outputs[..., 0].size
        # The first class is mostly the background, which covers most of each image, but needs no explanation.
        number = int(shares[1:].argmax()) + 1 if output is None else output
        number = 0 if output is None and not shares[number] else number
        return number, target.output_names[number], float(shares[number])
    if output is not None:
        number = output
    elif target.kind == "classes":
        number = int(decide(outputs[None], target)[0])
    else:
        number = int(outputs.argmax()) if target.kind != "values" else 0
    return number, target.output_names[number], float(outputs[number])
