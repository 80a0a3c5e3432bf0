"""The file operations of dlrun: a small set, durable, with one-line errors."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from dlrun.errors import RunError
from dlrun.system.lease.fence import FRESH_SECONDS, ask_fence

_WHY = {
    # errno: (what happened, what to try)
    errno.ENOSPC: ("the disk is full", "free some space there, or choose another folder"),
    errno.EDQUOT: ("the disk quota is used up", "free some space there, or choose another folder"),
    errno.EACCES: ("permission denied", "check the owner and the permissions of the folder"),
    errno.EPERM: ("permission denied", "check the owner and the permissions of the folder"),
    errno.EROFS: ("the file system is read-only", "choose another folder"),
    errno.EIO: ("the disk reports an input/output error", "copy its files elsewhere while they can still be read"),
    errno.ENOENT: ("it does not exist", "check whether another program removed it"),
    errno.EMFILE: ("too many files are open", "raise the limit: ulimit -n 4096"),
    errno.ENOTSUP: ("the file system does not support that", "choose a folder on another file system"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name"),
    errno.ENOLCK: ("the file system does not support locks", "choose a folder on another file system"),
    errno.ELOOP: ("it is a symbolic link", "put the file itself there instead"),
}
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK  # refuse symbolic links, and do not wait for pipes
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)  # some network file systems do not support fsync, in particular for folders


@contextlib.contextmanager
def explained(action: str, *, error: type[RunError] = RunError) -> Iterator[None]:
    """Turn an OSError inside the block into one clear line: `cannot <action>: the disk is full`.

    Args:
        action: What cannot be done.
        error: The class of the error to raise.

    Raises:
        RunError: Any OSError was raised; the class is `error`.
    """
    try:
        yield
    except OSError as cause:
        why, hint = reason(cause)
        raise error(f"cannot {action}: {why}", hint=hint) from cause


def reason(error: OSError) -> tuple[str, str]:
    """Return why the system refuses something, in words, and what to try."""
    return _WHY.get(error.errno or 0, (error.strerror or str(error), ""))


class Disk:
    """The operations. Those of the first group call the system; those of the second are built from them.

    Whatever changes a folder that this process holds first asks whether it still does: a rename, which commits, every
    time, and what comes before or after a commit ten times a second at most. Only the content of open files is not
    asked about.

    Tests replace this object by one whose N-th operation fails.
    """

    def open(self, path: Path, flags: int) -> int:
        """Open a file; programs that this process starts do not inherit the handle."""
        if flags & (os.O_WRONLY | os.O_RDWR):
            ask_fence(path, within=FRESH_SECONDS)
        return os.open(path, flags | os.O_CLOEXEC, 0o666)

    def read(self, handle: int, count: int) -> bytes:
        """Read at most `count` bytes."""
        return os.read(handle, count)

    def write(self, handle: int, data: memoryview) -> int:
        """Write as much as fits, and return the number of bytes written."""
        return os.write(handle, data)

    def truncate(self, handle: int, length: int) -> None:
        """Cut an open file to `length` bytes."""
        os.ftruncate(handle, length)

    def fsync(self, handle: int) -> None:
        """Wait until everything written is on the disk."""
        os.fsync(handle)

    def close(self, handle: int) -> None:
        """Close a file; some file systems report a failed write only now."""
        os.close(handle)

    def mkdir(self, path: Path) -> None:
        """Create a folder that does not exist."""
        ask_fence(path, within=FRESH_SECONDS)
        path.mkdir()

    def rename(self, source: Path, target: Path) -> None:
        """Rename in one step; a file at `target` is replaced, and a folder there is an error unless it is empty."""
        ask_fence(source, target)
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name (a hard link)."""
        ask_fence(target, within=FRESH_SECONDS)
        target.hardlink_to(source)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        ask_fence(path, within=FRESH_SECONDS)
        path.unlink()

    def rmdir(self, path: Path) -> None:
        """Remove an empty folder."""
        ask_fence(path, within=FRESH_SECONDS)
        path.rmdir()

    def names(self, folder: Path) -> list[str]:
        """Return the sorted names in a folder."""
        return sorted(entry.name for entry in folder.iterdir())

    def size(self, path: Path) -> int:
        """Return the length of a file in bytes; raise OSError if it is not a regular file."""
        return _length(path.lstat())

    def exists(self, path: Path) -> bool:
        """Return whether anything has this name."""
        return os.path.lexists(path)

    @contextlib.contextmanager
    def opened(self, path: Path, flags: int) -> Iterator[int]:
        """Open a file for the duration of the block."""
        handle = self.open(path, flags)
        try:
            yield handle
        finally:
            self.close(handle)

    def read_file(self, path: Path, *, limit: int | None = None, largest: int | None = None) -> bytes:
        """Return the content of a regular file, or its first `limit` bytes; OSError for more than `largest` bytes."""
        pieces = []
        with self.opened(path, os.O_RDONLY | _PLAIN) as handle:
            # Ask the open file, because another file may have the name by now.
            length = _length(os.fstat(handle))
            if largest is not None and length > largest:
                raise OSError(errno.EFBIG, f"it has {length:,} bytes, but should have at most {largest:,}")
            left = length if limit is None else min(limit, length)
            while left > 0 and (piece := self.read(handle, min(left, 1 << 30))):
                pieces.append(piece)
                left -= len(piece)
        return b"".join(pieces)

    def wait(self, handle: int) -> None:
        """Wait until everything written is on the disk, if the file system supports that."""
        try:
            self.fsync(handle)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise

    def write_every(self, handle: int, data: bytes | memoryview) -> None:
        """Write all bytes."""
        left = memoryview(data)
        while left:
            left = left[self.write(handle, left) :]

    def write_all(self, handle: int, data: bytes) -> None:
        """Write all bytes, and wait until they are on the disk."""
        self.write_every(handle, data)
        self.wait(handle)

    def write_file(self, path: Path, data: bytes) -> None:
        """Write a file, and wait until it is on the disk; a reader in the meantime sees an incomplete file."""
        with self.opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _PLAIN) as handle:
            self.write_all(handle, data)

    def write_atomically(self, path: Path, data: bytes) -> None:
        """Write a file under a temporary name and rename it: readers see the old or the new one, even after a crash."""
        staged = staged_name(path)
        try:
            with self.opened(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN) as handle:
                self.write_all(handle, data)
            self.rename(staged, path)
        except (OSError, RunError):
            with contextlib.suppress(OSError, RunError):
                self.unlink(staged)
            raise
        self.sync_folder(path.parent)
        # The rename is durable only after the folder itself is synced.

    def append(self, path: Path, data: bytes, *, at: int, sync: bool = True) -> None:
        """Write `data` at offset `at`, replacing everything after it, and wait for the disk if `sync` is set.

        Raises:
            OSError: The file is shorter than `at`: something is missing, which a hole in the file would hide.
        """
        with self.opened(path, os.O_WRONLY | (os.O_CREAT if at == 0 else 0) | _PLAIN) as handle:
            if (length := _length(os.fstat(handle))) < at:
                raise OSError(errno.EINVAL, f"it has {length} bytes instead of {at}: another program has cut it")
            self.truncate(handle, at)
            os.lseek(handle, at, os.SEEK_SET)
            self.write_every(handle, data)
            if sync:
                self.wait(handle)
        if at == 0:
            self.sync_folder(path.parent)

    def sync_file(self, path: Path) -> None:
        """Wait until everything written to a file is on the disk."""
        with self.opened(path, os.O_RDONLY | _PLAIN) as handle:
            self.wait(handle)

    def open_end(self, path: Path) -> int:
        """Open a regular file to append to it, and create it if it is missing; the caller closes it."""
        handle = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _PLAIN)
        try:
            _length(os.fstat(handle))
        except OSError:
            self.close(handle)
            raise
        return handle

    def link_or_copy(self, source: Path, target: Path) -> None:
        """Give a file a second name, or copy it if the file system has no hard links."""
        try:
            self.link(source, target)
        except OSError:
            if self.exists(target):
                self.unlink(target)  # the link may exist in spite of the error: writing to it would change the source
            self.write_file(target, self.read_file(source))

    def sync_folder(self, folder: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        with self.opened(folder, os.O_RDONLY | os.O_DIRECTORY) as handle:
            self.wait(handle)

    def make_folders(self, folder: Path) -> None:
        """Create a folder and its parents, durably, if they are missing."""
        if folder.is_dir():
            return
        self.make_folders(folder.parent)
        with contextlib.suppress(FileExistsError):  # another process was faster
            self.mkdir(folder)
        self.sync_folder(folder.parent)

    def remove_tree(self, path: Path) -> None:
        """Remove a file, or a folder with everything in it; a symbolic link is removed, not followed."""
        if not stat.S_ISDIR(path.lstat().st_mode):
            self.unlink(path)
            return
        for name in self.names(path):
            self.remove_tree(path / name)
        self.rmdir(path)


def staged_name(path: Path) -> Path:
    """Return a temporary name in the same folder, which nobody can guess and link elsewhere; it matches `.*.new`."""
    return path.with_name(f".{secrets.token_hex(8)}.new")


def _length(found: os.stat_result) -> int:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return found.st_size


disk = Disk()
