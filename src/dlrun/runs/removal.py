"""Runs and checkpoints that are no longer wanted: removed only from a runs folder, and never from under a process."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from dlrun.errors import RunError, UsageError
from dlrun.runs.folder import RunFolder, now
from dlrun.system.disk import disk, explained
from dlrun.system.staging import DROPPED, drop_folder, recover, settled_names

Keep = Literal["best", "last", "none"]
_STEP = re.compile("step-[0-9]+")


class Freed(NamedTuple):
    """What a removal gave back.

    Args:
        run: The run's id.
        removed: Names of the checkpoints; the run's own id if all of it went.
        bytes: On the disk; a file with several names counts when the last one goes.
    """

    run: str
    removed: tuple[str, ...]
    bytes: int


def parse_keep(word: str) -> Keep:
    """What `--keep` says.

    Raises:
        UsageError: It is none of the words.
    """
    for keep in get_args(Keep):
        if word == keep:
            return cast("Keep", keep)
    raise UsageError(f"cannot keep {word!r}", expected=f"one of {', '.join(get_args(Keep))}")


def check_removable(folder: RunFolder, *, runs_dir: Path) -> None:
    """Refuse what is no run of this runs folder, or is in use.

    Raises:
        UsageError: The folder is a symbolic link, lies elsewhere, or has no `run.json` of dlrun's.
        RunError: A process holds the run.
    """
    path = folder.path
    if path.is_symlink():
        raise UsageError(f"{path} is a symbolic link", expected="a run folder itself", hint=f"rm {path}")
    if not runs_dir.is_dir() or path.resolve().parent != runs_dir.resolve():
        raise UsageError(f"{path} does not lie in {runs_dir}", expected="a run in the runs folder", hint="--runs-dir")
    try:
        folder.read_record()
    except RunError as error:
        raise UsageError(
            f"{path} is no run that dlrun can vouch for: {error.what}",
            expected="a folder with a run.json that dlrun wrote",
            hint="look at it, and remove it by hand",
        ) from error
    if (holder := folder.held_by()) is not None:
        raise RunError(
            f"the run {folder.id} is held by process {holder}",
            expected="a run that nobody trains",
            hint="wait until that process ends, or stop it",
        )


def remove_run(folder: RunFolder, *, runs_dir: Path) -> Freed:
    """Remove a run folder with all that it holds; links in it are removed and not followed.

    Raises:
        UsageError: It is no run of this runs folder.
        RunError: A process holds it, or it cannot be removed.
    """
    check_removable(folder, runs_dir=runs_dir)
    freed = Freed(folder.id, (folder.id,), size_of(folder.path))
    clear_dropped(runs_dir)
    with folder.lock():
        _drop(folder)
    return freed


def clear_dropped(runs_dir: Path) -> None:
    """Remove what a removal that was killed has left; what somebody holds, or what cannot be removed, stays."""
    with suppress(OSError):
        for name in disk.names(runs_dir):
            path = runs_dir / name
            if name.startswith(DROPPED) and not path.is_symlink() and RunFolder(path).held_by() is None:
                with suppress(OSError):
                    disk.remove_tree(path)


def _drop(folder: RunFolder) -> None:
    """Remove a run that is held: gone in one step, its files after that and the lock last.

    Raises:
        RunError: It cannot be removed, and is as it was; or it is removed, and some of its files are left.
    """
    path, dropped = folder.path, folder.path.with_name(DROPPED + folder.path.name)
    for place in (path.parent, path, *(Path(each) for each, _, _ in os.walk(path))):
        if not os.access(place, os.W_OK | os.X_OK):
            raise RunError(
                f"cannot remove {path}: {place} may not be written to",
                expected="a run whose folders all belong to you",
                hint=f"chmod u+rwx {place}",
            )
    before = _files(path)
    with explained(f"remove {path}"):
        disk.rename(path, dropped)
    try:
        for name in sorted(disk.names(dropped), key=lambda name: name == ".lock"):
            disk.remove_tree(dropped / name)
        disk.rmdir(dropped)
    except OSError as error:
        if _files(dropped) == before:
            with suppress(OSError):
                disk.rename(dropped, path)
        if disk.exists(path):
            raise RunError(f"cannot remove {path}: {error.strerror or error}; it is unchanged") from error
        said = f"{folder.id} is removed, and some of its files are left in {dropped}: {error.strerror or error}"
        raise RunError(said, hint="the next dlrun runs rm tries again") from error


def remove_checkpoints(folder: RunFolder, *, keep: Keep, runs_dir: Path, is_trial: bool = False) -> Freed:
    """Remove checkpoints and keep results; a run that can then not go on is marked so in `run.json`.

    Args:
        folder: The run.
        keep: `best`, `last`, or `none`. With the first two the one that results are made of stays as well, which is the
            last, or the best where early stopping restores it; and the last of a run that is not complete, which needs
            it to go on.
        runs_dir: The runs folder that it must lie in.
        is_trial: Whether only to tell what would be removed.

    Raises:
        UsageError: It is no run of this runs folder.
        RunError: A process holds it, or a checkpoint cannot be removed.
    """
    check_removable(folder, runs_dir=runs_dir)
    if is_trial:
        return _freed(folder, _unwanted(folder, keep))
    clear_dropped(runs_dir)
    with folder.lock(), explained(f"remove checkpoints of {folder.id}"):
        if _present(folder):
            recover(folder.checkpoints)
        freed = _freed(folder, _unwanted(folder, keep))
        if folder.best.name in freed.removed or (freed.removed and set(_steps(folder)) <= set(freed.removed)):
            folder.update_record(checkpoints_removed=now())  # first: a run without its checkpoints always says why
        for name in freed.removed:
            drop_folder(folder.checkpoints / name)
    return freed


def refuse_removed(folder: RunFolder, name: Literal["best", "last"] = "last") -> None:
    """Refuse to do without a checkpoint that the run had, and that was removed.

    Raises:
        UsageError: It was.
    """
    when, present = folder.read_record().checkpoints_removed, _present(folder)
    if when is None or name in present or (name == "last" and _steps(folder)):
        return
    other = f"; dlrun eval {folder.id} --checkpoint {present[-1]} scores what is left" if present else ""
    raise UsageError(
        f"the {name} checkpoint of {folder.id} was removed by dlrun runs gc at {when}",
        expected=f"a run with its {name} checkpoint; this one has {', '.join(present) or 'none'}",
        hint=f"its results are as they were, and dlrun train {folder.spec_yaml} trains it again{other}",
    )


def _freed(folder: RunFolder, names: tuple[str, ...]) -> Freed:
    gone = {file for name in names for file in _files(folder.checkpoints / name)}
    kept = {file for name in set(_present(folder)) - set(names) for file in _files(folder.checkpoints / name)}
    return Freed(folder.id, names, sum(size for _, size in gone - kept))


def size_of(path: Path) -> int:
    """Bytes of the files in a folder; one with several names counts once.

    Raises:
        RunError: It cannot be read.
    """
    with explained(f"look at {path}"):
        return sum(size for _, size in _files(path))


def _files(path: Path) -> set[tuple[int, int]]:
    """Inode and size of every file below `path`; links are not followed."""
    found = set()
    for folder, _, names in os.walk(path):
        for name in names:
            status = (Path(folder) / name).lstat()
            found.add((status.st_ino, status.st_size))
    return found


def _unwanted(folder: RunFolder, keep: Keep) -> tuple[str, ...]:
    present, steps = _present(folder), _steps(folder)
    best, last = {folder.best.name}, {*steps[-1:]}
    if keep == "none":
        return present
    ends_with_best = _ends_with_best(folder)
    wanted = best if keep == "best" else last
    if ends_with_best is not False:
        wanted = wanted | best
    if not ends_with_best or not best & {*present} or folder.read_record().status != "completed":
        wanted = wanted | last
    return tuple(name for name in present if name not in wanted)


def _ends_with_best(folder: RunFolder) -> bool | None:
    """Whether `final` is the best and not the last; None if nothing tells."""
    from dlrun.runs.flat_spec import read_flat_spec  # which needs YAML

    try:
        return read_flat_spec(folder.spec_yaml).get("training.early_stopping.restore_best") is True
    except RunError:
        return None


def _present(folder: RunFolder) -> tuple[str, ...]:
    """Names of the checkpoints: the steps, oldest first, and the best."""
    try:
        is_folder = stat.S_ISDIR(folder.checkpoints.lstat().st_mode)
    except OSError:
        return ()
    names = settled_names(folder.checkpoints) if is_folder else set()
    steps = sorted((name for name in names if _STEP.fullmatch(name)), key=lambda name: (int(name[5:]), name))
    return (*steps, *({folder.best.name} & names))


def _steps(folder: RunFolder) -> tuple[str, ...]:
    return tuple(name for name in _present(folder) if name != folder.best.name)
