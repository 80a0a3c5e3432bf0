"""All that a report tells, read from the files of a run: nothing is trained, and TensorFlow is not needed."""

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
"""Beyond it no example is shown, and no class has a score of its own: nobody reads so many, and they take gigabytes."""


@dataclass(frozen=True)
class Content:
    """What is known of a run.

    Args:
        folder: The run.
        record: Its `run.json`.
        rows: Of `metrics.jsonl`.
        spec: The text of spec.yaml.
        interface: What goes into the model and comes out; None if it has not come that far.
        predictions: By split, those that were kept; the test split first.
        directions: Of each score whether `max` or `min` is best; those that are not known are left out.
    """

    folder: RunFolder
    record: RunRecord
    rows: list[Row]
    spec: str
    interface: Interface | None
    predictions: Mapping[str, StoredPredictions]
    directions: Mapping[str, str]


def read_content(folder: RunFolder) -> Content:
    """Read what a report is made from.

    Raises:
        RunError: A file of the run is missing or damaged.
    """
    check_presence(folder.path, folder.interface_json)
    interface = read_interface(folder) if folder.interface_json.is_file() else None
    kept = {split: predictions for split in _SPLITS if (predictions := read_predictions(folder, split)) is not None}
    if interface is not None:
        if interface.target.size > _MOST_CLASSES:
            kept = {}
        for split, predictions in kept.items():
            if wrong := find_misfit(predictions, interface.target):
                raise RunError(f"{predictions_file(folder, split)} is not of this run's model: {wrong}")
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
    """Return of each score whether `max` or `min` is best, as the run or else its spec says."""
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
        raise RunError(f"{folder.path} has no {name}", expected="a folder that dlrun train made", hint="dlrun runs ls")
    with explained(f"read {path}"):
        return disk.read_file(path, largest=_LARGEST_BYTES)
