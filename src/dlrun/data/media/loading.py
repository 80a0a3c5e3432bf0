"""Load listed image files as splits: targets, headers, common size, and pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.form import Fit, ImageForm
from dlrun.data.image_files.headers import Scanned, check_pixels, scan
from dlrun.data.media_files.listing import ImageList, shown
from dlrun.data.media_files.reading import class_indices
from dlrun.data.media_files.store import MEMORY_PART, Kept, keep_in_file, keep_in_memory, refused, skipped_note
from dlrun.data.splits import Split, fingerprint_of
from dlrun.errors import DataError
from dlrun.signature import Target
from dlrun.system.cache import Cache
from dlrun.system.cache_entries import LIMIT_VARIABLE
from dlrun.system.memory import free_memory

_NAMED = 5
_COLOUR = 3
Lists = dict[str, ImageList]
Scans = dict[str, Scanned]


Labels = dict[str, npt.NDArray[np.generic]]


def read_headers(
    lists: Mapping[str, ImageList], labels: Mapping[str, npt.NDArray[np.generic]], *, skip: bool
) -> tuple[Lists, Scans, tuple[str, ...]]:
    """Read the headers of all files.

    Args:
        lists: The files of each split.
        labels: Labels in the form of the target; empty if there is no target.
        skip: Whether to leave out files that cannot be read. If not, they are an error.

    Returns:
        The readable files with their labels, their headers, and notes.

    Raises:
        DataError: A file cannot be read and `skip` is False, or no file can be read.
    """
    scans = {name: scan(images.paths()) for name, images in lists.items()}
    kept: Lists = {}
    notes = [note for images in lists.values() for note in _left_out_note(images)]
    for name, images in lists.items():
        images = replace(images, labels=labels.get(name))  # noqa: PLW2901
        unreadable = scans[name].unreadable
        if unreadable and len(unreadable) == len(images):
            raise refused(unreadable, images, way_out="")
        if unreadable and not skip:
            raise refused(unreadable, images)
        if unreadable:
            notes.append(f"corrupt: {skipped_note(unreadable, images)}")
            stays = np.setdiff1d(np.arange(len(images)), list(unreadable))
            images, scans[name] = images.at(stays), scans[name].at(stays)  # noqa: PLW2901
        kept[name] = images
    return kept, scans, (*notes, *_looks(np.concatenate([scanned.rows for scanned in scans.values()])))


def choose_form(scans: Mapping[str, Scanned], *, size: tuple[int, int] | None, channels: Any, fit: Fit) -> ImageForm:
    """Choose the size and channels of all images, from the spec or from the images.

    Args:
        scans: Headers of the images of each split.
        size: Height and width; None for the size of the images.
        channels: Number of channels: 1, 3 or `auto`.
        fit: How to fit images with another aspect ratio.

    Raises:
        DataError: The images differ in size and `size` is None, or no image can be read.
    """
    rows = np.concatenate([scanned.readable() for scanned in scans.values()])
    if not len(rows):
        raise DataError("no image can be read")
    if channels == "auto":
        channels = _COLOUR if (rows["channels"] == _COLOUR).any() else 1
    if size is None:
        smallest, largest = [(int(least(rows["height"])), int(least(rows["width"]))) for least in (np.min, np.max)]
        if smallest != largest:
            median = [int(np.median(rows[side])) for side in ("height", "width")]
            raise DataError(
                f"the images differ in size: {smallest[0]} to {largest[0]} pixels high, {smallest[1]} to {largest[1]} "
                "wide",
                expected="one size for all, or the key `size`",
                hint=f"set size: [64, 64], for example; the median is {median[0]} x {median[1]}",
            )
        size = smallest
    return ImageForm(*size, channels, fit)


def numbered_files(lists: Mapping[str, ImageList], labels: Mapping[str, npt.NDArray[Any] | None]) -> dict[str, Split]:
    """Return splits of file numbers, counted through all lists, with the labels of the files.

    Test and validation splits are held out from these numbers, so that pixels are decoded once and never copied.

    Args:
        lists: The files of each split.
        labels: Their labels in the form of the target.
    """
    first = _first_places(lists)
    return {name: Split(first[name] + np.arange(len(images)), labels.get(name)) for name, images in lists.items()}


def load_splits(
    lists: Lists, scans: Scans, form: ImageForm, arranged: Mapping[str, Split], *, skip: bool
) -> tuple[dict[str, Split], str, tuple[str, ...]]:
    """Decode the images of each split.

    Args:
        lists: Readable files of each split, with their labels.
        scans: Headers of the files.
        form: Size and channels of the decoded images.
        arranged: Splits of file numbers, as counted by `numbered_files`.
        skip: Whether to leave out files that cannot be decoded. If not, they are an error.

    Returns:
        The splits, their fingerprint, and notes.

    Raises:
        DataError: Files cannot be decoded or stored, or a split would be empty.
    """
    # From the headers, before any of the files is decoded, which may take minutes.
    for name, images in lists.items():
        too_long = check_pixels(scans[name], form).unreadable
        if too_long:
            raise refused(too_long, images)
    first = _first_places(lists)
    notes: tuple[str, ...] = ()
    # With `validation: test`, one split has two names, and is decoded only once.
    distinct = {id(split): split for split in arranged.values()}
    needed = sum(len(split) for split in distinct.values()) * form.bytes
    free = free_memory()
    in_memory = needed <= MEMORY_PART * free
    decoded: dict[int, Split] = {}
    kept: list[Kept] = []
    for key, split in distinct.items():
        # A split is held out from one list, so its first number identifies the list.
        (name,) = [name for name in lists if first[name] <= split.features[0] < first[name] + len(lists[name])]
        within = split.features - first[name]
        images = lists[name].at(within)
        if in_memory:
            kept.append(keep_in_memory(images, scans[name].at(within), form, skip=skip))
        else:
            beside = [each.folder for each in kept if each.folder is not None]
            kept.append(keep_in_file(images, scans[name].at(within), form, skip=skip, beside=beside))
        if kept[-1].failed and len(kept[-1].failed) == len(images):
            raise refused(kept[-1].failed, images, way_out="")
        decoded[key] = _split(images, kept[-1], split)
        notes += (f"corrupt: {skipped_note(kept[-1].failed, images)}",) if kept[-1].failed else ()
    notes += tuple(dict.fromkeys(note for each in kept for note in each.notes))
    splits = {name: decoded[id(split)] for name, split in arranged.items()}
    by_split = dict(zip(distinct, kept, strict=True))
    fingerprint = _fingerprint(splits, {name: by_split[id(split)] for name, split in arranged.items()})
    return splits, fingerprint, (*notes, _kept_note(kept, needed, free))


def _first_places(lists: Mapping[str, ImageList]) -> dict[str, int]:
    first, count = {}, 0
    for name, images in lists.items():
        first[name] = count
        count += len(images)
    return first


def _split(images: ImageList, kept: Kept, numbered: Split) -> Split:
    stays = np.setdiff1d(np.arange(len(images)), list(kept.failed))
    images, numbered = images.at(stays), numbered.take(stays)
    # Python strings would need ten times the memory, and more time.
    origins = np.array([shown(name) for name in images.names], dtype=np.dtypes.StringDType())
    return replace(numbered, features=kept.pixels, target=images.labels, origins=origins, group=None)


def _left_out_note(images: ImageList) -> Iterator[str]:
    if images.left_out:
        named = ", ".join(map(shown, images.left_out[:_NAMED])) + (", ..." if len(images.left_out) > _NAMED else "")
        yield f"left out: {len(images.left_out):,} files in {images.folder} that are not images of a class: {named}"


def _looks(rows: npt.NDArray[np.void]) -> Iterator[str]:
    """Yield notes on how images were changed when they were read."""
    for change, which in (
        ("have transparency, which is ignored", rows["alpha"]),
        ("are turned upright according to their EXIF data", rows["orientation"] != 1),
        ("have several pictures (frames or pages), of which only the first is read", rows["moves"]),
        ("have more than 8 bits per value, of which only the upper 8 are read", rows["bits"] > 8),
    ):
        count = int(which.sum())
        if count:
            yield f"images: {count:,} of {len(rows):,} {change}"


def _kept_note(kept: list[Kept], needed: int, free: int) -> str:
    size = f"decoded images take {needed / 2**20:,.1f} MiB"
    if not any(each.place for each in kept):
        return f"{size} and are kept in memory"
    part = f"more than {MEMORY_PART:.0%} of the {free / 2**20:,.0f} MiB of free memory"
    places = ", ".join(dict.fromkeys(each.place for each in kept))
    if any(each.folder is None for each in kept):
        return f"{size}, {part}: they are kept in {places} until this run ends"
    reused = "where an earlier run stored them" if all(each.reused for each in kept) else "also for later runs"
    return f"{size}, {part}: they are kept in {places}, {reused}; {LIMIT_VARIABLE} limits the size of this cache"


def _fingerprint(splits: Mapping[str, Split], kept: Mapping[str, Kept]) -> str:
    """Return `fingerprint_of` the splits, without hashing large cache files again.

    The cache knows the digests of its files. They are the key of a second cache, which contains fingerprints.

    Args:
        splits: The splits.
        kept: The decoded images of each split.
    """
    digests = {name: each.digest for name, each in kept.items()}
    if not all(digests.values()):
        return fingerprint_of(splits)
    rest = {name: replace(split, features=split.features[:0]) for name, split in splits.items()}
    shapes = {name: split.features.shape for name, split in splits.items()}
    # The shapes, because the features were cut to none for the fingerprint of the rest.
    identity = json.dumps([fingerprint_of(rest), digests, shapes], sort_keys=True)
    cache, key = Cache("fingerprints"), sha256(identity.encode()).hexdigest()[:32]
    known = cache.get_value(key)
    if isinstance(known, str):
        return known
    found = fingerprint_of(splits)
    beside = [each.folder for each in kept.values() if each.folder is not None]
    cache.put_value(key, found, what=f"{sum(map(len, splits.values())):,} decoded images", beside=beside)
    return found


def image_targets(lists: Mapping[str, ImageList]) -> tuple[Labels, Target | None, tuple[str, ...]]:
    """Return the class indices or values of the images of every split, with their target.

    Returns:
        Class indices in the order of the training classes, or values, by split; the target; and a note. Without labels,
        or with a single class, there is no target.

    Raises:
        DataError: Another split lacks labels that training has, or has a class that training does not have.
    """
    train = lists["train"]
    if train.labels is None:
        return {}, None, ("labels: none, because there are no class folders",)
    if train.labels.dtype.kind == "f":
        return {name: _values(images) for name, images in lists.items()}, Target("values", 1, encoding="value"), ()
    if len(train.classes) == 1:
        return {}, None, (f"labels: none, because there is only one class, {train.classes[0]}",)
    for images in lists.values():
        if images.labels is None:
            raise DataError(f"{images.origin} has no class folders", expected="class folders of the training data")
    labels: Labels = {name: class_indices(images, train.classes) for name, images in lists.items()}
    target = Target("classes", len(train.classes), train.classes)
    return labels, target, (f"classes: {len(train.classes)}, in alphabetical order",)


def _values(images: ImageList) -> npt.NDArray[np.generic]:
    if images.labels is None or images.labels.dtype.kind != "f":
        raise DataError(f"{images.origin} has labels that are not numbers", expected="numbers, as in the training data")
    return images.labels
