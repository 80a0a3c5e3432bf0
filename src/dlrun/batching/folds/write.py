"""Write the record and the out-of-fold predictions of folds whose runs are all complete."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from dlrun.batching.folds.out_of_fold import FoldPart, check_parts, out_of_fold_csv
from dlrun.batching.folds.record import (
    PREDICTIONS,
    FoldRun,
    FoldsBatch,
    FoldScores,
    FoldsRecord,
    folds_id,
    write_record,
)
from dlrun.batching.state import GOOD, RunState
from dlrun.data.division.folds import Fold
from dlrun.runs import FOLDS_DIR
from dlrun.runs.fold_predictions import read_fold_predictions
from dlrun.runs.folder import RunFolder
from dlrun.runs.interface import read_interface
from dlrun.runs.record import RunRecord
from dlrun.scoring.breakdown import collector_of
from dlrun.system.disk import disk, explained


def write_complete_folds(states: Sequence[RunState], *, runs_dir: Path) -> tuple[FoldsBatch, ...]:
    """Write the folds of a batch whose runs are all complete. The result depends on the runs alone.

    Args:
        states: How each run of the batch has ended.
        runs_dir: The folder for runs.

    Returns:
        The folds, in the order of the command line.

    Raises:
        RunError: The predictions of a run are missing or damaged, or a file cannot be written.
    """
    members: dict[tuple[str, str], list[RunState]] = {}
    for state in sorted(states, key=lambda state: state.planned.number):
        if state.planned.is_fold:
            # The digest is without the name, in which two configs of the same model may differ.
            members.setdefault((state.planned.model, state.planned.spec.name), []).append(state)
    complete = (of_one for of_one in members.values() if all(state.stage in GOOD for state in of_one))
    return tuple(_write(of_one, runs_dir) for of_one in complete)


def _write(states: Sequence[RunState], runs_dir: Path) -> FoldsBatch:
    spec, fold = states[0].planned.spec, _fold_of(states[0])
    runs = tuple(RunFolder(state.folder) for state in states if state.folder is not None)
    records = [run.read_record() for run in runs]
    parts = [_part(run, record, _fold_of(state)) for run, record, state in zip(runs, records, states, strict=True)]
    examples = check_parts(parts)
    made = folds_id([state.planned.identity.model_dump_json() for state in states])
    folder = runs_dir / FOLDS_DIR / f"{spec.name}-{made}"
    content = out_of_fold_csv(parts)
    record = FoldsRecord(
        id=made,
        name=spec.name,
        count=fold.count,
        repeats=len(states) // fold.count,
        seed=fold.seed,
        examples=examples,
        runs=tuple(_fold_run(part, record) for part, record in zip(parts, records, strict=True)),
        predictions=PREDICTIONS,
        predictions_sha256=sha256(content).hexdigest(),
        validation=dict(_recorded_scores(records, "validation")),
        test=dict(_recorded_scores(records, "test")),
        out_of_fold=dict(_predicted_scores(parts)),
    )
    with explained(f"write {folder / PREDICTIONS}"):
        disk.make_folders(folder)
        # The record comes last: where it is, the predictions that it has the sum of are there, too.
        disk.write_atomically(folder / PREDICTIONS, content)
    write_record(folder, record)
    return FoldsBatch(folder, record, runs)


def _fold_of(state: RunState) -> Fold:
    fold = state.planned.spec.dataset.fold
    if fold is None:
        raise ValueError(f"{state.label} is not the run of a fold")
    return fold


def _part(run: RunFolder, record: RunRecord, fold: Fold) -> FoldPart:
    examples = record.dataset.examples if record.dataset is not None else {}
    divided = examples.get("train", 0) + examples.get("validation", 0)
    predictions = read_fold_predictions(run)
    return FoldPart(run.id, fold.repeat, fold.index, read_interface(run).target, predictions, divided)


def _fold_run(part: FoldPart, record: RunRecord) -> FoldRun:
    return FoldRun(
        run=part.run,
        repeat=part.repeat,
        fold=part.fold,
        examples=len(part.predictions.rows),
        weights_sha256=record.weights_sha256 or "",
    )


def _recorded_scores(records: Sequence[RunRecord], split: str) -> Iterator[tuple[str, FoldScores]]:
    """Yield the loss and metrics that the runs have on record."""
    for name in dict.fromkeys(name for record in records for name in record.result.get(split, {})):
        yield name, _scores([record.result.get(split, {}).get(name) for record in records])


def _predicted_scores(parts: Sequence[FoldPart]) -> Iterator[tuple[str, FoldScores]]:
    """Yield the scores that follow from the out-of-fold predictions."""
    of_folds = [_overall([part]) for part in parts]
    repeats = sorted({part.repeat for part in parts})
    pooled = [_overall([part for part in parts if part.repeat == repeat]) for repeat in repeats]
    for name in of_folds[0]:
        joint = _scores([scores.get(name) for scores in pooled])
        yield name, _scores([scores.get(name) for scores in of_folds], pooled=joint.mean)


def _overall(parts: Sequence[FoldPart]) -> Mapping[str, float]:
    collector = collector_of(parts[0].target)
    for part in parts:
        found = part.predictions
        collector.add(found.target, found.outputs, found.weights if found.weights.size else None)
    return collector.breakdown().overall


def _scores(values: Sequence[float | None], *, pooled: float | None = None) -> FoldScores:
    finite = tuple(value if value is not None and math.isfinite(value) else None for value in values)
    known = [value for value in finite if value is not None]
    is_whole = len(known) == len(finite)
    return FoldScores(
        mean=statistics.fmean(known) if known and is_whole else None,
        standard_deviation=statistics.stdev(known) if len(known) > 1 and is_whole else None,
        values=finite,
        pooled=pooled,
    )
