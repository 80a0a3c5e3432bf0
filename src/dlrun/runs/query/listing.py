"""List the runs in a folder, newest first, and read their specs if a question needs them."""

from __future__ import annotations

import datetime as dt
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dlrun.errors import RunError
from dlrun.runs import FOLDS_DIR, SEARCHES_DIR
from dlrun.runs.query.index import IndexEntry, IndexSource, refresh
from dlrun.runs.query.summary import BestScore, RunSummary, summarise
from dlrun.system.disk import reason

_KEYS = RunSummary._fields[2:]
_STATUSES = frozenset({"created", "completed", "interrupted", "failed"})
_MOST_SPEC_KEYS = 400
_LONGEST_TIME = 1e12  # seconds; only a wrong clock gives later times

_TEXT, _NUMBER, _NONE = (str,), (int, float), (type(None),)
_TYPES = {
    "name": _TEXT,
    "status": _TEXT,
    "started": _TEXT + _NONE,
    "order": _NUMBER,
    "seconds": _NUMBER + _NONE,
    "model": _TEXT + _NONE,
    "dataset": _TEXT + _NONE,
    "best": (list, *_NONE),
    "result": (dict,),
    "directions": (dict,),
    "tags": (list,),
    "parameters": (int, *_NONE),
    "throughput": _NUMBER + _NONE,
    "device": _TEXT + _NONE,
    "precision": _TEXT + _NONE,
    "commit": _TEXT + _NONE,
    "search": _TEXT + _NONE,
    "trial": (int, *_NONE),
    "problem": _TEXT,
}


def scan_runs(runs_dir: Path, *, from_index: bool = True) -> list[RunSummary]:
    """Return all runs in a folder, newest first; one without a readable `run.json` has the status `damaged`.

    Args:
        runs_dir: The folder for runs.
        from_index: Whether unchanged runs may be read from an index, which may have been written by someone else.

    Raises:
        RunError: The folder cannot be listed.
    """
    try:
        with os.scandir(runs_dir) as entries:
            names = [entry.name for entry in entries if _may_be_run(entry)]
    except FileNotFoundError:
        return []
    except OSError as error:
        why, hint = reason(error)
        raise RunError(f"cannot list {runs_dir}: {why}", hint=hint) from error
    source = IndexSource(
        "run.json", ".index.json", lambda name: _values(read_summary(runs_dir, name)), _Checker().is_sound
    )
    found = refresh(runs_dir, names, source, from_index=from_index)
    runs = [_restore(runs_dir, name, entry.values) for name, entry in found.items()]
    return sorted(runs, key=lambda run: (run.order, run.id), reverse=True)


def _may_be_run(entry: os.DirEntry[str]) -> bool:
    if entry.name in (FOLDS_DIR, SEARCHES_DIR) and not os.path.lexists(os.path.join(entry.path, "run.json")):  # noqa: PTH118
        return False
    return not entry.name.startswith(".") and entry.is_dir()


def read_summary(runs_dir: Path, name: str) -> RunSummary:
    """Return the summary of one run, read from its folder only."""
    from dlrun.runs.folder import RunFolder
    from dlrun.runs.record import read_record

    path = runs_dir / name
    try:
        record = read_record(path / "run.json")
        status = RunFolder(path).status_of(record) if record.status == "running" else record.status
    except RunError as error:
        return RunSummary(runs_dir, name, problem=error.what, order=_modified(path))
    return summarise(runs_dir, name, record, order=_started(record.started, path))._replace(status=status)


def list_specs(runs: Iterable[RunSummary], *, from_index: bool = True) -> dict[str, IndexEntry]:
    """Return the values of each run's `spec.yaml` by dotted key; none for a run with a missing or damaged spec.

    Args:
        runs: All runs of one folder.
        from_index: Whether unchanged specs may be read from an index.
    """
    runs = list(runs)
    if not runs:
        return {}
    runs_dir = runs[0].runs_dir

    def read(name: str) -> tuple[tuple[str, ...], list[Any], bool]:
        from dlrun.runs.flat_spec import read_flat_spec  # imported late: the index may answer without YAML and pydantic

        try:
            values = read_flat_spec(runs_dir / name / "spec.yaml")
        except RunError:
            return (), [], True
        keys = tuple(values)[:_MOST_SPEC_KEYS]
        return keys, [values[key] for key in keys], True

    # No need to check types here: code that compares a value checks its type first.
    source = IndexSource("spec.yaml", ".index-specs.json", read, _any_entry)
    return refresh(runs_dir, [run.id for run in runs], source, from_index=from_index)


def _any_entry(_entry: IndexEntry) -> bool:
    return True


def _values(run: RunSummary) -> tuple[tuple[str, ...], list[Any], bool]:
    # A running run changes between two listings, and only its lock shows whether it still runs: never cache it.
    return _KEYS, list(run[2:]), run.status in _STATUSES


def _restore(runs_dir: Path, name: str, values: list[Any]) -> RunSummary:
    run = RunSummary(runs_dir, name, *values)
    return run._replace(best=BestScore(*run.best) if run.best else None, tags=tuple(run.tags))


class _Checker:
    """Checks that index entries are what a listing writes, and remembers the combinations of types it has seen."""

    def __init__(self) -> None:
        self._known: dict[tuple[type, ...], bool] = {}
        self._allowed = tuple(_TYPES[key] for key in _KEYS)
        self._status, self._order = _KEYS.index("status"), _KEYS.index("order")
        self._best, self._result, self._tags = (_KEYS.index(key) for key in ("best", "result", "tags"))
        self._directions = _KEYS.index("directions")

    def is_sound(self, entry: IndexEntry) -> bool:
        """Return whether a summary can be made from the values and shown without errors."""
        if entry.keys != _KEYS:
            return False
        values, best = entry.values, entry.values[self._best]
        kinds = (*map(type, values), *(map(type, best) if type(best) is list else ()))
        if (sound := self._known.get(kinds)) is None:
            sound = self._known[kinds] = self._are_sound(kinds)
        return (
            sound
            and values[self._status] in _STATUSES
            and abs(values[self._order]) < _LONGEST_TIME
            and all(type(tag) is str for tag in values[self._tags])
            and all(each in ("max", "min") for each in values[self._directions].values())
            and all(type(scores) is dict and _are_scores(scores.values()) for scores in values[self._result].values())
        )

    def _are_sound(self, kinds: tuple[type, ...]) -> bool:
        row, best = kinds[: len(_KEYS)], kinds[len(_KEYS) :]
        is_best = row[self._best] is not list or (
            len(best) == len(BestScore._fields)
            and best[0] is str
            and best[1] in _NUMBER + _NONE
            and best[2:] == (int, int)
        )
        return is_best and all(kind in allowed for kind, allowed in zip(row, self._allowed, strict=True))


def _are_scores(values: Iterable[Any]) -> bool:
    return all(value is None or type(value) in _NUMBER for value in values)


def _started(started: str | None, path: Path) -> float:
    try:
        order = dt.datetime.fromisoformat(started or "").timestamp()
    except (ValueError, OverflowError):
        return _modified(path)
    return order if math.isfinite(order) else _modified(path)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
