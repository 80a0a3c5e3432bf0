"""Whether a run was made here, by this user: only then may its plugins, which are code, and its data paths be used.

A run folder is signed with a secret that only this user has. A folder that came from elsewhere, or whose spec or
plugins were changed, does not verify, and its spec is read as a stranger's.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import stat
from hashlib import sha256
from pathlib import Path

from dlrun.errors import UsageError
from dlrun.files.disk import disk, explained
from dlrun.runs.folder import RunFolder

_SECRET_BYTES = 32
_LARGEST_BYTES = 1 << 24  # of a spec, a plugin or a signature


def sign(folder: RunFolder, spec: str) -> None:
    """Mark the run as made by this user, with the plugins that it has and the spec that it is about to get.

    The signature of the spec before stays valid beside it: the process may end before the new one is written.

    Raises:
        RunError: The signature cannot be written into the folder.
    """
    secret = _secret(create=True)
    if secret is not None:
        now = _present_signature(folder, secret)
        kept = [line for line in _lines(folder) if line == now]
        folder.write_text(folder.signature, "\n".join([*kept, _signature(folder, spec.encode(), secret)]) + "\n")


def is_own(folder: RunFolder, *, spec: bytes | None = None) -> bool:
    """Whether the run was made by this user, and its spec and plugins are as they were.

    Args:
        folder: The run.
        spec: What its spec.yaml holds, for who goes on with these very bytes; None: the file is read.
    """
    secret = _secret(create=False)
    if secret is None:
        return False
    expected = _present_signature(folder, secret) if spec is None else _signature(folder, spec, secret)
    return (
        any(hmac.compare_digest(found.encode(), expected.encode()) for found in _lines(folder)) if expected else False
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


def _secret(*, create: bool) -> bytes | None:
    """The user's secret; None if there is none and none can be made (a home that cannot be written to)."""
    home = os.environ.get("DLRUN_STATE") or os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    path = Path(home) / "dlrun" / "secret"
    with contextlib.suppress(OSError):
        if create and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(FileExistsError):
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(secrets.token_bytes(_SECRET_BYTES))
        found = path.read_bytes()
        return found if len(found) == _SECRET_BYTES else None
    return None
