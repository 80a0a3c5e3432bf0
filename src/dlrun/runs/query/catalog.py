"""Find the run that a user names by its id, a part of it, a path, `last` or `best:KEY`."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dlrun.errors import UsageError
from dlrun.names import nearest
from dlrun.runs.directions import derive_directions, find_direction, parse_signed
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.trust import is_own, refuse_unusual_files
from dlrun.runs.query.listing import list_specs, scan_runs
from dlrun.runs.query.summary import RunSummary
from dlrun.system.disk import reason

_SHOWN = 8


def find_run(
    argument: str, *, runs_dir: Path, is_trained: bool = False, refuses_unusual_files: bool = True
) -> RunFolder:
    """Return the run that the user means.

    Args:
        argument: One of the following, tried in this order: `last`, the undamaged run that started last; `best:KEY`,
            the run with the best value of KEY in the direction of its metric (`RunSummary.value_to_choose_by` explains
            KEY; the newest of equal runs), or `best:-KEY` for the smallest and `best:+KEY` for the largest value of any
            KEY; the id of a run; a path; a part of exactly one id.
        runs_dir: The folder for runs.
        is_trained: Whether `last` skips runs that have not started to train and so have no model, if any run has.
        refuses_unusual_files: Whether a run that was made elsewhere may contain only files and folders, since links
            could lead reading and writing out of its folder. False for commands that only remove runs.

    Returns:
        The run.

    Raises:
        UsageError: There is no such run (the error names the nearest), or more than one (it names the candidates); or
            the direction of KEY is unknown; or a run from elsewhere contains a link or a special file.
    """
    found = _find(argument, runs_dir, is_trained=is_trained)
    if refuses_unusual_files and not is_own(found):
        refuse_unusual_files(found)
    return found


def _find(argument: str, runs_dir: Path, *, is_trained: bool) -> RunFolder:
    is_word = argument == "last" or argument.startswith("best:")
    named = None if is_word else _by_name(argument, runs_dir)
    if named is not None:
        return named
    runs = scan_runs(runs_dir)
    if Path(argument).suffix in (".yaml", ".yml") and not any(argument in run.id for run in runs):
        message = f"{argument} is a config, not a run"
        raise UsageError(message, expected="an id, a part of one, a path, last, or best:KEY", hint="dlrun train CONFIG")
    if os.path.isfile(argument) and not any(argument in run.id for run in runs):  # noqa: PTH113
        message = f"{argument} is a file, not a run"
        hint = "a command takes the run first, as in: dlrun predict last FILE"
        raise UsageError(message, expected="an id, a part of one, a path, last, or best:KEY", hint=hint)
    if not runs:
        raise UsageError(f"there are no runs in {runs_dir}", hint="dlrun train CONFIG")
    if argument == "last":
        return (_last_trained(runs) if is_trained else None) or _last(runs, runs_dir)
    return _best(runs, argument.removeprefix("best:")) if is_word else _by_part(runs, argument, runs_dir)


def _by_name(argument: str, runs_dir: Path) -> RunFolder | None:
    path = Path(argument)
    try:
        if argument and path.name == argument and (runs_dir / path).is_dir():
            return RunFolder.open(runs_dir / path)
        if (path / "run.json").is_file() or (os.sep in argument and path.is_dir()):
            return RunFolder.open(path)
    except PermissionError as error:
        why, hint = reason(error)
        raise UsageError(f"cannot look up the run {argument}: {error.filename}: {why}", hint=hint) from error
    except (OSError, ValueError):  # for example, longer than a file name may be: then it is not a path
        return None
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
    key, wanted = parse_signed(argument)
    having = [(run, value) for run in runs if (value := run.value_to_choose_by(key)) is not None]
    having = [(run, value) for run, value in having if math.isfinite(value)]
    if not having:
        raise _without_value(runs, key, sign=argument.removesuffix(key))
    if wanted is None:
        wanted = find_direction(key, directions_of_runs([run for run, _ in having], runs), write=lambda k: f"best:{k}")
    sign = 1.0 if wanted == "max" else -1.0
    return max(having, key=lambda pair: sign * pair[1])[0].folder  # max() returns the first of equals: the newest


def directions_of_runs(wanted: Sequence[RunSummary], runs: Sequence[RunSummary]) -> list[Mapping[str, str]]:
    """Return the directions of the scores of some runs, taken from the spec if a run has none on record.

    Args:
        wanted: These runs.
        runs: All runs of the folder, whose specs are read from one index.
    """
    if all(run.directions for run in wanted):
        return [run.directions for run in wanted]
    specs = list_specs(runs)
    found: list[Mapping[str, str]] = []
    for run in wanted:
        spec = dict(zip(specs[run.id].keys, specs[run.id].values, strict=True))
        found.append(run.directions or derive_directions(spec, run.scores()))
    return found


def _without_value(runs: Sequence[RunSummary], key: str, *, sign: str) -> UsageError:
    named = set().union(*(run.keys() for run in runs))
    known = sorted(name for name in named if any(run.value(name) is not None for run in runs))
    if named & {key, f"val_{key}"} - {*known}:
        what = f"{key} is undefined in all runs that have it"
        return UsageError(what, expected=f"one of {', '.join(known)}" if known else "a score that is defined")
    if f"test_{key}" in known:
        what = f"no run has a validation score {key!r}, and a test score is only used for a choice if you ask for it"
        return UsageError(what, expected=f"one of {', '.join(known)}", hint=f"best:{sign}test_{key}")
    near = nearest(key, known)
    return UsageError(
        f"no run has a value for {key!r}",
        expected=f"one of {', '.join(known)}" if known else "a run that has been evaluated",
        hint=f"best:{sign}{near}" if near else "",
    )


def _by_part(runs: Sequence[RunSummary], argument: str, runs_dir: Path) -> RunFolder:
    matches = [run for run in runs if argument and argument in run.id]
    if len(matches) == 1:
        return matches[0].folder
    if matches:
        shown = ", ".join(run.id for run in matches[:_SHOWN]) + (", ..." if len(matches) > _SHOWN else "")
        raise UsageError(
            f"{argument!r} matches {len(matches)} runs: {shown}",
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
