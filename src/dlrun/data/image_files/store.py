"""Keep decoded images: in memory where they fit, else in a file of the cache (`images`) that later runs map again."""

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
from dlrun.data.image_files.listing import FORMATS, ImageList, shown
from dlrun.errors import DataError
from dlrun.system.cache import Cache
from dlrun.system.disk import disk, reason
from dlrun.system.seals import read_digests
from dlrun.system.user_folders import cache_folder

MEMORY_PART = 0.25
"""The part of the free memory that decoded images may take. The device gets a copy of them."""

_LAYOUT = 3  # of a cache entry; counts up when what is stored changes
_NAMED, _NOTED = 10, 5
_PIXELS, _FAILED = "images.npy", "failed.json"
_SKIP = ", or leave them out by: corrupt: skip"
Failed = Mapping[int, str]


@dataclass(frozen=True)
class Kept:
    """Decoded images.

    Args:
        pixels: `(images, height, width, channels)` uint8, in memory or mapped from a file.
        failed: The reason for each file that could not be decoded, by its place.
        place: Where the file is, in words; empty: in memory.
        folder: The entry of the cache; None: there is none.
        reused: Whether an earlier run made it.
        notes: Messages about the cache.
        digest: Of the file; empty: there is none.
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
        scanned: Their headers; all can be read.
        form: What they are brought to.
        skip: Whether files that cannot be decoded are left out; else they are an error.

    Raises:
        DataError: Some cannot be decoded.
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
    """Decode images into a file of the cache and map it, unless an earlier run has made it.

    Args:
        images: The files.
        scanned: Their headers; all can be read.
        form: What they are brought to.
        skip: Whether files that cannot be decoded are left out; else they are an error.
        beside: Entries of the cache that hold other splits of the same data, and must stay.

    Raises:
        DataError: Some cannot be decoded, or there is no room for the file, on the disk or in the address space.
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
    """Return the error for files that cannot be read: how many, which, and why.

    Args:
        failed: The reason for each file, by its place in `images`.
        images: All files.
        way_out: How the user can leave them out; empty: there is no way.
    """
    named = [(images.place(place), why) for place, why in list(failed.items())[:_NAMED]]
    more = f"\n  and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
    listed = "".join(f"\n  {place}: {why}" for place, why in named)
    what = f"{len(failed):,} of {len(images):,} images cannot be read:{listed}{more}"
    if len(failed) == 1:
        what = " cannot be read: ".join(named[0])
    return DataError(what, expected=FORMATS, hint=f"mend or remove them{way_out}")


def skipped_note(failed: Failed, images: ImageList) -> str:
    """Return the note on files that are left out: how many, which, and why."""
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
    """Write the header of a `.npy` file; numpy leaves room for any count, so its length does not depend on it."""
    header = BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": (count, *form.shape)}
    np.lib.format.write_array_header_1_0(header, described)
    disk.write_every(handle, header.getvalue())


def _read(folder: Path) -> tuple[npt.NDArray[np.uint8], Failed, str]:
    """Map the images of an entry, and read which are missing and the digest of the file."""
    pixels = np.load(folder / _PIXELS, mmap_mode="r", allow_pickle=False)
    failed = {int(key): str(why) for key, why in json.loads(disk.read_file(folder / _FAILED)).items()}
    return pixels, failed, read_digests(folder).get(_PIXELS, "")


def _no_room(needed: int, error: OSError) -> DataError:
    return DataError(
        f"decoded images take {needed / 2**30:.1f} GiB, which do not fit into memory and cannot be kept in "
        f"{cache_folder()}: {reason(error)[0].lower()}",
        expected="room for them",
        hint="a smaller size, or another folder: DLRUN_CACHE=...",
    )


def _not_mapped(needed: int) -> DataError:
    return DataError(
        f"decoded images do not fit into memory, and their file of {needed / 2**20:,.1f} MiB in {cache_folder()} "
        "cannot be mapped: the system gives this process no more address space",
        expected="enough address space",
        hint="raise the limit (ulimit -v), or a smaller size",
    )
