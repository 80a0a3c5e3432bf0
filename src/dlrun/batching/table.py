"""The table of a batch: its runs sorted by a validation score, with mean and standard deviation over seeds.

The test score is shown next to it but does not affect the order: the best of many test scores is not a fair estimate.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from dlrun.batching.folds.record import FoldsBatch
from dlrun.batching.grid import FOLD, REPEAT, SEED
from dlrun.batching.plan import larger_wins
from dlrun.batching.state import GOOD, RunState
from dlrun.errors import RunError
from dlrun.metrics.metric import SPLIT_PREFIXES, without_split
from dlrun.runs.directions import parse_signed
from dlrun.runs.folder import RunFolder
from dlrun.runs.record import RunRecord
from dlrun.spec.checks.check import best_metric, monitored_metric
from dlrun.spec.types import Spec
from dlrun.system.spreadsheet import csv_text

Values = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class BatchRow:
    """One run.

    Args:
        state: How it ended.
        record: The content of its run.json; None if it has none.
        score: The score that it is sorted by; None if it is missing or undefined.
        test_score: The same score on the test split; None if there is none.
    """

    state: RunState
    record: RunRecord | None
    score: float | None
    test_score: float | None

    @property
    def values(self) -> Values:
        """The values that distinguish it from the other runs of its config."""
        return self.state.planned.combination.values

    def plain(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        record, state = self.record, self.state
        return {
            "config": str(state.planned.combination.config),
            "name": state.planned.label,
            "values": dict(self.values),
            "run": state.folder.name if state.folder else None,
            "status": state.stage,
            "reason": state.reason,
            "score": self.score,
            "test_score": self.test_score,
            "result": record.result if record else {},
            "seconds": record.seconds if record else None,
            "weights_sha256": record.weights_sha256 if record else None,
        }


@dataclass(frozen=True)
class Statistics:
    """The mean and standard deviation of some scores."""

    scores: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """The mean; None without any scores."""
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation; None for fewer than two scores.

        Formula:
            sqrt(sum((x - mean)^2) / (n - 1))
        """
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None


