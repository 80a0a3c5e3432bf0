"""Find the output of a model to explain: the one that the user names, or the predicted one of each example."""

from __future__ import annotations

from typing import Any

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
    """Return the index and the name of the output to explain, and its prediction."""
    if output is not None:
        number = output
    elif target.kind == "classes":
        number = int(decide(outputs[None], target)[0])
    else:
        number = int(outputs.argmax()) if target.kind != "values" else 0
    return number, target.output_names[number], float(outputs[number])
