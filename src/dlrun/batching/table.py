"""The runs of a batch in, sorted by a score, and mean and standard deviation over seeds out."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dlrun.batching.plan import larger_wins
from dlrun.batching.state import GOOD, RunState
from dlrun.errors import RunError
from dlrun.runs.folder import RunFolder
from dlrun.runs.record import RunRecord

_SPLITS = {"val_": "validation", "test_": "test", "train_": "train"}

Values = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Row:
    """One run.

    Args:
        state: How it ended.
        record: What its run.json says; None if it has none.
        score: By which it is sorted; None if it has none, or it is not finite.
    """

    state: RunState
    record: RunRecord | None
    score: float | None

    @property
    def values(self) -> Values:
        """What tells it from the other runs of its config."""
        return self.state.planned.combination.values

    def plain(self) -> dict[str, Any]:
        """The row as JSON has it."""
        record, state = self.record, self.state
        return {
            "config": str(state.planned.combination.config),
            "name": state.planned.spec.name,
            "values": dict(self.values),
            "run": state.folder.name if state.folder else None,
            "status": state.stage,
            "reason": state.reason,
            "score": self.score,
            "result": record.result if record else {},
            "seconds": record.seconds if record else None,
            "weights_sha256": record.weights_sha256 if record else None,
        }


@dataclass(frozen=True)
class Group:
    """The runs that differ in their seed alone.

    Args:
        name: The spec's.
        values: What they have in common, apart from all other groups of the config.
        runs: How many.
        scores: Of those that have one, the best first.
        best: Id of the best of them.
    """

    name: str
    values: Values
    runs: int
    scores: tuple[float, ...]
    best: str | None

    @property
    def mean(self) -> float | None:
        """Of the scores; None without any."""
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation (divided by n - 1); None of fewer than two scores.

        Formula:
            sqrt(sum((x - mean)^2) / (n - 1))
        """
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None

    def plain(self) -> dict[str, Any]:
        """The group as JSON has it."""
        numbers = {"mean": self.mean, "standard_deviation": self.deviation, "scores": len(self.scores)}
        return {"name": self.name, "values": dict(self.values), "runs": self.runs, **numbers, "best": self.best}


@dataclass(frozen=True)
class Table:
    """What came of a batch.

    Args:
        metric: What it is sorted by, as `best:KEY` names it.
        larger_is_better: Its direction.
        rows: Of every run, the best first, those without a score last.
        groups: Of the runs that differ in their seed alone, the best mean first.
    """

    metric: str
    larger_is_better: bool
    rows: tuple[Row, ...]
    groups: tuple[Group, ...]

    @property
    def failed(self) -> int:
        """How many runs have no result."""
        return sum(row.state.stage not in GOOD for row in self.rows)

    @property
    def has_seeds(self) -> bool:
        """Whether some runs differ in their seed alone."""
        return len(self.groups) < len(self.rows)

    @property
    def keys(self) -> list[str]:
        """Every key that tells runs apart, in the order of the command line."""
        return list(dict.fromkeys(key for row in self.rows for key, _ in row.values))

    def plain(self) -> dict[str, Any]:
        """The table as JSON has it."""
        rows, groups = [row.plain() for row in self.rows], [group.plain() for group in self.groups]
        return {"metric": self.metric, "larger_is_better": self.larger_is_better, "runs": rows, "groups": groups}

    def csv(self) -> str:
        """One line for each run, with mean and standard deviation over its seeds beside its own score."""
        text = io.StringIO(newline="")
        keys = self.keys
        writer = csv.writer(text, lineterminator="\n")
        head = ("config", "name", *keys, "run", "status", "reason", self.metric, "mean", "standard_deviation")
        splits = list(dict.fromkeys(pair for row in self.rows for pair in _scores(row)))
        writer.writerow((*head, *(f"{split}_{name}" for split, name in splits), "seconds"))
        groups = {(group.name, group.values): group for group in self.groups}
        for row in self.rows:
            plain, scores, values = row.plain(), _scores(row), dict(row.values)
            group = groups[_group_of(row)]
            cells = (plain["run"], plain["status"], plain["reason"], row.score, group.mean, group.deviation)
            own = (values.get(key) for key in keys)
            results = (scores.get(pair) for pair in splits)
            writer.writerow((plain["config"], plain["name"], *own, *cells, *results, plain["seconds"]))
        return text.getvalue()


def make_table(states: Sequence[RunState], *, metric: str = "") -> Table:
    """Sort the runs of a batch, and gather those that differ in their seed alone.

    Args:
        states: How each has ended.
        metric: As `best:KEY` takes it; empty: the first metric of the specs on the test split, else what was monitored.
    """
    records = [_record(state) for state in states]
    metric = metric or _usual_metric(states, records)
    larger = larger_wins(metric)
    rows = [Row(state, record, _score(record, metric)) for state, record in zip(states, records, strict=True)]
    rows = sorted(rows, key=lambda row: _rank(row.score, larger=larger))
    groups: dict[tuple[str, Values], list[Row]] = {}
    for row in rows:
        groups.setdefault(_group_of(row), []).append(row)
    gathered = [_gathered(name, values, members) for (name, values), members in groups.items()]
    return Table(metric, larger, tuple(rows), tuple(sorted(gathered, key=lambda g: _rank(g.mean, larger=larger))))


def _record(state: RunState) -> RunRecord | None:
    with suppress(RunError):
        return RunFolder(state.folder).read_record() if state.folder and state.stage in GOOD else None
    return None


def _usual_metric(states: Sequence[RunState], records: Sequence[RunRecord | None]) -> str:
    first = next(
        (spec.metrics[0].log_name for spec in (state.planned.spec for state in states) if spec.metrics), "loss"
    )
    known = [record for record in records if record is not None]
    if not known or any(record.result.get("test", {}).get(first) is not None for record in known):
        return f"test_{first}"
    return next((record.best.metric for record in known if record.best is not None), "loss")


def _score(record: RunRecord | None, metric: str) -> float | None:
    """The best value, if it is the one that the run watched; else that of the split that `metric` names."""
    if record is None:
        return None
    if record.best is not None and record.best.metric == metric:
        value = record.best.value
    else:
        prefix = next((prefix for prefix in _SPLITS if metric.startswith(prefix)), "")
        splits = (_SPLITS[prefix],) if prefix else ("test", "validation", "train")
        found = (record.result.get(split, {}).get(metric.removeprefix(prefix)) for split in splits)
        value = next((each for each in found if each is not None), None)
    return value if value is not None and math.isfinite(value) else None


def _rank(score: float | None, *, larger: bool) -> float:
    if score is None:
        return math.inf
    return -score if larger else score


def _group_of(row: Row) -> tuple[str, Values]:
    planned = row.state.planned
    return planned.spec.name, planned.combination.apart_from_seed


def _gathered(name: str, values: Values, rows: Sequence[Row]) -> Group:
    scores = tuple(row.score for row in rows if row.score is not None)
    best = rows[0].state.folder.name if rows[0].state.folder and scores else None
    return Group(name, values, len(rows), scores, best)


def _scores(row: Row) -> Mapping[tuple[str, str], float | None]:
    result = row.record.result if row.record else {}
    return {(split, name): value for split, scores in result.items() for name, value in scores.items()}
