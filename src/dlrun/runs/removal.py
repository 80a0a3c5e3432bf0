"""Remove runs and checkpoints: only from a runs folder, and never while a process uses them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from dlrun.errors import RunError, UsageError
from dlrun.runs.folder import RunFolder, now
from dlrun.system.disk import disk, explained
from dlrun.system.lease.lease import Lease
from dlrun.system.staging import DROPPED, drop_folder, recover, settled_names

Keep = Literal["best", "last", "none"]
_STEP = re.compile("step-[0-9]+")


class Freed(NamedTuple):
    """What a removal has freed.

    Args:
        run: The id of the run.
        removed: The names of the removed checkpoints; the id of the run if it was removed as a whole.
        bytes: The freed space; a file with several names (hard links) counts when its last name is removed.
    """

    run: str
    removed: tuple[str, ...]
    bytes: int


def parse_keep(word: str) -> Keep:
    """Parse the value of `--keep`.

    Args:
        word: The value.

    Raises:
        UsageError: The value is not one of the choices.
    """
    for keep in get_args(Keep):
        if word == keep:
            return cast("Keep", keep)
    raise UsageError(f"cannot keep {word!r}", expected=f"one of {', '.join(get_args(Keep))}")


def check_removable(folder: RunFolder, *, runs_dir: Path) -> None:
    """Check that a folder is a run in this runs folder, and not in use.

    Args:
        folder: The run.
        runs_dir: The runs folder.

    Raises:
        UsageError: The folder is a symbolic link, lies elsewhere, or has no valid `run.json`.
        RunError: A process holds the run.
    """
    path = folder.path
    if path.is_symlink():
        raise UsageError(f"{path} is a symbolic link", expected="a run folder itself", hint=f"rm {path}")
    if not runs_dir.is_dir() or path.resolve().parent != runs_dir.resolve():
        raise UsageError(f"{path} is not in {runs_dir}", expected="a run in the runs folder", hint="--runs-dir")
    try:
        folder.read_record()
    except RunError as error:
        raise UsageError(
            f"{path} does not look like a run: {error.what}",
            expected="a folder with a run.json that dlrun wrote",
            hint="look into it, and remove it by hand",
        ) from error
    if (holder := folder.living_holder()) is not None:
        raise RunError(
            f"the run {folder.id} is held by {holder}", expected="a run that no process uses", hint=holder.hint
        )


def find_children(parents: Collection[RunFolder], *, runs_dir: Path) -> dict[str, tuple[str, ...]]:
    """Return the ids of the runs that started from the weights of other runs, by the id of such a parent.

    Args:
        parents: The runs that may be parents. They are not listed as children.
        runs_dir: The folder of the children.

    Raises:
        RunError: The folder cannot be listed.
    """
    ids, found = {folder.id for folder in parents}, dict[str, list[str]]()
    if not ids or not runs_dir.is_dir():
        return {}
    with explained(f"list {runs_dir}"):
        names = sorted(disk.names(runs_dir))
    for name in names:
        if name in ids or name.startswith((".", DROPPED)) or not (runs_dir / name / "run.json").is_file():
            continue
        with suppress(RunError):  # a damaged run has no known parent
            for part in RunFolder(runs_dir / name).read_record().initialization:
                if part.source == "run" and part.place in ids:
                    found.setdefault(part.place, []).append(name)
    return {parent: tuple(dict.fromkeys(children)) for parent, children in found.items()}


def remove_run(folder: RunFolder, *, runs_dir: Path) -> Freed:
    """Remove a run folder with everything in it; links in it are removed, but not followed.

    Args:
        folder: The run.
        runs_dir: The runs folder that it must be in.

    Returns:
        What was freed.

    Raises:
        UsageError: The folder is not a run in this runs folder.
        RunError: A process holds the run, or it cannot be removed.
    """
    check_removable(folder, runs_dir=runs_dir)
    freed = Freed(folder.id, (folder.id,), size_of(folder.path))
    clear_dropped(runs_dir)
    with folder.lock() as lease:
        _drop(folder, lease)
    return freed


def clear_dropped(runs_dir: Path) -> None:
    """Remove the leftovers of killed removals, except those in use or those that cannot be removed."""
    with suppress(OSError):
        for name in disk.names(runs_dir):
            path = runs_dir / name
            if name.startswith(DROPPED) and not path.is_symlink() and RunFolder(path).held_by() is None:
                with suppress(OSError):
                    disk.remove_tree(path)


def _drop(folder: RunFolder, lease: Lease) -> None:
    """Remove a run that this process holds.

    First one rename makes the run disappear from all listings, then its files are removed, and the lock last.

    Raises:
        RunError: The run cannot be removed and is unchanged; or it is removed, but some of its files are left.
    """
    path, dropped = folder.path, folder.path.with_name(DROPPED + folder.path.name)
    # Before the rename: afterwards, a folder that is not writable would leave files of a removed run.
    for place in (path.parent, path, *(Path(each) for each, _, _ in os.walk(path))):
        if not os.access(place, os.W_OK | os.X_OK):
            raise RunError(
                f"cannot remove {path}: {place} is not writable",
                expected="write permission for all folders of the run",
                hint=f"chmod u+rwx {place}",
            )
    before = _files(path)
    with explained(f"remove {path}"):
        disk.rename(path, dropped)
    try:
        # The lock goes last: until then it keeps other processes from using what is left.
        lock = folder.lock_folder.name
        for name in disk.names(dropped):
            if name != lock:
                disk.remove_tree(dropped / name)
        lease.release()  # nothing renames the file of the lock any more while it is removed
        with suppress(FileNotFoundError):  # another removal clears what it finds without a holder
            disk.remove_tree(dropped / lock)
            disk.rmdir(dropped)
    except OSError as error:
        # Undo the rename only if nothing is gone: a run without some of its files must not come back.
        if _files(dropped) == before:
            with suppress(OSError):
                disk.rename(dropped, path)
        if disk.exists(path):
            raise RunError(f"cannot remove {path}: {error.strerror or error}; it is unchanged") from error
        message = f"{folder.id} is removed, but some of its files are left in {dropped}: {error.strerror or error}"
        raise RunError(message, hint="the next dlrun runs rm tries again") from error


def remove_checkpoints(folder: RunFolder, *, keep: Keep, runs_dir: Path, is_trial: bool = False) -> Freed:
    """Remove checkpoints, but keep results; `run.json` records it if the run can no longer be resumed.

    Args:
        folder: The run.
        keep: `best`, `last`, or `none`. With the first two, the checkpoint that the results belong to stays as well:
            the last one, or the best if early stopping restores it. So does the last one of an incomplete run, which
            resuming needs.
        runs_dir: The runs folder that it must be in.
        is_trial: Whether to only return what would be removed.

    Returns:
        What was freed, or would be.

    Raises:
        UsageError: The folder is not a run in this runs folder.
        RunError: A process holds the run, or a checkpoint cannot be removed.
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
            folder.update_record(checkpoints_removed=now())  # before removing, so that the reason is always on record
        for name in freed.removed:
            drop_folder(folder.checkpoints / name)
    return freed


