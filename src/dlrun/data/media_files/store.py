"""Keep decoded images in memory if they fit, otherwise in a file of the `images` cache that later runs reuse."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.decoding import decode
from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.headers import Scanned
from dlrun.data.media_files.listing import FORMATS, ImageList, shown
from dlrun.errors import DataError
from dlrun.system.cache import Cache
from dlrun.system.disk import disk, reason
from dlrun.system.seals import read_digests
from dlrun.system.user_folders import cache_folder

MEMORY_PART = 0.25
"""Fraction of the free memory that decoded images may take. It is small because the device gets a copy of them."""

_LAYOUT = 3  # version of the format of a cache entry; increase it when the format changes
_NAMED, _NOTED = 10, 5
_PIXELS, _FAILED = "images.npy", "failed.json"
_SKIP = ", or leave them out with corrupt: skip"
Failed = Mapping[int, str]


@dataclass(frozen=True)
class Kept:
    """Decoded images.

    Args:
        pixels: Pixels in memory or mapped from a file, `(images, height, width, channels)` uint8.
        failed: The reason for each file that could not be decoded, by its index.
        place: Description of where the file is; empty if the pixels are in memory.
        folder: Folder of the cache entry; None if there is none.
        reused: Whether an earlier run created the entry.
        notes: Messages about the cache.
        digest: Digest of the file; empty if there is none.
    """

    pixels: npt.NDArray[np.uint8]
    failed: Failed
    place: str = ""
    folder: Path | None = None
    reused: bool = False
    notes: tuple[str, ...] = ()
    digest: str = ""


def keep_in_memory(images: ImageList, scanned: Scanned, form: ImageForm, *, skip: bool) -> Kept:
    """Decode images into memory.

    Args:
        images: The files.
        scanned: Headers of the files, all of which are readable.
        form: Size and channels of the decoded images.
        skip: Whether to leave out files that cannot be decoded. If not, they are an error.

    Raises:
        DataError: A file cannot be decoded and `skip` is False.
    """
    pixels = np.empty((len(images), *form.shape), np.uint8)
    failed: dict[int, str] = {}
    count = 0
    for decoded in decode(images.paths(), scanned, form):
        pixels[count : count + len(decoded.pixels)] = decoded.pixels
        count += len(decoded.pixels)
        failed.update(decoded.failed)
    _check(failed, images, skip=skip)
    return Kept(pixels[:count], failed)


def keep_in_file(
    images: ImageList, scanned: Scanned, form: ImageForm, *, skip: bool, beside: Collection[Path] = ()
) -> Kept:
    """Decode images into a file of the cache, unless an earlier run has created it, and map it into memory.

    Args:
        images: The files.
        scanned: Headers of the files, all of which are readable.
        form: Size and channels of the decoded images.
        skip: Whether to leave out files that cannot be decoded. If not, they are an error.
        beside: Cache entries of other splits of the same data, which must not be evicted.

    Raises:
        DataError: A file cannot be decoded and `skip` is False, or the disk or the address space is full.
    """

    def write(folder: Path) -> None:
        _write(folder, images, scanned, form, skip=skip)

    size = len(images) * form.bytes
    identity = json.dumps([_LAYOUT, form.shape, form.fit]) + scanned.digest(images.paths())
    key = sha256(identity.encode()).hexdigest()[:32]
    height, width, channels = form.shape
    what = f"{len(images):,} images as {height} x {width} x {channels}, from {images.folder}"
    try:
        found = Cache("images").get_or_make(key, write, _read, what=what, size=size, beside=beside)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise _not_mapped(size) from error
        raise _no_room(size, error) from error
    pixels, failed, digest = found.value
    _check(failed, images, skip=skip)
    place = str(found.folder) if found.folder else "temporary files"
    return Kept(pixels, failed, place, found.folder, found.is_reused, found.notes, digest)


def refused(failed: Failed, images: ImageList, *, way_out: str = _SKIP) -> DataError:
    """Return the error for files that cannot be read, with their number, names and reasons.

    Args:
        failed: The reason for each file, by its index in `images`.
        images: All files.
        way_out: Hint how to leave them out; empty if that is not possible.
    """
    named = [(images.place(place), why) for place, why in list(failed.items())[:_NAMED]]
    more = f"\n  and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
    listed = "".join(f"\n  {place}: {why}" for place, why in named)
    what = f"{len(failed):,} of {len(images):,} images cannot be read:{listed}{more}"
    if len(failed) == 1:
        what = " cannot be read: ".join(named[0])
    return DataError(what, expected=FORMATS, hint=f"repair or remove them{way_out}")


def skipped_note(failed: Failed, images: ImageList) -> str:
    """Return the note on files that are left out, with their number, names and reasons."""
    named = ", ".join(f"{shown(images.names[place])} ({why})" for place, why in list(failed.items())[:_NOTED])
    more = ", ..." if len(failed) > _NOTED else ""
    return f"{len(failed):,} of {len(images):,} files cannot be read and are left out: {named}{more}"


def _check(failed: Failed, images: ImageList, *, skip: bool) -> None:
    if failed and not skip:
        raise refused(failed, images)


def _write(folder: Path, images: ImageList, scanned: Scanned, form: ImageForm, *, skip: bool) -> None:
    failed: dict[int, str] = {}
    with disk.opened(folder / _PIXELS, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as handle:
        count = len(images)
        _write_header(handle, count, form)
        for decoded in decode(images.paths(), scanned, form):
            disk.write_every(handle, np.ascontiguousarray(decoded.pixels).data.cast("B"))
            failed.update(decoded.failed)
        _check(failed, images, skip=skip)
        if failed:
            os.lseek(handle, 0, os.SEEK_SET)
            _write_header(handle, count - len(failed), form)
    (folder / _FAILED).write_text(json.dumps(failed))


def _write_header(handle: int, count: int, form: ImageForm) -> None:
    """Write the header of a `.npy` file. numpy pads it, so that it can be overwritten with another count later."""
    header = BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": (count, *form.shape)}
    np.lib.format.write_array_header_1_0(header, described)
    disk.write_every(handle, header.getvalue())


def _read(folder: Path) -> tuple[npt.NDArray[np.uint8], Failed, str]:
    """Map the images of a cache entry, and read the failed files and the digest."""
    pixels = np.load(folder / _PIXELS, mmap_mode="r", allow_pickle=False)
    failed = {int(key): str(why) for key, why in json.loads(disk.read_file(folder / _FAILED)).items()}
    return pixels, failed, read_digests(folder).get(_PIXELS, "")


def _no_room(needed: int, error: OSError) -> DataError:
    return DataError(
        f"decoded images take {needed / 2**30:.1f} GiB, which do not fit into memory and cannot be stored in "
        f"{cache_folder()}: {reason(error)[0].lower()}",
        expected="enough free space",
        hint="choose a smaller size, or another folder with DLRUN_CACHE=...",
    )


def _not_mapped(needed: int) -> DataError:
    return DataError(
        f"decoded images do not fit into memory, and their file of {needed / 2**20:,.1f} MiB in {cache_folder()} "
        "cannot be mapped: the system gives this process no more address space",
        expected="enough address space",
        hint="raise the limit (ulimit -v), or choose a smaller size",
    )
