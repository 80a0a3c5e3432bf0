"""The run that is meant by an id, a part of one, a path, `last` or `best:KEY`."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Sequence
from pathlib import Path

from dlrun.errors import UsageError
from dlrun.registry import nearest
from dlrun.runs.folder import RunFolder
from dlrun.runs.listing import list_runs
from dlrun.runs.summary import RunSummary

_SHOWN = 8


def find_run(argument: str, *, runs_dir: Path, is_trained: bool = False) -> RunFolder:
    """The run that the user means.

    Args:
        argument: In this order: `last` (started last, not damaged); `best:KEY` or `best:-KEY`, the run with the largest
            or the smallest value of KEY (`RunSummary.value` says what a KEY is; of equal ones the newest); the id of
            a run; a path; a part of exactly one id.
        runs_dir: Where runs are.
        is_trained: Whether `last` passes by runs that have not begun to train, if any has: there is no model yet.

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
        return (_last_trained(runs) if is_trained else None) or _last(runs, runs_dir)
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


def _last_trained(runs: Sequence[RunSummary]) -> RunFolder | None:
    begun = (run.folder for run in runs if run.status != "damaged" and run.folder.interface_json.exists())
    return next(begun, None)


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
