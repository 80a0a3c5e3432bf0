"""Where decoded images are kept: in memory when they fit, else in a file of the cache that later runs use again.

    <cache>/images/<digest>/kept/images.npy  failed.json

The folder `kept` is there whole or not at all (`system/staging.py`); a lock beside it makes a second process wait.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.decoding import decode
from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.listing import ImageList, shown
from dlrun.data.image_files.scan import Scanned
from dlrun.errors import DataError
from dlrun.system.disk import disk
from dlrun.system.kept_entries import damage_note, make_room, mark_used, one_writer
from dlrun.system.seals import find_damage, seal_folder
from dlrun.system.staging import recover, settled, staged_folder
from dlrun.system.user_folders import cache_folder

MEMORY_PART = 0.25
"""Of the memory that is free: what decoded images may take of it. The device gets a copy."""

KEPT_SPLITS = 12
"""Entries that are kept, one for each split whose images do not fit into memory; those used last."""

_LAYOUT = 2  # of a cache entry; counts up when what is stored changes
_NAMED, _NOTED = 10, 5
_KEPT = "kept"
_SKIP = ", or leave them out by: corrupt: skip"
Failed = Mapping[int, str]


@dataclass(frozen=True)
class Kept:
    """Decoded images.

    Args:
        pixels: `(images, height, width, channels)` uint8, in memory or mapped from a file.
        failed: Why, for the place of each file that could not be decoded.
        folder: Where the file is; None: in memory.
        reused: Whether an earlier run has left it.
        note: The message about an entry that an earlier run left and that was damaged.
    """

    pixels: npt.NDArray[np.uint8]
    failed: Failed
    folder: Path | None = None
    reused: bool = False
    note: str = ""


def keep(images: ImageList, scanned: Scanned, form: ImageForm, *, in_memory: bool, skip: bool) -> Kept:
    """Decode images and keep them.

    Args:
        images: The files.
        scanned: Their headers; all can be read.
        form: What they are brought to.
        in_memory: Whether they are kept there, or in a file.
        skip: Whether files that cannot be decoded are left out; else they are an error.

    Raises:
        DataError: Some cannot be decoded, or there is no room for the file, on the disk or among the addresses.
    """
    paths = images.paths()
    if in_memory:
        pixels = np.empty((len(paths), *form.shape), np.uint8)
        failed: dict[int, str] = {}
        count = 0
        for decoded in decode(paths, scanned, form):
            pixels[count : count + len(decoded.pixels)] = decoded.pixels
            count += len(decoded.pixels)
            failed.update(decoded.failed)
        _check(failed, images, skip=skip)
        return Kept(pixels[:count], failed)
    told = json.dumps([_LAYOUT, form.shape, form.fit]) + scanned.digest(paths)
    folder = cache_folder() / "images" / sha256(told.encode()).hexdigest()[:32]
    try:
        with one_writer(folder):
            note = _damage(folder / _KEPT)
            kept = None if note else _read(folder / _KEPT, form)
            reused = kept is not None
            if kept is None:
                _check_room(folder, len(paths) * form.bytes)
                _write(folder / _KEPT, images, scanned, form, skip=skip)
                make_room(folder, _KEPT, most=KEPT_SPLITS)
                kept = _read(folder / _KEPT, form)
            mark_used(folder)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise _not_mapped(folder, len(paths) * form.bytes) from error
        raise _no_room(folder, (error.strerror or str(error)).lower()) from error
    if kept is None:
        raise _no_room(folder, "what was written there cannot be read again")
    _check(kept.failed, images, skip=skip)
    return Kept(kept.pixels, kept.failed, folder, reused, note)


def refused(failed: Failed, images: ImageList, *, way_out: str = _SKIP) -> DataError:
    """The error for files that cannot be read: how many, which, and why.

    Args:
        failed: Why, by place.
        images: All files.
        way_out: What leaves them out; empty: nothing does.
    """
    named = [(images.place(place), why) for place, why in list(failed.items())[:_NAMED]]
    more = f"\n  and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
    listed = "".join(f"\n  {place}: {why}" for place, why in named)
    said = f"{len(failed):,} of {len(images):,} images cannot be read:{listed}{more}"
    if len(failed) == 1:
        said = " cannot be read: ".join(named[0])
    return DataError(said, expected="JPEG, PNG, BMP or GIF files", hint=f"mend or remove them{way_out}")


def skipped_note(failed: Failed, images: ImageList) -> str:
    """What is said of files that are left out: how many, which, and why."""
    named = ", ".join(f"{shown(images.names[place])} ({why})" for place, why in list(failed.items())[:_NOTED])
    more = ", ..." if len(failed) > _NOTED else ""
    return f"{len(failed):,} of {len(images):,} files cannot be read and are left out: {named}{more}"


def _check(failed: Failed, images: ImageList, *, skip: bool) -> None:
    if failed and not skip:
        raise refused(failed, images)


def _write(folder: Path, images: ImageList, scanned: Scanned, form: ImageForm, *, skip: bool) -> None:
    try:
        with staged_folder(folder) as staged:
            failed: dict[int, str] = {}
            with disk.opened(staged / "images.npy", os.O_WRONLY | os.O_CREAT | os.O_EXCL) as handle:
                count = len(images)
                _write_header(handle, count, form)
                for decoded in decode(images.paths(), scanned, form):
                    _write_bytes(handle, np.ascontiguousarray(decoded.pixels).data.cast("B"))
                    failed.update(decoded.failed)
                _check(failed, images, skip=skip)
                if failed:
                    os.lseek(handle, 0, os.SEEK_SET)
                    _write_header(handle, count - len(failed), form)
                disk.wait(handle)
            disk.write_file(staged / "failed.json", json.dumps(failed).encode())
            seal_folder(staged)
    except BaseException:
        # Give the space back at once, also when the user stops it or an image is corrupt.
        recover(folder.parent)
        raise


def _write_header(handle: int, count: int, form: ImageForm) -> None:
    """Write the header of a `.npy` file; numpy leaves room for any count, so that it is of one length."""
    header = BytesIO()
    said = {"descr": "|u1", "fortran_order": False, "shape": (count, *form.shape)}
    np.lib.format.write_array_header_1_0(header, said)
    _write_bytes(handle, header.getvalue())


def _write_bytes(handle: int, data: bytes | memoryview) -> None:
    left = memoryview(data)
    while left:
        left = left[disk.write(handle, left) :]


def _damage(folder: Path) -> str:
    """Return the message about an entry that is not what was written."""
    place = settled(folder)
    why = find_damage(place) if disk.exists(place) else ""
    return damage_note(place, why) if why else ""


def _read(folder: Path, form: ImageForm) -> Kept | None:
    place = settled(folder)
    try:
        pixels = np.load(place / "images.npy", mmap_mode="r", allow_pickle=False)
        failed = {int(key): str(why) for key, why in json.loads(disk.read_file(place / "failed.json")).items()}
    # Whatever is wrong with a cache, the answer is to make it again; too little memory is not wrong with it.
    except (OSError, ValueError, AttributeError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise
        return None
    return Kept(pixels, failed) if pixels.shape[1:] == form.shape and pixels.dtype == np.uint8 else None


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise _no_room(folder, f"{needed / 2**30:.1f} GiB are needed, and {free / 2**30:.1f} GiB are free")


def _no_room(folder: Path, why: str) -> DataError:
    return DataError(
        f"decoded images do not fit into memory and cannot be kept in {folder}: {why}",
        expected="room for them",
        hint="a smaller size, or another folder: DLRUN_CACHE=...",
    )


def _not_mapped(folder: Path, needed: int) -> DataError:
    return DataError(
        f"decoded images do not fit into memory, and their file of {needed / 2**20:,.1f} MiB in {folder} cannot be "
        "mapped: the system gives this process no more address space",
        expected="room among its addresses",
        hint="raise the limit (ulimit -v), or a smaller size",
    )
