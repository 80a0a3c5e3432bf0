"""Create and read the secret that signs a user's runs: 32 random bytes in a file that only this user can read."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlrun.system.disk import disk
from dlrun.system.lease.lease import Lease, take_lease

_BYTES = 32
_ATTEMPTS, _PAUSE_SECONDS = 100, 0.02


@dataclass(frozen=True)
class Secret:
    """The secret, if there is one that can be used.

    Args:
        value: The bytes; None if there is no usable secret.
        note: Why there is none, or that the secret was created again; empty otherwise.
    """

    value: bytes | None
    note: str = ""


class _UnusableError(Exception):
    """The file exists, but its content must not be used."""


class _DamagedError(_UnusableError):
    """The file does not contain a secret."""


def find_secret() -> bytes | None:
    """Return the secret; None if there is no usable one."""
    with contextlib.suppress(OSError, RuntimeError, _UnusableError):
        return _read(_path())
    return None


def make_secret() -> Secret:
    """Return the secret; create it if there is none yet, and create it again if the file is damaged.

    If several processes create it at the same time, one succeeds and the others read its secret.
    """
    try:
        path = _path()
        try:
            return Secret(_read(path))
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _staged(path) as staged, contextlib.suppress(FileExistsError):
                _name(staged, path)
            return Secret(_read(path))
        except _DamagedError as error:
            return _made_anew(path, str(error))
    except _UnusableError as error:
        return Secret(None, str(error))
    except (OSError, RuntimeError) as error:  # no home directory, a full disk, or a read-only folder
        message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Secret(None, f"the secret that signs runs cannot be read or created: {message}")


def _path() -> Path:
    home = os.environ.get("DLRUN_STATE") or os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "dlrun" / "secret"


def _read(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # non-blocking, in case it is a pipe
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise _UnusableError(f"{path} is not a regular file; remove it, and the next run creates a new one")
        if found.st_uid != os.geteuid():
            raise _UnusableError(f"{path} belongs to another user; remove it, and the next run creates a new one")
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise _UnusableError(
                f"other users may read or write {path}; run chmod 600 on it, or remove it if someone may have read it: "
                "the next run creates a new one"
            )
        content = os.read(handle, _BYTES + 1)
    finally:
        os.close(handle)
    if len(content) != _BYTES:
        raise _DamagedError(f"{path} was damaged: it had {found.st_size:,} bytes instead of {_BYTES}")
    return content


@contextlib.contextmanager
def _staged(path: Path) -> Iterator[Path]:
    """Yield a new secret under a temporary name, synced to the disk; remove that name after the block."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode=0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            disk.wait(file.fileno())
        yield staged
    finally:
        staged.unlink(missing_ok=True)


def _name(staged: Path, path: Path) -> None:
    """Give the new secret its final name, unless that name exists."""
    try:
        # A hard link fails if the name exists, so exactly one of several processes succeeds; a rename would replace
        # it.
        path.hardlink_to(staged)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links
        with _lock(path):
            if not path.exists():
                staged.rename(path)


def _made_anew(path: Path, why: str) -> Secret:
    with _lock(path):
        try:
            return Secret(_read(path))  # another process was faster
        except _DamagedError:
            aside = path.with_name(f"{path.name}.damaged")
            with contextlib.suppress(OSError):  # keeping the damaged file is only a courtesy
                aside.unlink(missing_ok=True)
                aside.hardlink_to(path)
            with _staged(path) as staged:
                staged.rename(path)  # atomic: if the file were missing for a moment, another process would create one
    return Secret(_read(path), f"{why}, and was created again: runs signed before count as made elsewhere")


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    # Home folders are often on the network, so this is no lock of the system.
    place = path.with_name(f".{path.name}.lease")
    for attempt in range(_ATTEMPTS):
        time.sleep(_PAUSE_SECONDS if attempt else 0)
        lease = take_lease(place, what=f"the lock of {path}")
        if isinstance(lease, Lease):
            break
    else:
        raise OSError(errno.EAGAIN, f"another process is creating {path}")
    try:
        yield
    finally:
        lease.release(removes=True)
