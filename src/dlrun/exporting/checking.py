"""Check an exported model on real examples: how far it is from dlrun's own predictions, and how fast it is."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.exporting import harness
from dlrun.exporting.child import run_child
from dlrun.exporting.formats import Format, Limit
from dlrun.exporting.snippet import loading_code
from dlrun.scoring.deciding import decide
from dlrun.signature import Target
from dlrun.system.disk import disk

Array = npt.NDArray[Any]
Outputs = Mapping[str, Array]


@dataclass(frozen=True)
class ExportCheck:
    """The results of a check.

    Args:
        examples: The number of examples.
        together: Whether all examples ran in one batch and some one at a time; otherwise all ran one at a time.
        largest_difference: The largest difference from dlrun's predictions, in the unit of the predictions.
        relative_difference: The difference divided by the range of the predictions, which is 1 for probabilities; the
            largest one, or the mean if `limit.is_mean`.
        limit: The largest acceptable difference.
        equal_decisions: The fraction of examples with the same class in each column, or with the same
            prediction of each label, or of pixels with the same class; None if that does not count.
        example: The example with the largest difference, from 0.
        seconds: The median time of one example.
    """

    examples: int
    together: bool
    largest_difference: float
    relative_difference: float
    limit: Limit
    equal_decisions: float | None
    example: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the exported model is close enough to dlrun's predictions to be used instead."""
        if self.relative_difference <= self.limit.difference:
            return True
        needed = self.limit.equal_decisions
        return needed is not None and self.equal_decisions is not None and self.equal_decisions >= needed


def check(
    made: Path,
    format_: Format,
    examples: Sequence[harness.Example],
    *,
    expected: Outputs,
    target: Target,
    limit: Limit,
) -> ExportCheck:
    """Run an exported model in a process without dlrun, with the code that a user gets, and compare its predictions.

    Args:
        made: The exported file or folder.
        format_: Its format.
        examples: The examples, in the form that the exported model takes.
        expected: Dlrun's predictions for them, by the names of the outputs.
        target: What the model predicts.
        limit: The largest acceptable difference.

    Returns:
        The results of the check.

    Raises:
        RunError: The exported model does not run.
    """
    # A process of its own, in which importing dlrun fails, proves that users need nothing of dlrun.
    work = Path(tempfile.mkdtemp(dir=made.parent))
    harness.write_examples(work, examples)
    job = {"outputs": list(expected), "batches": format_.takes_batches}
    disk.write_file(work / "job.json", json.dumps(job).encode())
    disk.write_file(work / "load.py", loading_code(format_.name, made.absolute()).encode())
    run_child([str(harness.__file__), str(work)], folder=work, what=f"{format_.library} cannot run the exported model")
    with np.load(work / "found.npz") as file:
        found = {name: file[name] for name in file.files}
    return _compare(found, expected, target=target, limit=limit)


def _compare(found: Outputs, expected: Outputs, *, target: Target, limit: Limit) -> ExportCheck:
    output, together = next(iter(expected)), any(name.startswith("together ") for name in found)
    by_example = np.zeros(len(expected[output]))
    relative = 0.0
    for name, truth in expected.items():
        # Values have any unit, so their differences only mean something relative to their range.
        scale = 1.0 if target.is_decided or target.kind == "mask" else _range(truth)
        alone = found[f"singly {name}"]
        # Next to a batch, only the first examples run one at a time. Without one all have to: fewer of them
        # would differ in shape, which counts as infinite.
        differences = [_difference(alone, truth[: len(alone)] if together else truth)]
        if together:
            differences.append(_difference(found[f"together {name}"], truth))
        for difference in differences:
            relative = max(relative, float(difference.mean() if limit.is_mean else difference.max()) / scale)
            if name == output:
                worst = difference.reshape(len(difference), -1).max(axis=1)
                by_example[: len(worst)] = np.maximum(by_example[: len(worst)], worst)
    equal = None
    if limit.equal_decisions is not None:
        every = found[f"together {output}" if together else f"singly {output}"]
        decisions = [decide(each, target) for each in (every, expected[output])]
        equal = float((decisions[0] == decisions[1]).mean())
    return ExportCheck(
        examples=len(by_example),
        together=together,
        largest_difference=float(by_example.max()),
        relative_difference=relative,
        limit=limit,
        equal_decisions=equal,
        example=int(by_example.argmax()),
        seconds=float(found["seconds"]),
    )


def _difference(found: Array, truth: Array) -> Array:
    """Return the absolute differences; infinite if only one of two values is NaN, or if the shapes differ."""
    if found.shape != truth.shape:
        return np.full(truth.shape, np.inf)
    # NaN in both counts as equal. So does the same infinity in both, whose difference would be NaN.
    both = np.isnan(found) & np.isnan(truth)
    with np.errstate(invalid="ignore"):
        difference = np.where(both | (found == truth), 0.0, np.abs(found.astype(np.float64) - truth))
    return np.where(np.isnan(difference), np.inf, difference)


def _range(values: Array) -> float:
    finite = values[np.isfinite(values)]
    spread = float(np.ptp(finite)) if finite.size else 0.0
    # Constant predictions have no range: their size is the scale then, or 1 if all of them are 0.
    return spread or float(np.abs(finite).max(initial=0.0)) or 1.0
