"""The scores of a split or file, kept in the run's folder: in run.json, and in tables of their own."""

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
"""The most classes whose scores, and whose confusion matrix, run.json holds; and for which a CSV holds the matrix."""

_NAME_CHARACTERS = 60


@dataclass(frozen=True)
class Origin:
    """What was scored on what.

    Args:
        checkpoint: As it was asked for.
        restored: Name of the checkpoint that this was.
        data: Name of the run's own data, or the file.
        fingerprint: Of the run's own data; None for a file.
    """

    checkpoint: str
    restored: str
    data: str
    fingerprint: str | None = None


def data_name(source: str) -> str:
    """What the evaluation of a file is called: `data-` and its name."""
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
    """Write an evaluation into the run's folder, in place of one of the same name.

    A run that was made elsewhere is left as it is. Where the folder cannot be written, that is told and nothing else.

    Returns:
        The table of classes, labels or values; None if nothing is recorded.
    """
    if not is_own(folder):
        listener(Note("warning", f"the scores are not recorded: {folder.id} was not made here"))
        return None
    table = folder.evaluation / f"{name}.csv"
    try:
        with folder.lock():
            folder.make_folder(folder.evaluation)
            folder.write_text(table, _parts_csv(breakdown))
            if breakdown.confusions:
                folder.write_text(folder.evaluation / f"{name}_confusion.csv", _confusion_csv(breakdown))
            kept = folder.read_record().evaluation
            folder.update_record(evaluation={**kept, name: evaluation_record(scores, breakdown, origin=origin)})
    except RunError as error:
        listener(Note("warning", f"the scores are not recorded: {error.what}"))
        return None
    return table


def evaluation_record(scores: Mapping[str, float], breakdown: Breakdown, *, origin: Origin) -> EvaluationRecord:
    """An evaluation as run.json holds it: what is not finite is null, and of many classes only the means are there."""
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
    if len(names) > MOST_COLUMNS:
        pairs = ((names[true], names[predicted], count) for true, predicted, count in breakdown.confusions)
        return csv_text([("true", "predicted", "examples"), *pairs])
    matrix = breakdown.matrix().tolist()
    return csv_text([("true", *names), *((name, *row) for name, row in zip(names, matrix, strict=True))])
