"""What an exported model takes and gives, as JSON and as a list of labels: what every format carries along."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.exporting.export_model import ExportModel, Givens

DESCRIPTION, LABELS = "description.json", "labels.txt"


@dataclass(frozen=True)
class Input:
    """One input.

    Args:
        name: In the exported model.
        dtype: `float32`, `uint8`, `string`, ...
        shape: With the batch axis; None is any length.
        column: What it is called where the examples come from.
        missing: What stands for a missing value; empty: nothing does.
        what: What it holds, for people; empty where dtype and shape say it.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    column: str
    missing: str = ""
    what: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        found: dict[str, Any] = {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}
        if self.column != self.name:
            found["column"] = self.column
        return found | {key: getattr(self, key) for key in ("missing", "what") if getattr(self, key)}


@dataclass(frozen=True)
class ModelDescription:
    """What a model takes and gives.

    Args:
        run: Id of the run that it is from.
        kind: What it predicts: `classes`, `class_columns`, `labels`, `values` or `input`.
        inputs: What it takes.
        outputs: Shapes of what it gives, by name.
        labels: What each number of the first output is called: classes, labels, or values; empty for reconstructions.
    """

    run: str
    kind: str
    inputs: tuple[Input, ...]
    outputs: dict[str, tuple[int | None, ...]]
    labels: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "run": self.run,
            "kind": self.kind,
            "inputs": [each.plain() for each in self.inputs],
            "outputs": [{"name": name, "shape": list(shape)} for name, shape in self.outputs.items()],
            "labels": list(self.labels),
        }

    def text(self) -> str:
        """The JSON."""
        return json.dumps(self.plain(), ensure_ascii=False, indent=1)


def describe(model: ExportModel, whole: Any, *, run: str) -> ModelDescription:
    """Describe a model.

    Args:
        model: By its parts.
        whole: The same, joined.
        run: Id of its run.
    """
    taken, missing = model.taken(), _missing(model)
    inputs = []
    for name, own in model.inputs().items():
        tensor = taken[own]
        shape, what = tuple(tensor.shape), ""
        if tensor.dtype == "uint8" and None in shape[1:]:
            what = "decoded pixels from 0 to 255: an image of any height and width"
        inputs.append(Input(name, tensor.dtype, shape, model.columns.get(own, own), missing.get(own, ""), what))
    outputs = {name: tuple(tensor.shape) for name, tensor in whole.output.items()}
    labels = () if model.target.kind == "input" else model.target.output_names
    return ModelDescription(run, model.target.kind, tuple(inputs), outputs, labels)


def write_description(description: ModelDescription, folder: Path) -> None:
    """Write the description, and the labels, one a line, into a folder."""
    (folder / DESCRIPTION).write_text(description.text(), encoding="utf-8")
    if description.labels:
        (folder / LABELS).write_text(_lines(description), encoding="utf-8")


def append_description(description: ModelDescription, file: Path) -> None:
    """Add the same as members of a zip archive, or of one that is appended to a file which is none."""
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(DESCRIPTION, description.text())
        if description.labels:
            archive.writestr(LABELS, _lines(description))


def _lines(description: ModelDescription) -> str:
    return "".join(" ".join(label.splitlines()) + "\n" for label in description.labels)


def _missing(model: ExportModel) -> dict[str, str]:
    """What stands for a missing value, by input: of numbers that are asked for NaN, and of categories."""
    said, givens, given = {"Isnan": "NaN", "StringLookup": "an empty string"}, Givens(model.raw), model.taken()
    found = {name: "NaN" for name in model.columns if name in given and given[name].dtype == "float32"}
    for operation in model.raw.operations:
        stands = said.get(type(operation).__name__)
        name = None if stands is None else givens.name_of(operation.input)
        if stands is not None and name is not None:
            found[name] = stands
    return found