def refuse_removed(folder: RunFolder, name: Literal["best", "last"] = "last") -> None:
    """Raise an error if a checkpoint that the run had was removed by `dlrun runs gc`.

    Args:
        folder: The run.
        name: The checkpoint that is needed.

    Raises:
        UsageError: It was removed.
    """
    when, present = folder.read_record().checkpoints_removed, _present(folder)
    if when is None or name in present or (name == "last" and _steps(folder)):
        return
    other = f"; dlrun eval {folder.id} --checkpoint {present[-1]} scores what is left" if present else ""
    raise UsageError(
        f"the {name} checkpoint of {folder.id} was removed by dlrun runs gc at {when}",
        expected=f"a run with its {name} checkpoint; this one has {', '.join(present) or 'none'}",
        hint=f"its results are still there, and dlrun train {folder.spec_yaml} trains the model again{other}",
    )


def _freed(folder: RunFolder, names: tuple[str, ...]) -> Freed:
    # Checkpoints share files by hard links; a file that a kept one has too frees no space.
    gone = {file for name in names for file in _files(folder.checkpoints / name)}
    kept = {file for name in set(_present(folder)) - set(names) for file in _files(folder.checkpoints / name)}
    return Freed(folder.id, names, sum(size for _, size in gone - kept))


def size_of(path: Path) -> int:
    """Return the number of bytes in the files of a folder; a file with several names counts once.

    Args:
        path: The folder.

    Raises:
        RunError: The folder cannot be read.
    """
    with explained(f"look at {path}"):
        return sum(size for _, size in _files(path))


def _files(path: Path) -> set[tuple[int, int]]:
    """Return the inode and size of every file below `path`, without following links."""
    found = set()
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):  # a lock is renewed by renaming its file
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
    # If it is unknown which one the results belong to, both stay.
    if ends_with_best is not False:
        wanted = wanted | best
    if not ends_with_best or not best & {*present} or folder.read_record().status != "completed":
        wanted = wanted | last
    return tuple(name for name in present if name not in wanted)


def _ends_with_best(folder: RunFolder) -> bool | None:
    """Return whether `final` is the best checkpoint instead of the last; None if that is unknown."""
    from dlrun.runs.flat_spec import read_flat_spec  # imported late because it needs YAML

    try:
        return read_flat_spec(folder.spec_yaml).get("training.early_stopping.restore_best") is True
    except RunError:
        return None


def _present(folder: RunFolder) -> tuple[str, ...]:
    """Return the names of the checkpoints: the steps, oldest first, and the best."""
    try:
        is_folder = stat.S_ISDIR(folder.checkpoints.lstat().st_mode)
    except OSError:
        return ()
    names = settled_names(folder.checkpoints) if is_folder else set()
    steps = sorted((name for name in names if _STEP.fullmatch(name)), key=lambda name: (int(name[5:]), name))
    return (*steps, *({folder.best.name} & names))


def _steps(folder: RunFolder) -> tuple[str, ...]:
    return tuple(name for name in _present(folder) if name != folder.best.name)