@dataclass(frozen=True)
class Group:
    """The runs whose specs differ only in the seed, or only in the fold.

    Args:
        label: The label of their config, usually the name in the spec.
        values: The values that distinguish them from the other groups of the config.
        runs: The number of runs.
        scores: The scores of the runs that have one, the best first.
        test_scores: The test scores of the runs that have one.
        best: The id of the best run; None for folds.
        over: What the runs differ in.
        folds: The name of the complete folds, as `read_folds` takes it; None for seeds.
    """

    label: str
    values: Values
    runs: int
    scores: Statistics
    test_scores: Statistics
    best: str | None
    over: Literal["seeds", "folds"] = "seeds"
    folds: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the group as plain JSON values."""
        return {
            "name": self.label,
            "values": dict(self.values),
            "over": self.over,
            "runs": self.runs,
            "mean": self.scores.mean,
            "standard_deviation": self.scores.deviation,
            "scores": len(self.scores.scores),
            "test_mean": self.test_scores.mean,
            "test_standard_deviation": self.test_scores.deviation,
            "best": self.best,
            "folds": self.folds,
        }


@dataclass(frozen=True)
class BatchTable:
    """The results of a batch.

    Args:
        metric: The score that the runs are sorted by, as in `best:KEY`.
        larger_is_better: Its direction.
        rows: All runs, the best first, those without a score last.
        groups: The runs that differ only in their seed or their fold, the best mean first.
        group_of: The number of each row's group.
        notes: What to know about the order.
        folds: The folds whose runs are all complete.
    """

    metric: str
    larger_is_better: bool
    rows: tuple[BatchRow, ...]
    groups: tuple[Group, ...]
    group_of: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    folds: tuple[FoldsBatch, ...] = ()

    @property
    def failed(self) -> int:
        """The number of runs without a result."""
        return sum(row.state.stage not in GOOD for row in self.rows)

    @property
    def has_groups(self) -> bool:
        """Whether some runs differ only in their seed or their fold."""
        return len(self.groups) < len(self.rows)

    @property
    def keys(self) -> list[str]:
        """The keys that distinguish runs, in the order of the command line."""
        return list(dict.fromkeys(key for row in self.rows for key, _ in row.values))

    @property
    def test_metric(self) -> str | None:
        """The test score to show next to the score; None if no run has it, or the runs are sorted by it."""
        name = f"test_{without_split(self.metric)}"
        return name if name != self.metric and any(row.test_score is not None for row in self.rows) else None

    def plain(self) -> dict[str, Any]:
        """Return the table as plain JSON values."""
        rows, groups = [row.plain() for row in self.rows], [group.plain() for group in self.groups]
        head = {"metric": self.metric, "larger_is_better": self.larger_is_better, "notes": list(self.notes)}
        folds = [{"folder": str(each.folder), **each.record.model_dump()} for each in self.folds]
        return {**head, "runs": rows, "groups": groups, **({"folds": folds} if folds else {})}

    def csv(self) -> str:
        """Return CSV with one line per run: its own score, and mean and standard deviation over its seeds or folds."""
        keys = self.keys
        head = ("config", "name", *keys, "run", "status", "reason", self.metric, "mean", "standard_deviation")
        splits = list(dict.fromkeys(pair for row in self.rows for pair in _scores(row)))
        rows: list[tuple[Any, ...]] = [(*head, *(f"{split}_{name}" for split, name in splits), "seconds")]
        for row, number in zip(self.rows, self.group_of, strict=True):
            plain, scores, values = row.plain(), _scores(row), dict(row.values)
            of_group = self.groups[number].scores
            cells = (plain["run"], plain["status"], plain["reason"], row.score, of_group.mean, of_group.deviation)
            own = (values.get(key) for key in keys)
            results = (scores.get(pair) for pair in splits)
            rows.append((plain["config"], plain["name"], *own, *cells, *results, plain["seconds"]))
        return csv_text(rows)


def make_table(states: Sequence[RunState], *, metric: str = "", folds: tuple[FoldsBatch, ...] = ()) -> BatchTable:
    """Sort the runs of a batch, and group those that differ only in their seed or their fold.

    Args:
        states: How each run has ended.
        metric: The value of `--metric`; empty for the score that the runs monitored, which is one of the validation
            split if there is one.
        folds: The folds whose runs are all complete.

    Raises:
        UsageError: The direction of the metric is unknown.
    """
    records = [_record(state) for state in states]
    specs = [state.planned.spec for state in states]
    wanted, notes = (metric, []) if metric else _watched_metric(specs, records)
    larger = larger_wins(wanted, specs)
    key, _ = parse_signed(wanted)
    rows = [
        BatchRow(
            state,
            record,
            _score(record, key, is_final=state.planned.is_fold),
            _finite(record, "test", without_split(key)),
        )
        for state, record in zip(states, records, strict=True)
    ]
    rows = sorted(rows, key=lambda row: _rank(row.score, larger=larger))
    members: dict[tuple[str, str], list[BatchRow]] = {}
    for row, group in zip(rows, _group_keys(rows), strict=True):
        members.setdefault(group, []).append(row)
    gathered = sorted(
        (_gathered(each, folds) for each in members.values()),
        key=lambda pair: _rank(pair[0].scores.mean, larger=larger),
    )
    numbers = {id(row): number for number, (_, of_group) in enumerate(gathered) for row in of_group}
    return BatchTable(
        key,
        larger,
        tuple(rows),
        tuple(group for group, _ in gathered),
        tuple(numbers[id(row)] for row in rows),
        (*notes, *_notes(key, rows)),
        folds,
    )


def _row(state: RunState, record: RunRecord | None, key: str) -> BatchRow:
    score = _score(record, key, is_final=state.planned.is_fold)
    return BatchRow(state, record, score, _finite(record, "test", without_split(key)))


def _record(state: RunState) -> RunRecord | None:
    with suppress(RunError):
        return RunFolder(state.folder).read_record() if state.folder and state.stage in GOOD else None
    return None


def _watched_metric(specs: Sequence[Spec], records: Sequence[RunRecord | None]) -> tuple[str, list[str]]:
    """Return the score that the runs monitored, if it is the same for all; else a validation score that all have.

    Losses of different kinds have different scales and cannot be compared, so a metric is used instead.
    """
    of_runs = [record.best.metric for record in records if record is not None and record.best is not None]
    watched = list(dict.fromkeys(of_runs)) or [
        monitored_metric(spec, best_metric(spec.training), has_validation=True) for spec in specs[:1]
    ]
    losses = {json.dumps(spec.loss.plain(), sort_keys=True) for spec in specs}
    if len(watched) == 1 and (without_split(watched[0]) != "loss" or len(losses) == 1):
        return watched[0], []
    names = [[metric.log_name for metric in spec.metrics if metric.larger_is_better is not None] for spec in specs]
    shared = [name for name in names[0] if all(name in others for others in names)]
    chosen = f"val_{shared[0]}" if shared else watched[0]
    why = f"the runs monitored {', '.join(watched)}" if len(watched) > 1 else "the runs have losses of different kinds"
    return chosen, [f"{why}: they are sorted by {chosen}" + ("" if shared else ", which has different scales")]


def _fold_notes(rows: Sequence[BatchRow]) -> Iterator[str]:
    of_folds = [row.state for row in rows if row.state.planned.is_fold]
    if any(state.stage not in GOOD for state in of_folds):
        yield "some folds lack their runs: their out-of-fold predictions are written when every run is complete"
    rules = [state.planned.spec.training.early_stopping for state in of_folds]
    if any(rule is not None and rule.restore_best for rule in rules):
        yield "each run chose its best epoch by its own fold: validation and out-of-fold scores are slightly too good"


def _notes(metric: str, rows: Sequence[BatchRow]) -> Iterator[str]:
    yield from _fold_notes(rows)
    records = [row.record for row in rows if row.record is not None]
    if metric.startswith("test_"):
        yield f"sorted by {metric}, as requested: the test score of the best run is no longer a fair estimate"
    elif rows and all(row.score is None for row in rows) and any(row.test_score is not None for row in rows):
        yield f"no run has a validation score {metric}; --metric test_{without_split(metric)} sorts by the test split"
    elif records and not metric.startswith("val_") and not any("validation" in record.result for record in records):
        yield f"there is no validation split: sorted by {metric} on the training examples, which may not generalize"


def _score(record: RunRecord | None, metric: str, *, is_final: bool) -> float | None:
    """Return the best value if the run monitored this score, else its value on the split that the metric names.

    `is_final` asks for the value of the final model in any case: that of a fold belongs to its out-of-fold predictions.

    Without a split in the name, this is the value on the validation split, or on the training split if there is none.
    """
    if record is None:
        return None
    if record.best is not None and record.best.metric == metric and not is_final:
        value = record.best.value
        return value if value is not None and math.isfinite(value) else None
    prefix = next((prefix for prefix in SPLIT_PREFIXES if metric.startswith(prefix)), "")
    splits = (SPLIT_PREFIXES[prefix],) if prefix else ("validation", "train")
    found = (_finite(record, split, without_split(metric)) for split in splits)
    return next((each for each in found if each is not None), None)


def _finite(record: RunRecord | None, split: str, name: str) -> float | None:
    value = record.result.get(split, {}).get(name) if record is not None else None
    return value if value is not None and math.isfinite(value) else None


def _rank(score: float | None, *, larger: bool) -> float:
    if score is None:
        return math.inf
    return -score if larger else score


def _group_keys(rows: Sequence[BatchRow]) -> list[tuple[str, str]]:
    """Return what each row shares with other seeds or folds of its model; two runs of the same are kept apart."""
    planned = [row.state.planned for row in rows]
    counts = Counter((each.model, each.spec.seed, each.spec.dataset.fold) for each in planned)
    repeated = {model for (model, *_), count in counts.items() if count > 1}
    return [(each.model, each.label if each.model in repeated else "") for each in planned]


def _gathered(rows: Sequence[BatchRow], folds: Sequence[FoldsBatch]) -> tuple[Group, Sequence[BatchRow]]:
    first = rows[0].state
    labels = list(dict.fromkeys(row.state.planned.label for row in rows))
    label = labels[0] if len(labels) == 1 else f"{labels[0]} and {len(labels) - 1} more"
    scores = tuple(row.score for row in rows if row.score is not None)
    tests = tuple(row.test_score for row in rows if row.test_score is not None)
    best = first.folder.name if first.folder and scores else None
    numbers = (len(rows), Statistics(scores), Statistics(tests))
    combination = first.planned.combination
    if first.planned.is_fold:
        # The best fold is only the one with the easiest examples.
        name = next((each.folder.name for each in folds if first.folder in [run.path for run in each.runs]), None)
        return Group(label, combination.without(FOLD, REPEAT), *numbers, None, "folds", name), rows
    return Group(label, combination.without(SEED), *numbers, best), rows


def _scores(row: BatchRow) -> Mapping[tuple[str, str], float | None]:
    result = row.record.result if row.record else {}
    return {(split, name): value for split, scores in result.items() for name, value in scores.items()}
