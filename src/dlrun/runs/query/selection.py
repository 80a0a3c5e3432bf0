"""Some of the runs of a folder, in an order: what `--where`, `--status`, `--sort` and `--limit` ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dlrun.errors import UsageError
from dlrun.runs import RUNS_DIR
from dlrun.runs.query.fields import Getter, RunFields, Value, as_text
from dlrun.runs.query.listing import scan_runs
from dlrun.runs.query.summary import RunSummary
from dlrun.runs.query.where import parse_where

STATUSES = ("created", "running", "completed", "interrupted", "failed", "stale", "damaged")


@dataclass(frozen=True)
class Selection:
    """A question about runs.

    Args:
        where: A condition, as `parse_where` takes it; empty: all.
        status: Statuses, separated by commas; empty: all.
        sort: A key, with a minus in front for the largest first; empty: as they come, which is the newest first.
        limit: How many at most; None: all.
    """

    where: str = ""
    status: str = ""
    sort: str = ""
    limit: int | None = None

    def of(self, runs: Iterable[RunSummary], fields: RunFields) -> list[RunSummary]:
        """Those of the runs that are asked for.

        Args:
            runs: Of one folder, the newest first.
            fields: Their keys.

        Raises:
            UsageError: The condition is none, or a key or a status does not exist.
        """
        runs = list(runs)
        if not runs:
            return []
        if self.status:
            wanted = _statuses(self.status)
            runs = [run for run in runs if run.status in wanted]
        if self.where:
            fulfils = parse_where(self.where, fields)
            runs = [run for run in runs if fulfils(run)]
        if self.sort:
            key = self.sort.removeprefix("-")
            runs = _sorted_by(runs, find_key(key, fields), descending=self.sort != key)
        return runs[: self.limit]


def list_runs(
    where: str = "",
    *,
    status: str = "",
    sort: str = "",
    limit: int | None = None,
    runs_dir: str | Path = RUNS_DIR,
) -> list[RunSummary]:
    """List runs, as `dlrun runs ls` does.

    Args:
        where: A condition that the runs meet: `val_accuracy>0.98 and model.type=cnn`. Its keys are those of the
            listing, scores, and the keys of the spec by their dotted path. Empty: all runs.
        status: Statuses, separated by commas: `completed,failed`. Empty: all.
        sort: The key to sort by, with a minus in front for the largest first: `-val_accuracy`. Empty: the newest first.
        limit: The largest number of runs to return; None: all.
        runs_dir: The folder of the runs.

    Returns:
        A summary of each run; its `plain()` is what `dlrun runs ls --json` prints.

    Raises:
        UsageError: The condition cannot be read, or there is no such key or status.
        RunError: The folder cannot be listed.
    """
    runs = scan_runs(Path(runs_dir))
    return Selection(where, status, sort, limit).of(runs, RunFields(runs))


def find_key(key: str, fields: RunFields) -> Getter:
    """What gives the value of a key.

    Raises:
        UsageError: No run has it; the nearest is named.
    """
    getter = fields.getter(key)
    if getter is None:
        near = fields.nearest(key)
        hint = f"did you mean {near!r}?" if near else ""
        raise UsageError(f"no run has a key {key!r}", expected=fields.described(), hint=hint)
    return getter


def _statuses(text: str) -> list[str]:
    from dlrun.names import nearest

    wanted = [word.strip() for word in text.split(",")]
    for word in wanted:
        if word not in STATUSES:
            near = nearest(word, STATUSES)
            hint = f"did you mean {near!r}?" if near else ""
            raise UsageError(f"there is no status {word!r}", expected=f"one of {', '.join(STATUSES)}", hint=hint)
    return wanted


def _sorted_by(runs: Iterable[RunSummary], getter: Getter, *, descending: bool) -> list[RunSummary]:
    """The runs in the order of a value: numbers before texts, and those without a value last, whatever the order."""
    ranked = [(_rank(getter(run)), run) for run in runs]
    having = [(rank, run) for rank, run in ranked if rank is not None]
    having.sort(key=lambda pair: pair[0], reverse=descending)
    return [run for _, run in having] + [run for rank, run in ranked if rank is None]


def _rank(value: Value) -> tuple[bool, float, str] | None:
    if value is None or value == [] or value != value:  # noqa: PLR0124  not a number
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (False, value, "") if is_number else (True, 0, as_text(value))
