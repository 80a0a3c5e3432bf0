"""The columns of run listings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from dlrun.cli.display.format import format_age, format_score, format_scores
from dlrun.cli.runs.output import ListingColumn
from dlrun.runs.query.fields import OF_EVERY_RUN, RunFields, as_text
from dlrun.runs.query.selection import find_key
from dlrun.runs.query.summary import BestScore, RunSummary
from dlrun.system.duration import format_seconds

_TIMES = {"age": format_age, "seconds": format_seconds}
_IN_A_SPREADSHEET = ("id", "name", "status", "started", "seconds", "model", "dataset", "tag", "device", "precision")


def key_columns(keys: str, fields: RunFields) -> list[ListingColumn]:
    """Return a column for each key of a comma-separated list."""
    names = [key.strip() for key in keys.split(",") if key.strip()]
    return [ListingColumn(name, find_key(name, fields), _TIMES.get(name, _text)) for name in names]


def default_columns(runs: Iterable[RunSummary]) -> list[ListingColumn]:
    """Return the columns of a listing without `--columns`, with searches and tags if there are any."""
    age = RunFields(()).getter("age")
    columns = [
        ListingColumn("id", lambda run: run.id),
        ListingColumn("status", lambda run: run.status),
        ListingColumn("age", age or (lambda _run: None), format_age),
        ListingColumn("model", lambda run: run.model or ""),
        ListingColumn("dataset", lambda run: run.dataset or ""),
        ListingColumn("time", lambda run: run.seconds, _seconds),
        ListingColumn("best", lambda run: run.best, _best),
        ListingColumn("test", lambda run: format_scores(run.result.get("test", {})) or run.problem),
    ]
    runs = tuple(runs)
    if any(run.search for run in runs):
        columns.append(ListingColumn("search", _trial_of))
    if any(run.tags for run in runs):
        columns.append(ListingColumn("tag", lambda run: ", ".join(run.tags)))
    return columns


def spreadsheet_columns(runs: Sequence[RunSummary]) -> list[ListingColumn]:
    """Return columns for CSV: one value each, and one column for every score of any run."""
    scores = sorted(set[str]().union(*(run.keys() for run in runs)))
    return [
        *(ListingColumn(key, OF_EVERY_RUN[key]) for key in (*_IN_A_SPREADSHEET, "parameters", "throughput")),
        *(ListingColumn(key, OF_EVERY_RUN[key]) for key in ("search", "search.trial")),
        ListingColumn("best_metric", lambda run: run.best.metric if run.best else None),
        *(ListingColumn(key, OF_EVERY_RUN[key]) for key in ("best", "epoch")),
        # A default binds the score of each turn. Without it, every column would show the last score.
        *(ListingColumn(score, lambda run, score=score: run.value(score)) for score in scores),  # type: ignore[misc]
        ListingColumn("problem", OF_EVERY_RUN["problem"]),
    ]


def _trial_of(run: RunSummary) -> str:
    return f"{run.search} {run.trial}" if run.search else ""


def _text(value: Any) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, float) and math.isfinite(value):
        return format_score(value)
    return ", ".join(map(as_text, value)) if isinstance(value, list) else as_text(value)


def _seconds(value: float | None) -> str:
    return format_seconds(value) if value is not None else ""


def _best(best: BestScore | None) -> str:
    return f"{best.metric} {format_score(best.value)}" if best else ""
