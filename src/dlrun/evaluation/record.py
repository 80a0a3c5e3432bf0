"""Record the scores of a split or file in the run folder, in run.json and in CSV files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder, now
from dlrun.runs.provenance.trust import is_own
from dlrun.runs.record import EvaluationRecord
from dlrun.scoring.breakdown import Breakdown
from dlrun.system.spreadsheet import csv_text
from dlrun.training.progress.events import Listener, Note

MOST_PARTS, MOST_IN_MATRIX, MOST_COLUMNS = 100, 20, 1000
"""Maximum number of classes with scores in run.json, a confusion matrix in run.json, and one in a CSV file."""

_NAME_CHARACTERS = 60


@dataclass(frozen=True)
class Origin:
    """The checkpoint and the data of an evaluation.

    Args:
        checkpoint: Checkpoint as requested.
        restored: Name of the checkpoint that was loaded.
        data: Name of the data of the run, or the file.
        fingerprint: Fingerprint of the data of the run; None for a file.
    """

    checkpoint: str
    restored: str
    data: str
    fingerprint: str | None = None


def data_name(source: str) -> str:
    """Return the name of an evaluation on a file: `data-` and the name of the file."""
    name = "stdin" if source == "-" else Path(source).stem
    return "data-" + (re.sub(r"[^\w.-]+", "_", name)[:_NAME_CHARACTERS].strip("._-") or "file")


def record_evaluation(
    folder: RunFolder,
    name: str,
    scores: Mapping[str, float],
    breakdown: Breakdown,
    *,
    origin: Origin,
    listener: Listener,
) -> Path | None:
    """Write an evaluation to the run folder, and replace an earlier one of the same name.

    A run that was made elsewhere is not changed. If the folder is not writable, only a warning is emitted.

    Returns:
        The CSV file of classes, labels or values; None if nothing was written.
    """
    if not is_own(folder):
        listener(Note("warning", f"the scores are not recorded, because {folder.id} was made elsewhere"))
        return None
    table = folder.evaluation / f"{name}.csv"
    try:
        with folder.lock():
            folder.make_folder(folder.evaluation)
            folder.write_text(table, _parts_csv(breakdown))
            if breakdown.confusions:
                folder.write_text(folder.evaluation / f"{name}_confusion.csv", _confusion_csv(breakdown))
            # Read while holding the lock, so that the evaluation of another process is not lost.
            kept = folder.read_record().evaluation
            folder.update_record(evaluation={**kept, name: evaluation_record(scores, breakdown, origin=origin)})
    except RunError as error:
        listener(Note("warning", f"the scores are not recorded: {error.what}"))
        return None
    return table


def evaluation_record(scores: Mapping[str, float], breakdown: Breakdown, *, origin: Origin) -> EvaluationRecord:
    """Return an evaluation for run.json: non-finite scores are null, and many classes have only their means."""
    count = len(breakdown.parts)
    return EvaluationRecord(
        finished=now(),
        checkpoint=origin.checkpoint,
        restored=origin.restored,
        data=origin.data,
        fingerprint=origin.fingerprint,
        kind=breakdown.kind,
        examples=breakdown.examples,
        scores=_plain(scores),
        naive=_plain(breakdown.naive),
        overall=_plain(breakdown.overall),
        parts={name: _plain(part) for name, part in breakdown.parts.items()} if count <= MOST_PARTS else {},
        confusion=breakdown.matrix().tolist() if breakdown.confusions and count <= MOST_IN_MATRIX else None,
        weight=breakdown.weight,
        slices=breakdown.slices,
        decision=breakdown.decision,
        undecided=_plain(breakdown.undecided),
    )


def _plain(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}


def _parts_csv(breakdown: Breakdown) -> str:
    if not breakdown.parts:
        return csv_text([("statistic", "value"), *breakdown.overall.items()])
    columns = [*next(iter(breakdown.parts.values()))]
    return csv_text(
        [(breakdown.part_kind, *columns), *((name, *part.values()) for name, part in breakdown.parts.items())]
    )


def _confusion_csv(breakdown: Breakdown) -> str:
    names = [*breakdown.parts]
    # A matrix this large is nearly all zeros, so list only the pairs that occur.
    if len(names) > MOST_COLUMNS:
        pairs = ((names[true], names[predicted], count) for true, predicted, count in breakdown.confusions)
        return csv_text([("true", "predicted", breakdown.counted), *pairs])
    matrix = breakdown.matrix().tolist()
    return csv_text([("true", *names), *((name, *row) for name, row in zip(names, matrix, strict=True))])
