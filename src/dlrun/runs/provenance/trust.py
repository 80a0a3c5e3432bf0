"""Verify that a run was made by this user: only then may its plugins, which are code, and its data paths be used.

A run folder is signed with a secret that only this user has. If a folder came from elsewhere, or its spec or plugins
were changed, the signature does not match, and its spec is treated like one from a stranger.
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

_LARGEST_BYTES = 1 << 24  # of a spec, a plugin or a signature file


def sign(folder: RunFolder, spec: str) -> str:
    """Sign a run as made by this user, with its plugins and the spec that is about to be written.

    The signature of the current spec stays valid next to the new one, because the process may end before the new spec
    is written.

    Args:
        folder: The run.
        spec: The text of the new spec.

    Returns:
        Why the run is not signed, or that the secret was created again; empty otherwise.

    Raises:
        RunError: The signature cannot be written to the folder.
    """
    secret = make_secret()
    if secret.value is None:
        return f"the run is not signed, so it counts as made elsewhere: {secret.note}"
    now = _present_signature(folder, secret.value)
    kept = [line for line in _lines(folder) if line == now]
    with explained(f"read the plugins of {folder.path}"):
        signature = _signature(folder, spec.encode(), secret.value)
    folder.write_text(folder.signature, "\n".join([*kept, signature]) + "\n")
    return secret.note


def is_own(folder: RunFolder, *, spec: bytes | None = None) -> bool:
    """Return whether the run was made by this user, with its spec and plugins unchanged.

    Args:
        folder: The run.
        spec: The content of its spec.yaml, if the caller has read it and continues with these bytes; None to read it.
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
    # Comparing in constant time reveals nothing about the expected signature.
    return any(hmac.compare_digest(found.encode(), expected.encode()) for found in _lines(folder))


def answer_challenge(text: str) -> str:
    """Return a digest of a text that only this user can make: two machines that return the same share the secret.

    Args:
        text: A text that was chosen for this question.
    """
    secret = make_secret().value
    return "" if secret is None else hmac.new(secret, b"challenge " + text.encode(), digestmod="sha256").hexdigest()


def _has_planted_link(folder: RunFolder) -> bool:
    """Return whether another user has put a link into the run folder.

    A user may move `checkpoints` to another disk and leave a link, which resuming follows; such a link belongs to the
    user or to the owner of the folder. The signature does not cover links. In a place that several people share, anyone
    else who may write to the folder could use a link to redirect what is written and removed there.
    """
    owners = {os.geteuid(), folder.path.stat().st_uid}
    with os.scandir(folder.path) as entries:
        return any(each.is_symlink() and each.stat(follow_symlinks=False).st_uid not in owners for each in entries)


def refuse_foreign_plugin(plugin: Path) -> None:
    """Raise an error for a plugin in a run that was made elsewhere, or that was added to an own run later.

    Args:
        plugin: The path of the plugin.

    Raises:
        UsageError: It is such a plugin, and has not been loaded.
    """
    around = folder_around(plugin)
    run = RunFolder(around) if around is not None else None
    if run is not None and not (is_own(run) and plugin.resolve().is_relative_to(run.plugins.resolve())):
        raise UsageError(
            f"the plugin {plugin} is in the run {run.id}, which was made elsewhere",
            hint="use --trust-plugins if you trust it like a script that you run",
        )


def refuse_unusual_files(folder: RunFolder) -> None:
    """Raise an error for a run from elsewhere with links out of its folder, or files that would block a reader.

    Args:
        folder: The run.

    Raises:
        UsageError: The folder contains a symbolic link, a pipe, a device, or another special file.
        RunError: The folder cannot be listed.
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
            raise UsageError(f"{path} is {found}, in a run that was made elsewhere", expected="only files and folders")


def _present_signature(folder: RunFolder, secret: bytes) -> str:
    """Return the signature of the run's current spec and plugins; empty if there is no spec yet."""
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
