"""The content of a report, read from the files of a run without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dlrun.data.interface import Interface
from dlrun.errors import RunError
from dlrun.runs.directions import derive_directions
from dlrun.runs.flat_spec import read_flat_spec
from dlrun.runs.folder import RunFolder
from dlrun.runs.history import Row
from dlrun.runs.interface import read_interface
from dlrun.runs.predictions import StoredPredictions, find_misfit, predictions_file, read_predictions
from dlrun.runs.record import RunRecord
from dlrun.runs.sums import check_presence
from dlrun.system.disk import disk, explained

_SPLITS = ("test", "validation", "train")
_LARGEST_BYTES = 1 << 28
_MOST_CLASSES = 20_000
"""With more classes, no examples and no scores of classes are shown; they would take gigabytes of memory."""


@dataclass(frozen=True)
class Content:
    """Everything that a report shows about a run.

    Args:
        folder: Folder of the run.
        record: Content of `run.json`.
        rows: Rows of `metrics.jsonl`.
        spec: Text of `spec.yaml`.
        interface: Input and output of the model; None if the run ended before it was built.
        predictions: Stored predictions by split, the test split first.
        directions: Whether `max` or `min` is best for each score whose direction is known.
    """

    folder: RunFolder
    record: RunRecord
    rows: list[Row]
    spec: str
    interface: Interface | None
    predictions: Mapping[str, StoredPredictions]
    directions: Mapping[str, str]


def read_content(folder: RunFolder) -> Content:
    """Read the content of a report from the folder of a run.

    Raises:
        RunError: A file of the run is missing or damaged.
    """
    # A run that ended early has no interface. One that recorded its checksum and lost the file is damaged.
    check_presence(folder.path, folder.interface_json)
    interface = read_interface(folder) if folder.interface_json.is_file() else None
    kept = {split: predictions for split in _SPLITS if (predictions := read_predictions(folder, split)) is not None}
    if interface is not None:
        if interface.target.size > _MOST_CLASSES:
            kept = {}
        for split, predictions in kept.items():
            # A file can be intact and still belong to another model; it would fail in the middle of a plot.
            if wrong := find_misfit(predictions, interface.target):
                raise RunError(f"{predictions_file(folder, split)} does not match the model of this run: {wrong}")
    record = folder.read_record()
    return Content(
        folder,
        record,
        folder.read_metrics(),
        _read(folder, folder.spec_yaml.name).decode("utf-8", errors="replace"),
        interface,
        kept,
        directions_of(folder, record),
    )


def directions_of(folder: RunFolder, record: RunRecord) -> Mapping[str, str]:
    """Return whether `max` or `min` is best for each score, from the run or else from its spec."""
    if record.directions:
        return record.directions
    try:
        spec = read_flat_spec(folder.spec_yaml)
    except RunError:
        spec = {}
    return derive_directions(spec, {name for scores in record.result.values() for name in scores})


def _read(folder: RunFolder, name: str) -> bytes:
    path = folder.path / name
    if not path.is_file():
        raise RunError(f"{folder.path} has no {name}", expected="a folder written by dlrun train", hint="dlrun runs ls")
    with explained(f"read {path}"):
        return disk.read_file(path, largest=_LARGEST_BYTES)
