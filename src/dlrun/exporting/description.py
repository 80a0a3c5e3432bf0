"""Describe the inputs and outputs of an exported model, as JSON and as a list of labels that every format contains."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlrun.data.masks.pixels import pixels_of
from dlrun.decision import Calibration, Decision
from dlrun.exporting.export_model import QUANTILES, ExportModel, Givens

DESCRIPTION, LABELS = "description.json", "labels.txt"


@dataclass(frozen=True)
class Input:
    """One input.

    Args:
        name: Its name in the exported model.
        dtype: Its dtype, such as `float32`, `uint8` or `string`.
        shape: Its shape with the batch axis; None for any length.
        column: The name of the column in the data.
        missing: What represents a missing value; empty if nothing does.
        what: A description of its content; empty if dtype and shape suffice.
        sampling_rate: Samples per second of a waveform; None for other inputs.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    column: str
    missing: str = ""
    what: str = ""
    sampling_rate: int | None = None

    def plain(self) -> dict[str, Any]:
        """Return the input as plain JSON values."""
        found: dict[str, Any] = {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}
        if self.column != self.name:
            found["column"] = self.column
        return found | {key: getattr(self, key) for key in ("missing", "what") if getattr(self, key)}


@dataclass(frozen=True)
class ModelDescription:
    """The inputs and outputs of a model.

    Args:
        run: The id of the run that the model comes from.
        kind: What it predicts: `classes`, `class_columns`, `labels`, `values`, `mask` or `input`.
        inputs: Its inputs.
        outputs: The shapes of its outputs, by name.
        labels: The names of the numbers in the first output: classes, labels or values; empty for reconstructions.
        thresholds: The probability above which the second class, or each label, is predicted; empty if the most
            probable class, or labels above 0.5, are.
        calibration: How the probabilities in the output are calibrated: `none`, `temperature` or `isotonic`.
        levels: The levels of the output `quantiles`; empty if there is none.
        intervals: What prediction intervals add to the predictions; empty if the run has none.
        mask_values: The value of the pixels of each class in the masks of the training data: a level of gray, or red,
            green and blue; empty if the model predicts no masks.
        fit: How images of another aspect ratio are fitted, and masks with them: `resize`, `crop` or `pad`; empty if the
            model predicts no masks.
    """

    run: str
    kind: str
    inputs: tuple[Input, ...]
    outputs: dict[str, tuple[int | None, ...]]
    labels: tuple[str, ...]
    thresholds: tuple[float, ...] = ()
    calibration: Calibration = "none"
    levels: tuple[float, ...] = ()
    intervals: Mapping[str, Any] = field(default_factory=dict)
    mask_values: tuple[int | tuple[int, int, int], ...] = ()
    fit: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the description as plain JSON values."""
        return {
            "run": self.run,
            "kind": self.kind,
            "inputs": [each.plain() for each in self.inputs],
            "outputs": [{"name": name, "shape": list(shape)} for name, shape in self.outputs.items()],
            "labels": list(self.labels),
            **({"thresholds": list(self.thresholds)} if self.thresholds else {}),
            **({"calibration": self.calibration} if self.calibration != "none" else {}),
            **({"levels": list(self.levels)} if self.levels else {}),
            **({"intervals": dict(self.intervals)} if self.intervals else {}),
            **({"mask_values": list(self.mask_values), "fit": self.fit} if self.mask_values else {}),
        }

    def text(self) -> str:
        """Return the description as JSON text."""
        return json.dumps(self.plain(), ensure_ascii=False, indent=1)


def describe(model: ExportModel, whole: Any, *, run: str) -> ModelDescription:
    """Return the description of a model.

    Args:
        model: The parts of the model.
        whole: The joined model.
        run: The id of its run.
    """
    taken, missing = model.taken(), _missing(model)
    inputs = []
    for name, own in model.inputs().items():
        tensor = taken[own]
        shape, what = tuple(tensor.shape), ""
        if tensor.dtype == "uint8" and None in shape[1:]:
            what = "decoded pixels from 0 to 255: an image of any height and width"
        if (rate := model.sampling_rate) is not None:
            what = f"amplitudes from -1 to 1 at {rate} samples per second, of one channel and any length"
        column, empty = model.columns.get(own, own), missing.get(own, "")
        inputs.append(Input(name, tensor.dtype, shape, column, empty, what, model.sampling_rate))
    outputs = {name: tuple(tensor.shape) for name, tensor in whole.output.items()}
    labels = () if model.target.kind == "input" else model.target.output_names
    decision = model.target.decision or Decision()
    return ModelDescription(
        run,
        model.target.kind,
        tuple(inputs),
        outputs,
        labels,
        decision.thresholds,
        decision.calibration,
        levels=model.target.levels if QUANTILES in outputs else (),
        intervals=model.intervals,
        mask_values=() if model.masks is None else pixels_of([values[0] for values in model.masks.classes.values]),
        fit="" if model.masks is None else model.masks.form.fit,
    )


def write_description(description: ModelDescription, folder: Path) -> None:
    """Write the description, and a file with one label per line, into a folder."""
    (folder / DESCRIPTION).write_text(description.text(), encoding="utf-8")
    if description.labels:
        (folder / LABELS).write_text(_lines(description), encoding="utf-8")


def append_description(description: ModelDescription, file: Path) -> None:
    """Append the same two files to a zip archive, or as a zip archive to a file in another format."""
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(DESCRIPTION, description.text())
        if description.labels:
            archive.writestr(LABELS, _lines(description))


def _lines(description: ModelDescription) -> str:
    return "".join(" ".join(label.splitlines()) + "\n" for label in description.labels)


def _missing(model: ExportModel) -> dict[str, str]:
    """Return what represents a missing value, by input: NaN for numbers, and the special value of categories."""
    missing_values, givens, given = (
        {"Isnan": "NaN", "StringLookup": "an empty string"},
        Givens(model.raw),
        model.taken(),
    )
    found = {name: "NaN" for name in model.columns if name in given and given[name].dtype == "float32"}
    for operation in model.raw.operations:
        stands = missing_values.get(type(operation).__name__)
        name = None if stands is None else givens.name_of(operation.input)
        if stands is not None and name is not None:
            found[name] = stands
    return found
