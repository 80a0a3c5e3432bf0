"""Everything that dlrun does to the files of a run: few operations, durable ones, errors of one line."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from dlrun.errors import RunError

_WHY = {
    errno.ENOSPC: ("the disk is full", "free some space there, or choose another folder"),
    errno.EDQUOT: ("the disk quota is used up", "free some space there, or choose another folder"),
    errno.EACCES: ("permission denied", "check the owner and the permissions of the folder"),
    errno.EPERM: ("permission denied", "check the owner and the permissions of the folder"),
    errno.EROFS: ("the file system is read-only", "choose another folder"),
    errno.EIO: ("the disk reports an input/output error", "copy what is there elsewhere while it can be read"),
    errno.ENOENT: ("it is not there", "check whether another program removed it"),
    errno.EMFILE: ("too many files are open", "raise the limit: ulimit -n 4096"),
    errno.ENOTSUP: ("the file system cannot do that", "choose a folder on another file system"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name"),
    errno.ENOLCK: ("the file system has no locks", "choose a folder on another file system"),
    errno.ELOOP: ("it is a symbolic link", "put the file itself there"),
}
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK  # refuse a symbolic link, do not wait for a pipe
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)  # some network file systems cannot wait for the disk, for folders above all


@contextlib.contextmanager
def explained(action: str, *, error: type[RunError] = RunError) -> Iterator[None]:
    """Turn an OSError into one clear line: `cannot <action>: the disk is full`.

    Raises:
        RunError: Or the `error` given, for every OSError.
    """
    try:
        yield
    except OSError as cause:
        why, hint = reason(cause)
        raise error(f"cannot {action}: {why}", hint=hint) from cause


def reason(error: OSError) -> tuple[str, str]:
    """Why the system refuses something, in words, and what to try."""
    return _WHY.get(error.errno or 0, (error.strerror or str(error), ""))


class Disk:
    """The operations; the first group asks the system, the second is built of the first.

    A test puts an object in its place whose N-th operation fails.
    """

    def open(self, path: Path, flags: int) -> int:
        """Open for `flags`, not to be inherited by another program."""
        return os.open(path, flags | os.O_CLOEXEC, 0o666)

    def read(self, handle: int, count: int) -> bytes:
        """Read at most `count` bytes."""
        return os.read(handle, count)

    def write(self, handle: int, data: memoryview) -> int:
        """Write what fits; the number of bytes written."""
        return os.write(handle, data)

    def truncate(self, handle: int, length: int) -> None:
        """Cut an open file to `length` bytes."""
        os.ftruncate(handle, length)

    def fsync(self, handle: int) -> None:
        """Wait until what was written is on the disk."""
        os.fsync(handle)

    def close(self, handle: int) -> None:
        """Close; some file systems report a failed write only here."""
        os.close(handle)

    def mkdir(self, path: Path) -> None:
        """Make a folder that does not exist."""
        path.mkdir()

    def rename(self, source: Path, target: Path) -> None:
        """Rename in one step; a file at `target` is replaced, a folder there is an error unless it is empty."""
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name."""
        target.hardlink_to(source)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def rmdir(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()

    def names(self, folder: Path) -> list[str]:
        """What a folder holds, sorted."""
        return sorted(entry.name for entry in folder.iterdir())

    def size(self, path: Path) -> int:
        """Length of a file in bytes; OSError if it is anything but a regular file."""
        return _length(path.lstat())

    def exists(self, path: Path) -> bool:
        """Whether there is anything under that name."""
        return os.path.lexists(path)

    @contextlib.contextmanager
    def opened(self, path: Path, flags: int) -> Iterator[int]:
        """An open file, closed afterwards."""
        handle = self.open(path, flags)
        try:
            yield handle
        finally:
            self.close(handle)

    def read_file(self, path: Path, *, limit: int | None = None, largest: int | None = None) -> bytes:
        """The content of a regular file, or its first `limit` bytes; OSError if it has more than `largest` bytes."""
        pieces = []
        with self.opened(path, os.O_RDONLY | _PLAIN) as handle:
            # Asked of the open file: under its name there may be another one by now.
            length = _length(os.fstat(handle))
            if largest is not None and length > largest:
                raise OSError(errno.EFBIG, f"it has {length:,} bytes, and never more than {largest:,}")
            left = length if limit is None else min(limit, length)
            while left > 0 and (piece := self.read(handle, min(left, 1 << 30))):
                pieces.append(piece)
                left -= len(piece)
        return b"".join(pieces)

    def wait(self, handle: int) -> None:
        """Wait until what was written is on the disk, where the file system can tell."""
        try:
            self.fsync(handle)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise

    def write_every(self, handle: int, data: bytes | memoryview) -> None:
        """Write every byte."""
        left = memoryview(data)
        while left:
            left = left[self.write(handle, left) :]

    def write_all(self, handle: int, data: bytes) -> None:
        """Write every byte and wait until it is on the disk."""
        self.write_every(handle, data)
        self.wait(handle)

    def write_file(self, path: Path, data: bytes) -> None:
        """Write a file and wait until it is on the disk; whoever reads meanwhile sees half of it."""
        with self.opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _PLAIN) as handle:
            self.write_all(handle, data)

    def write_atomically(self, path: Path, data: bytes) -> None:
        """Write a file under another name and rename it: readers see the old or the new one, also after a crash."""
        staged = staged_name(path)
        try:
            with self.opened(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN) as handle:
                self.write_all(handle, data)
            self.rename(staged, path)
        except OSError:
            with contextlib.suppress(OSError):
                self.unlink(staged)
            raise
        self.sync_folder(path.parent)

    def append(self, path: Path, data: bytes, *, at: int, sync: bool = True) -> None:
        """Put `data` at offset `at`, in place of anything that stands there, and with `sync` wait for the disk.

        OSError if the file does not reach as far as `at`: what stood there is lost, and a hole would hide it.
        """
        with self.opened(path, os.O_WRONLY | (os.O_CREAT if at == 0 else 0) | _PLAIN) as handle:
            if (length := _length(os.fstat(handle))) < at:
                raise OSError(errno.EINVAL, f"it has {length} bytes, and had {at}: another program has cut it")
            self.truncate(handle, at)
            os.lseek(handle, at, os.SEEK_SET)
            self.write_every(handle, data)
            if sync:
                self.wait(handle)
        if at == 0:
            self.sync_folder(path.parent)

    def sync_file(self, path: Path) -> None:
        """Wait until what was written to a file is on the disk."""
        with self.opened(path, os.O_RDONLY | _PLAIN) as handle:
            self.wait(handle)

    def open_end(self, path: Path) -> int:
        """Open a regular file, made if it is missing, to write at its end; the caller closes it."""
        handle = self.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _PLAIN)
        try:
            _length(os.fstat(handle))
        except OSError:
            self.close(handle)
            raise
        return handle

    def link_or_copy(self, source: Path, target: Path) -> None:
        """Give a file a second name, or copy it where the file system has no hard links."""
        try:
            self.link(source, target)
        except OSError:
            if self.exists(target):
                self.unlink(target)  # a link that was made after all: writing to it would write to the source
            self.write_file(target, self.read_file(source))

    def sync_folder(self, folder: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        with self.opened(folder, os.O_RDONLY | os.O_DIRECTORY) as handle:
            self.wait(handle)

    def make_folders(self, folder: Path) -> None:
        """Make a folder and those above it where they are missing, durably."""
        if folder.is_dir():
            return
        self.make_folders(folder.parent)
        with contextlib.suppress(FileExistsError):  # another process was faster
            self.mkdir(folder)
        self.sync_folder(folder.parent)

    def remove_tree(self, path: Path) -> None:
        """Remove a folder with all it holds, or a file; a symbolic link is removed, not followed."""
        if not stat.S_ISDIR(path.lstat().st_mode):
            self.unlink(path)
            return
        for name in self.names(path):
            self.remove_tree(path / name)
        self.rmdir(path)


def staged_name(path: Path) -> Path:
    """A name beside a file to write it under, which nobody can guess and put a link at; `.*.new` finds what is left."""
    return path.with_name(f".{secrets.token_hex(8)}.new")


def _length(found: os.stat_result) -> int:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return found.st_size


disk = Disk()
