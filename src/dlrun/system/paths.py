"""Where a path that a spec names is looked for, and the name that was probably meant where nothing is."""

from __future__ import annotations

import errno
import glob
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dlrun.errors import DataError
from dlrun.names import nearest

FROM_WHERE = "A relative path starts from the working directory or, where it is not there, from the config's folder."
"""The one rule for data and plugins, as the descriptions of keys state it."""

_MOST_NAMES = 5_000


@dataclass(frozen=True)
class Located:
    """Where a path that a spec names was found.

    Args:
        path: As it can be opened from the working directory.
        note: What the user has to be told: which of two folders was taken. Empty where there is no doubt.
    """

    path: str
    note: str = ""


def locate(path: str, *, beside: Path) -> Located | None:
    """Find what a path, or a pattern, of a spec means.

    Args:
        path: As the spec writes it.
        beside: The spec's own folder, from which a relative path starts if it is not in the working directory.

    Returns:
        None if nothing is there.
    """
    given = _expanded(path)
    other = _below(beside, path)
    if given.is_absolute() or _same_folder(beside):
        return Located(path) if is_there(path) else None
    if is_there(path):
        doubled = is_there(other) and not _same_file(path, other)
        note = f"{path} is that of the working directory; {other}, beside the config, is another" if doubled else ""
        return Located(path, note)
    if is_there(other):
        return Located(other, f"{path} is not in {Path.cwd()}: {other} is read, beside the config")
    return None


def absent(key: str, path: str, *, beside: Path) -> DataError:
    """Make the error of a path at which nothing is.

    Args:
        key: What names it: `dataset.path`.
        path: As the spec writes it.
        beside: The spec's own folder.
    """
    if (why := _unreachable(path)) is not None:
        return DataError(f"{key}: {path} cannot be looked at: {why}", expected="a file or folder that may be read")
    given = _expanded(path)
    folders = [Path.cwd()] if _same_folder(beside) else [Path.cwd(), beside.absolute()]
    where = "" if given.is_absolute() else " in " + " or ".join(map(str, folders))
    near = near_path(path) or ("" if given.is_absolute() else near_path(path, within=beside))
    is_pattern = glob.has_magic(path)
    what = f"no file matches {path}" if is_pattern else f"there is no file or folder {path}"
    return DataError(
        f"{key}: {what}{where}",
        expected=FROM_WHERE,
        hint=f"did you mean {near}?" if near else f"--set {key}=... names another",
    )


def no_file(path: str | Path, *, expected: str, hint: str = "") -> DataError:
    """Make the error of a file that a command names and that is not there.

    Args:
        path: As it was named.
        expected: What is read there.
        hint: What to try if no name in its folder is near.
    """
    where = "" if Path(path).is_absolute() else f" in {Path.cwd()}"
    near = near_path(str(path))
    return DataError(
        f"there is no file {path}{where}", expected=expected, hint=f"did you mean {near}?" if near else hint
    )


def unreadable(error: OSError) -> DataError:
    """Make the error of data that the system does not give."""
    return DataError(
        f"cannot read {error.filename or 'the data'}: {error.strerror or error}",
        expected="a file or folder that may be read",
        hint="check the owner and the permissions of it and of the folders above it",
    )


def near_path(path: str, *, within: Path | None = None) -> str:
    """The path that was probably meant: its first wrong part in place of the nearest name in that folder.

    Args:
        path: Where nothing is.
        within: The folder that a relative one starts from; None: the working directory.

    Returns:
        Empty if no name there is near, or something still is not there.
    """
    start = (within or Path()) / _expanded(path)
    for folder in start.parents:
        if not os.path.isdir(folder):  # noqa: PTH112  of a folder that may not be entered: False
            continue
        first, *rest = start.relative_to(folder).parts
        near = nearest(first, _names(folder, is_hidden=first.startswith(".")))
        meant = folder.joinpath(near or first, *rest)
        return str(meant) if near and os.path.exists(meant) else ""  # noqa: PTH110
    return ""


def is_there(path: str) -> bool:
    """Whether a path exists, or a pattern matches something; False of what may not be looked at."""
    expanded = str(_expanded(path))
    if os.path.exists(expanded):  # noqa: PTH110  Path.exists raises in a folder that may not be entered
        return True
    return glob.has_magic(expanded) and next(glob.iglob(expanded, recursive=True), None) is not None  # noqa: PTH207


def _expanded(path: str) -> Path:
    """With `~` as the home folder; unlike `Path.expanduser`, a user who does not exist is no error."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def _below(folder: Path, path: str) -> str:
    escaped = glob.escape(str(folder)) if glob.has_magic(path) else str(folder)
    return str(Path(escaped) / _expanded(path))


def _same_folder(folder: Path) -> bool:
    return os.path.realpath(folder) == os.path.realpath(Path.cwd())


def _same_file(first: str, second: str) -> bool:
    return os.path.realpath(_expanded(first)) == os.path.realpath(_expanded(second))


def _names(folder: Path, *, is_hidden: bool) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in islice(entries, _MOST_NAMES)]
    except OSError:
        return []
    return [name for name in found if is_hidden or not name.startswith(".")]


def _unreachable(path: str) -> str | None:
    """Why a path cannot be looked at, where it is not simply absent."""
    try:
        _expanded(path).lstat()
    except OSError as error:
        return None if error.errno in (errno.ENOENT, errno.ENOTDIR) else error.strerror
    except ValueError as error:
        return str(error)
    return None
