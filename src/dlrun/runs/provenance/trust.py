"""Whether a run was made here, by this user: only then may its plugins, which are code, and its data paths be used.

A run folder is signed with a secret that only this user has. A folder that came from elsewhere, or whose spec or
plugins were changed, does not verify, and its spec is read as a stranger's.
"""

from __future__ import annotations

import hmac
import os
import stat
from hashlib import sha256
from pathlib import Path

from dlrun.errors import UsageError
from dlrun.runs.enclosing import folder_around
from dlrun.runs.folder import RunFolder
from dlrun.runs.provenance.secret import find_secret, make_secret
from dlrun.system.disk import disk, explained

_LARGEST_BYTES = 1 << 24  # of a spec, a plugin or a signature


def sign(folder: RunFolder, spec: str) -> str:
    """Mark the run as made by this user, with the plugins that it has and the spec that it is about to get.

    The signature of the spec before stays valid beside it: the process may end before the new one is written.

    Returns:
        What there is to tell: why the run is not signed, or that the secret was made anew; empty: nothing.

    Raises:
        RunError: The signature cannot be written into the folder.
    """
    secret = make_secret()
    if secret.value is None:
        return f"the run is not signed, and will count as made elsewhere: {secret.note}"
    now = _present_signature(folder, secret.value)
    kept = [line for line in _lines(folder) if line == now]
    with explained(f"read the plugins of {folder.path}"):
        signature = _signature(folder, spec.encode(), secret.value)
    folder.write_text(folder.signature, "\n".join([*kept, signature]) + "\n")
    return secret.note


def is_own(folder: RunFolder, *, spec: bytes | None = None) -> bool:
    """Whether the run was made by this user, and its spec and plugins are as they were.

    Args:
        folder: The run.
        spec: What its spec.yaml holds, for who goes on with these very bytes; None: the file is read.
    """
    secret = find_secret()
    if secret is None:
        return False
    try:
        if _has_planted_link(folder):
            return False
        expected = _signature(folder, _read(folder.spec_yaml) if spec is None else spec, secret)
    except OSError:
        return False
    return any(hmac.compare_digest(found.encode(), expected.encode()) for found in _lines(folder))


def _has_planted_link(folder: RunFolder) -> bool:
    """Whether another user has put a link into the run folder.

    A user may move `checkpoints` to another disk and leave a link, which resume follows. Such a link is his own, or of
    whoever the folder belongs to. The signature tells nothing of links: who else may write to the folder, in a place
    that several people share, could lead what is written and removed there to any other one.
    """
    owners = {os.geteuid(), folder.path.stat().st_uid}
    with os.scandir(folder.path) as entries:
        return any(each.is_symlink() and each.stat(follow_symlinks=False).st_uid not in owners for each in entries)


def refuse_foreign_plugin(plugin: Path) -> None:
    """Refuse a plugin that came with a run from elsewhere, or that was put into an own run afterwards.

    Raises:
        UsageError: It did; it was not loaded.
    """
    around = folder_around(plugin)
    run = RunFolder(around) if around is not None else None
    if run is not None and not (is_own(run) and plugin.resolve().is_relative_to(run.plugins.resolve())):
        raise UsageError(
            f"the plugin {plugin} lies in the run {run.id}, which was not made here",
            hint="--trust-plugins, if you trust it as you trust a script",
        )


def refuse_unusual_files(folder: RunFolder) -> None:
    """Refuse a run from elsewhere that points out of its folder, or that would make a reader wait.

    Raises:
        UsageError: Something in it is neither a file nor a folder: a symbolic link, a pipe, a device.
        RunError: It cannot be listed.
    """
    left = [folder.path]
    while left:
        path = left.pop()
        with explained(f"look at {path}"):
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                left += [path / name for name in disk.names(path)]
        if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
            found = "a symbolic link" if stat.S_ISLNK(mode) else "neither a file nor a folder"
            raise UsageError(f"{path} is {found}, in a run that was not made here", expected="plain files")


def _present_signature(folder: RunFolder, secret: bytes) -> str:
    """What the run's spec and plugins are signed with as they are; empty if there is none yet."""
    try:
        return _signature(folder, _read(folder.spec_yaml), secret)
    except OSError:
        return ""


def _signature(folder: RunFolder, spec: bytes, secret: bytes) -> str:
    digest = hmac.new(secret, sha256(spec).digest(), digestmod="sha256")
    for path in sorted(folder.plugins.glob("*.py")):
        digest.update(os.fsencode(path.name) + b"\0" + sha256(_read(path)).digest())
    return digest.hexdigest()


def _lines(folder: RunFolder) -> list[str]:
    try:
        return _read(folder.signature).decode("ascii", errors="replace").split()
    except OSError:
        return []


def _read(path: Path) -> bytes:
    return disk.read_file(path, largest=_LARGEST_BYTES)
