"""The runs in a folder: all of them, or the one meant by an id, a part of one, a path, `last` or `best:KEY`."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dlrun.errors import RunError, UsageError
from dlrun.registry import nearest
from dlrun.runs.folder import RunFolder, SeenStatus
from dlrun.runs.record import BestRecord, RunRecord

_SPLITS = {"val_": "validation", "test_": "test", "train_": "train"}
_SHOWN = 8


@dataclass(frozen=True)
class RunSummary:
    """One line of `dlrun runs ls`.

    Args:
        folder: The run.
        id: The folder's name.
        name: The spec's `name`; empty if the run is damaged.
        status: As a reader sees it: `stale` and `damaged` too.
        started: ISO 8601.
        seconds: How long it took.
        model: The model's `type`.
        dataset: The dataset's name.
        best: The best value of the metric that was watched.
        result: Metrics by split.
        problem: Why it is damaged.
        order: When it started, in seconds since 1970.
    """

    folder: RunFolder
    id: str
    name: str = ""
    status: SeenStatus | Literal["damaged"] = "damaged"
    started: str | None = None
    seconds: float | None = None
    model: str | None = None
    dataset: str | None = None
    best: BestRecord | None = None
    result: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    problem: str = ""
    order: float = 0.0

    def plain(self) -> dict[str, Any]:
        """The line as JSON has it."""
        best = self.best.model_dump(mode="json") if self.best else None
        shown = ("id", "name", "status", "started", "seconds", "model", "dataset", "problem")
        values = {name: getattr(self, name) for name in shown}
        return {**values, "best": best, "result": self.result, "path": str(self.folder.path)}

    def value(self, key: str) -> float | None:
        """The number that `best:KEY` compares.

        It is the best value, if `key` is the metric that the run watched (`val_accuracy`). Otherwise it is looked up in
        the results: `val_`, `test_` and `train_` name the split; without one, first the test split, then validation.
        """
        if self.best is not None and self.best.metric == key and self.best.value is not None:
            return self.best.value
        for prefix, split in _SPLITS.items():
            if key.startswith(prefix):
                return self.result.get(split, {}).get(key.removeprefix(prefix))
        found = (self.result.get(split, {}).get(key) for split in ("test", "validation"))
        return next((value for value in found if value is not None), None)

    def keys(self) -> set[str]:
        """Every key that `value` has an answer for, as the user would write it."""
        prefixes = {split: prefix for prefix, split in _SPLITS.items()}
        keys = {prefixes.get(split, "") + metric for split, metrics in self.result.items() for metric in metrics}
        return keys | ({self.best.metric} if self.best is not None else set())


def list_runs(runs_dir: Path) -> list[RunSummary]:
    """Every run in a folder, newest first; a folder without a readable `run.json` is one with the status `damaged`.

    Raises:
        RunError: The folder cannot be listed.
    """
    if not runs_dir.exists():
        return []
    try:
        paths = [Path(entry) for entry in os.scandir(runs_dir) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        raise RunError(f"cannot list {runs_dir}: {error.strerror}") from error
    return sorted(map(_summary, paths), key=lambda run: (run.order, run.id), reverse=True)


def find_run(argument: str, *, runs_dir: Path) -> RunFolder:
    """The run that the user means.

    Args:
        argument: In this order: `last` (started last, not damaged); `best:KEY` or `best:-KEY`, the run with the largest
            or the smallest value of KEY (`RunSummary.value` says what a KEY is; of equal ones the newest); the id of
            a run; a path; a part of exactly one id.
        runs_dir: Where runs are.

    Raises:
        UsageError: There is no such run, or more than one; the nearest, or the candidates, are named.
    """
    is_word = argument == "last" or argument.startswith("best:")
    named = None if is_word else _by_name(argument, runs_dir)
    if named is not None:
        return named
    runs = list_runs(runs_dir)
    if not runs:
        raise UsageError(f"there are no runs in {runs_dir}", hint="dlrun train CONFIG")
    if argument == "last":
        return _last(runs, runs_dir)
    return _best(runs, argument.removeprefix("best:")) if is_word else _by_part(runs, argument, runs_dir)


def _by_name(argument: str, runs_dir: Path) -> RunFolder | None:
    path = Path(argument)
    with contextlib.suppress(OSError):  # longer than a name can be, for example: then it is none
        if argument and path.name == argument and (runs_dir / path).is_dir():
            return RunFolder.open(runs_dir / path)
        if (path / "run.json").is_file() or (os.sep in argument and path.is_dir()):
            return RunFolder.open(path)
    return None


def _last(runs: Sequence[RunSummary], runs_dir: Path) -> RunFolder:
    for run in runs:
        if run.status != "damaged":
            return run.folder
    raise UsageError(f"every run in {runs_dir} is damaged", expected="a run with a run.json", hint="dlrun runs ls")


def _best(runs: Sequence[RunSummary], argument: str) -> RunFolder:
    key = argument.removeprefix("-")
    sign = -1.0 if argument.startswith("-") else 1.0
    ranked = [(sign * value, run) for run in runs if (value := run.value(key)) is not None and math.isfinite(value)]
    if ranked:
        return max(ranked, key=lambda pair: pair[0])[1].folder  # of equal ones max takes the first, which is the newest
    known = sorted(set().union(*(run.keys() for run in runs)))
    near = nearest(key, known)
    raise UsageError(
        f"no run has a value for {key!r}",
        expected=f"one of {', '.join(known)}" if known else "a run that has been evaluated",
        hint=f"best:{'-' if sign < 0 else ''}{near}" if near else "",
    )


def _by_part(runs: Sequence[RunSummary], argument: str, runs_dir: Path) -> RunFolder:
    matches = [run for run in runs if argument and argument in run.id]
    if len(matches) == 1:
        return matches[0].folder
    if matches:
        shown = ", ".join(run.id for run in matches[:_SHOWN]) + (", ..." if len(matches) > _SHOWN else "")
        raise UsageError(
            f"{argument!r} is part of {len(matches)} runs: {shown}",
            expected="a part of exactly one id",
            hint=f"{matches[0].id} is the newest of them",
        )
    names = {run.name: run.id for run in reversed(runs)} | {run.id: run.id for run in runs}
    near = nearest(argument, names)
    raise UsageError(
        f"there is no run {argument!r} in {runs_dir}",
        expected="an id, a part of one, a path, last, or best:KEY",
        hint=names[near] if near else f"dlrun runs ls; the newest is {runs[0].id}",
    )


def _summary(path: Path) -> RunSummary:
    folder = RunFolder(path)
    try:
        record = folder.read_record()
        status = folder.status_of(record)
    except RunError as error:
        return RunSummary(folder, path.name, problem=error.what, order=_modified(path))
    return RunSummary(
        folder,
        path.name,
        name=record.name,
        status=status,
        started=record.started,
        seconds=record.seconds,
        model=record.model.type if record.model else None,
        dataset=record.dataset.name if record.dataset else None,
        best=record.best,
        result=record.result,
        order=_started(record, path),
    )


def _started(record: RunRecord, path: Path) -> float:
    try:
        return dt.datetime.fromisoformat(record.started or "").timestamp()
    except (ValueError, OverflowError):
        return _modified(path)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
