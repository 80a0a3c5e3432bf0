"""Find the files that a spec names, and suggest the nearest name if there is none."""

from __future__ import annotations

import errno
import glob
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dlrun.errors import DataError
from dlrun.names import nearest

FROM_WHERE = "A relative path starts from the working directory or, if it is not there, from the config's folder."
"""The rule for paths of data and plugins, as the descriptions of keys state it."""

_MOST_NAMES = 5_000


@dataclass(frozen=True)
class Located:
    """The path of a file that a spec names.

    Args:
        path: The path as seen from the working directory.
        note: A note for the user about which of two folders was chosen; empty if there is no doubt.
    """

    path: str
    note: str = ""


def locate(path: str, *, beside: Path) -> Located | None:
    """Find the file, the folder or the files that a path or pattern in a spec refers to.

    Args:
        path: The path or pattern in the spec.
        beside: The folder of the spec, where a relative path starts if it does not exist in the working directory.

    Returns:
        The path to use; None if nothing exists there.
    """
    given = _expand(path)
    other = _below(beside, path)
    if given.is_absolute() or _same_folder(beside):
        return Located(path) if is_there(path) else None
    if is_there(path):
        doubled = is_there(other) and not _same_file(path, other)
        note = f"{path} is taken from the working directory, not from the config's folder ({other})" if doubled else ""
        return Located(path, note)
    if is_there(other):
        return Located(other, f"{path} is not in {Path.cwd()}; {other} is used, from the config's folder")
    return None


def absent(key: str, path: str, *, beside: Path) -> DataError:
    """Return the error for a path that does not exist.

    Args:
        key: The key that names it, such as `dataset.path`.
        path: The path in the spec.
        beside: The folder of the spec.
    """
    if (why := _unreachable(path)) is not None:
        return DataError(f"{key}: {path} cannot be accessed: {why}", expected="a readable file or folder")
    given = _expand(path)
    folders = [Path.cwd()] if _same_folder(beside) else [Path.cwd(), beside.absolute()]
    where = "" if given.is_absolute() else " in " + " or ".join(map(str, folders))
    near = near_path(path) or ("" if given.is_absolute() else near_path(path, within=beside))
    is_pattern = glob.has_magic(path)
    what = f"no file matches {path}" if is_pattern else f"there is no file or folder {path}"
    return DataError(
        f"{key}: {what}{where}",
        expected=FROM_WHERE,
        hint=f"did you mean {near}?" if near else f"set another path with --set {key}=...",
    )


def no_file(path: str | Path, *, expected: str, hint: str = "") -> DataError:
    """Return the error for a file on the command line that does not exist.

    Args:
        path: The path as given.
        expected: A description of the expected file.
        hint: What to try if no name in its folder is similar.
    """
    where = "" if Path(path).is_absolute() else f" in {Path.cwd()}"
    near = near_path(str(path))
    return DataError(
        f"there is no file {path}{where}", expected=expected, hint=f"did you mean {near}?" if near else hint
    )


def unreadable(error: OSError) -> DataError:
    """Return the error for data that the system does not allow to read."""
    return DataError(
        f"cannot read {error.filename or 'the data'}: {error.strerror or error}",
        expected="a readable file or folder",
        hint="check the owner and the permissions of it, and of the folders above it",
    )


def near_path(path: str, *, within: Path | None = None) -> str:
    """Return the path that was probably meant: with the first wrong part replaced by the nearest name in that folder.

    Args:
        path: A path that does not exist.
        within: The folder that a relative path starts from; None for the working directory.

    Returns:
        The path; empty if no name is similar, or the corrected path does not exist either.
    """
    start = (within or Path()) / _expand(path)
    for folder in start.parents:
        if not os.path.isdir(folder):  # noqa: PTH112  returns False for a folder that may not be entered
            continue
        first, *rest = start.relative_to(folder).parts
        near = nearest(first, _names(folder, is_hidden=first.startswith(".")))
        meant = folder.joinpath(near or first, *rest)
        return str(meant) if near and os.path.exists(meant) else ""  # noqa: PTH110
    return ""


def is_there(path: str) -> bool:
    """Return whether a path exists, or a pattern matches something; False if it may not be accessed."""
    expanded = str(_expand(path))
    if os.path.exists(expanded):  # noqa: PTH110  Path.exists raises in a folder that may not be entered
        return True
    return glob.has_magic(expanded) and next(glob.iglob(expanded, recursive=True), None) is not None  # noqa: PTH207


def _expand(path: str) -> Path:
    """Replace `~` by the home folder; unlike `Path.expanduser`, this does not fail for an unknown user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def _below(folder: Path, path: str) -> str:
    escaped = glob.escape(str(folder)) if glob.has_magic(path) else str(folder)
    return str(Path(escaped) / _expand(path))


def _same_folder(folder: Path) -> bool:
    return os.path.realpath(folder) == os.path.realpath(Path.cwd())


def _same_file(first: str, second: str) -> bool:
    return os.path.realpath(_expand(first)) == os.path.realpath(_expand(second))


def _names(folder: Path, *, is_hidden: bool) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in islice(entries, _MOST_NAMES)]
    except OSError:
        return []
    return [name for name in found if is_hidden or not name.startswith(".")]


def _unreachable(path: str) -> str | None:
    """Return why a path cannot be accessed; None if it simply does not exist."""
    try:
        _expand(path).lstat()
    except OSError as error:
        return None if error.errno in (errno.ENOENT, errno.ENOTDIR) else error.strerror
    except ValueError as error:
        return str(error)
    return None
