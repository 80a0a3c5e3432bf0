"""Select and sort runs, for `--where`, `--status`, `--sort` and `--limit`."""

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
    """A selection of runs.

    Args:
        where: A condition, as for `parse_where`; empty for all runs.
        status: Statuses, separated by commas; empty for all.
        sort: A key, with a minus sign for the largest first; empty to keep the order, which is the newest first.
        limit: The largest number of runs; None for no limit.
    """

    where: str = ""
    status: str = ""
    sort: str = ""
    limit: int | None = None

    def of(self, runs: Iterable[RunSummary], fields: RunFields) -> list[RunSummary]:
        """Return the selected runs.

        Args:
            runs: Runs of one folder, newest first.
            fields: Their keys.

        Raises:
            UsageError: The condition is not valid, or a key or a status does not exist.
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
        where: A condition such as `val_accuracy>0.98 and model.type=cnn`. Its keys are those of the listing, scores,
            and the dotted keys of the spec; empty for all runs.
        status: Statuses, separated by commas, such as `completed,failed`; empty for all.
        sort: The key to sort by, with a minus sign for the largest first, such as `-val_accuracy`; empty for the newest
            first.
        limit: The largest number of runs to return; None for all.
        runs_dir: The folder for runs.

    Returns:
        A summary of each run; its `plain()` is what `dlrun runs ls --json` prints.

    Raises:
        UsageError: The condition is not valid, or a key or a status does not exist.
        RunError: The folder cannot be listed.
    """
    runs = scan_runs(Path(runs_dir))
    return Selection(where, status, sort, limit).of(runs, RunFields(runs))


def find_key(key: str, fields: RunFields) -> Getter:
    """Return the function that gives the value of a key.

    Args:
        key: The key.
        fields: The keys of the runs.

    Raises:
        UsageError: No run has the key; the error suggests the nearest one.
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
    """Sort runs by a value: numbers before texts, and runs without a value last in either direction."""
    ranked = [(_rank(getter(run)), run) for run in runs]
    having = [(rank, run) for rank, run in ranked if rank is not None]
    having.sort(key=lambda pair: pair[0], reverse=descending)
    return [run for _, run in having] + [run for rank, run in ranked if rank is None]


def _rank(value: Value) -> tuple[bool, float, str] | None:
    if value is None or value == [] or value != value:  # noqa: PLR0124  the last is true for NaN
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (False, value, "") if is_number else (True, 0, as_text(value))
