"""Keep decoded files in memory if they fit, otherwise in a file of the cache that later runs reuse."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.media_files.headers import Scanned
from dlrun.data.media_files.kind import MediaReader
from dlrun.data.media_files.listing import MediaList, shown
from dlrun.errors import DataError
from dlrun.system.cache import Cache
from dlrun.system.disk import disk, reason
from dlrun.system.seals import read_digests
from dlrun.system.user_folders import cache_folder

MEMORY_PART = 0.25
"""Fraction of the free memory that decoded files may take. It is small because the device gets a copy of them."""

_LAYOUT = 3  # version of the format of a cache entry; increase it when the format changes
_NAMED, _NOTED = 10, 5
_VALUES, _FAILED = "images.npy", "failed.json"
SKIP = ", or leave them out with corrupt: skip"
Failed = Mapping[int, str]


class NoRoom(DataError):
    """Decoded files do not fit on the disk, or into the address space."""


@dataclass(frozen=True)
class Kept:
    """Decoded files.

    Args:
        values: Decoded files in memory or mapped from a file, `(files, *shape)`.
        failed: The reason for each file that could not be decoded, by its index.
        place: Description of where the file is; empty if the values are in memory.
        folder: Folder of the cache entry; None if there is none.
        reused: Whether an earlier run created the entry.
        notes: Messages about the cache.
        digest: Digest of the file; empty if there is none.
    """

    values: npt.NDArray[Any]
    failed: Failed
    place: str = ""
    folder: Path | None = None
    reused: bool = False
    notes: tuple[str, ...] = ()
    digest: str = ""

    def at(self, places: npt.NDArray[np.int64]) -> Kept:
        """Return the files at `places`, among all of them, copied into memory."""
        failed = {int(index): self.failed[place] for index, place in enumerate(places.tolist()) if place in self.failed}
        decoded = places[~np.isin(places, list(self.failed))]
        # Files that failed have no values, so those behind them have moved up.
        rows = decoded - np.searchsorted(np.sort(list(self.failed)), decoded)
        return replace(self, values=np.asarray(self.values[rows]), failed=failed, digest="")


def keep_in_memory(files: MediaList, scanned: Scanned, reader: MediaReader, *, skip: bool) -> Kept:
    """Decode files into memory.

    Args:
        files: The files.
        scanned: Headers of the files, all of which are readable.
        reader: Decoder of the files.
        skip: Whether to leave out files that cannot be decoded. If not, they are an error.

    Raises:
        DataError: A file cannot be decoded and `skip` is False.
    """
    values = np.empty((len(files), *reader.shape), reader.dtype)
    failed: dict[int, str] = {}
    count = 0
    for decoded in reader.decode(files.paths(), scanned):
        values[count : count + len(decoded.values)] = decoded.values
        count += len(decoded.values)
        failed.update(decoded.failed)
    _check(failed, files, skip=skip)
    return Kept(values[:count], failed)


def keep_in_memory_and_cache(files: MediaList, scanned: Scanned, reader: MediaReader, *, skip: bool) -> Kept:
    """Decode files into a file of the cache, unless an earlier run has created it, or without room for it into memory.

    Args:
        files: The files.
        scanned: Headers of the files, all of which are readable.
        reader: Decoder of the files.
        skip: Whether to leave out files that cannot be decoded. If not, they are an error.

    Raises:
        DataError: A file cannot be decoded and `skip` is False.
    """
    try:
        return keep_in_file(files, scanned, reader, skip=skip)
    except NoRoom:  # the cache saves time and is never needed
        return keep_in_memory(files, scanned, reader, skip=skip)


def keep_in_file(
    files: MediaList, scanned: Scanned, reader: MediaReader, *, skip: bool, beside: Collection[Path] = ()
) -> Kept:
    """Decode files into a file of the cache, unless an earlier run has created it, and map it into memory.

    Args:
        files: The files.
        scanned: Headers of the files, all of which are readable.
        reader: Decoder of the files.
        skip: Whether to leave out files that cannot be decoded. If not, they are an error.
        beside: Cache entries of other splits of the same data, which must not be evicted.

    Raises:
        DataError: A file cannot be decoded and `skip` is False, or the disk or the address space is full.
    """

    def write(folder: Path) -> None:
        _write(folder, files, scanned, reader, skip=skip)

    size = len(files) * reader.bytes
    identity = json.dumps([_LAYOUT, *reader.identity]) + scanned.digest(files.paths())
    key = sha256(identity.encode()).hexdigest()[:32]
    what = f"{len(files):,} {files.kind.plural} as {reader.described}, from {files.folder}"
    try:
        found = Cache(files.kind.cache).get_or_make(key, write, _read, what=what, size=size, beside=beside)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise _not_mapped(size, files.kind.plural) from error
        raise _no_room(size, error, files.kind.plural) from error
    values, failed, digest = found.value
    _check(failed, files, skip=skip)
    place = str(found.folder) if found.folder else "temporary files"
    return Kept(values, failed, place, found.folder, found.is_reused, found.notes, digest)


def refused(failed: Failed, files: MediaList, *, way_out: str = SKIP) -> DataError:
    """Return the error for files that cannot be read, with their number, names and reasons.

    Args:
        failed: The reason for each file, by its index in `files`.
        files: All files.
        way_out: Hint how to leave them out; empty if that is not possible.
    """
    named = [(files.place(place), why) for place, why in list(failed.items())[:_NAMED]]
    more = f"\n  and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
    listed = "".join(f"\n  {place}: {why}" for place, why in named)
    what = f"{len(failed):,} of {len(files):,} {files.kind.plural} cannot be read:{listed}{more}"
    if len(failed) == 1:
        what = " cannot be read: ".join(named[0])
    return DataError(what, expected=files.kind.formats, hint=f"repair or remove them{way_out}")


def skipped_note(failed: Failed, files: MediaList) -> str:
    """Return the note on files that are left out, with their number, names and reasons."""
    named = ", ".join(f"{shown(files.names[place])} ({why})" for place, why in list(failed.items())[:_NOTED])
    more = ", ..." if len(failed) > _NOTED else ""
    return f"{len(failed):,} of {len(files):,} files cannot be read and are left out: {named}{more}"


def _check(failed: Failed, files: MediaList, *, skip: bool) -> None:
    if failed and not skip:
        raise refused(failed, files)


def _write(folder: Path, files: MediaList, scanned: Scanned, reader: MediaReader, *, skip: bool) -> None:
    failed: dict[int, str] = {}
    with disk.opened(folder / _VALUES, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as handle:
        count = len(files)
        _write_header(handle, count, reader)
        for decoded in reader.decode(files.paths(), scanned):
            disk.write_every(handle, np.ascontiguousarray(decoded.values).data.cast("B"))
            failed.update(decoded.failed)
        _check(failed, files, skip=skip)
        if failed:
            os.lseek(handle, 0, os.SEEK_SET)
            _write_header(handle, count - len(failed), reader)
    (folder / _FAILED).write_text(json.dumps(failed))


def _write_header(handle: int, count: int, reader: MediaReader) -> None:
    """Write the header of a `.npy` file. numpy pads it, so that it can be overwritten with another count later."""
    header = BytesIO()
    described = {"descr": np.dtype(reader.dtype).str, "fortran_order": False, "shape": (count, *reader.shape)}
    np.lib.format.write_array_header_1_0(header, described)
    disk.write_every(handle, header.getvalue())


def _read(folder: Path) -> tuple[npt.NDArray[Any], Failed, str]:
    """Map the files of a cache entry, and read the failed files and the digest."""
    values = np.load(folder / _VALUES, mmap_mode="r", allow_pickle=False)
    failed = {int(key): str(why) for key, why in json.loads(disk.read_file(folder / _FAILED)).items()}
    return values, failed, read_digests(folder).get(_VALUES, "")


def _no_room(needed: int, error: OSError, plural: str) -> NoRoom:
    return NoRoom(
        f"decoded {plural} take {needed / 2**30:.1f} GiB, which do not fit into memory and cannot be stored in "
        f"{cache_folder()}: {reason(error)[0].lower()}",
        expected="enough free space",
        hint="choose a smaller size, or another folder with DLRUN_CACHE=...",
    )


def _not_mapped(needed: int, plural: str) -> NoRoom:
    return NoRoom(
        f"decoded {plural} do not fit into memory, and their file of {needed / 2**20:,.1f} MiB in {cache_folder()} "
        "cannot be mapped: the system gives this process no more address space",
        expected="enough address space",
        hint="raise the limit (ulimit -v), or choose a smaller size",
    )
