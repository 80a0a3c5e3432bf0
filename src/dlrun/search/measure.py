"""Read from the folder of a run what a search judges it by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlrun.metrics.metric import without_split
from dlrun.runs.folder import RunFolder
from dlrun.runs.record import RunRecord
from dlrun.search.outcome import Objective
from dlrun.spec.search.section import COSTS


@dataclass(frozen=True)
class MeasuredRun:
    """The run of one seed of a trial, as it is now.

    Args:
        run: Its id.
        is_complete: Whether its training has ended by itself, instead of being paused.
        values: The value of each objective so far; None where it is undefined.
        epochs: The number of epochs trained.
        seconds: The time that it took.
        fingerprint: The fingerprint of its data.
    """

    run: str
    is_complete: bool
    values: tuple[float | None, ...]
    epochs: int
    seconds: float
    fingerprint: str


def measure(path: Path, objectives: Sequence[Objective]) -> MeasuredRun:
    """Return what a search needs to know of a run.

    Args:
        path: The run folder.
        objectives: What the search optimizes.

    Raises:
        RunError: The record or the metrics of the run are damaged.
    """
    folder = RunFolder(path)
    record, rows = folder.read_record(), folder.read_metrics()
    last = rows[-1] if rows else {}
    return MeasuredRun(
        run=folder.id,
        is_complete=record.status == "completed",
        values=tuple(_value(record, last, each.name) for each in objectives),
        epochs=int(last.get("epoch") or 0),
        seconds=record.seconds or 0.0,
        fingerprint=record.dataset.fingerprint if record.dataset else "",
    )


def _value(record: RunRecord, last: dict[str, float | int | None], name: str) -> float | None:
    """Return the best value so far of the score that the run monitors, and the latest value of any other."""
    if name in COSTS:
        return _cost(record, name)
    if record.best is not None and record.best.metric == name:
        value: float | None = record.best.value
    elif record.status == "completed" and "validation" in record.result:
        value = record.result["validation"].get(without_split(name))
    else:
        value = last.get(name)
    return value if value is not None and math.isfinite(value) else None


def _cost(record: RunRecord, name: str) -> float | None:
    if name == "parameters":
        return record.model.parameters if record.model else None
    return record.costs.get(name)
