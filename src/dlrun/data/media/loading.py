"""Load listed files as splits: targets, headers, and decoded values."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlrun.data.media_files.headers import Scanned
from dlrun.data.media_files.kind import MediaReader
from dlrun.data.media_files.listing import MediaList, shown
from dlrun.data.media_files.reading import class_indices
from dlrun.data.media_files.store import (
    MEMORY_PART,
    SKIP,
    Kept,
    keep_in_file,
    keep_in_memory,
    keep_in_memory_and_cache,
    refused,
    skipped_note,
)
from dlrun.data.splits import Split, fingerprint_of
from dlrun.errors import DataError
from dlrun.signature import Target
from dlrun.system.cache import Cache
from dlrun.system.cache_entries import LIMIT_VARIABLE
from dlrun.system.memory import free_memory

_NAMED = 5
Lists = dict[str, MediaList]
Scans = dict[str, Scanned]


Labels = dict[str, npt.NDArray[np.generic]]


def read_headers(
    lists: Mapping[str, MediaList], labels: Mapping[str, npt.NDArray[np.generic]], *, skip: bool
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
    scans = {name: files.kind.scan(files.paths()) for name, files in lists.items()}
    kept: Lists = {}
    notes = [note for files in lists.values() for note in _left_out_note(files)]
    for name, files in lists.items():
        files = replace(files, labels=labels.get(name))  # noqa: PLW2901
        unreadable = scans[name].unreadable
        if unreadable and len(unreadable) == len(files):
            raise refused(unreadable, files, way_out="")
        if unreadable and not skip:
            raise refused(unreadable, files)
        if unreadable:
            notes.append(f"corrupt: {skipped_note(unreadable, files)}")
            stays = np.setdiff1d(np.arange(len(files)), list(unreadable))
            files, scans[name] = files.at(stays), scans[name].at(stays)  # noqa: PLW2901
        kept[name] = files
    return kept, scans, tuple(notes)


def numbered_files(lists: Mapping[str, MediaList], labels: Mapping[str, npt.NDArray[Any] | None]) -> dict[str, Split]:
    """Return splits of file numbers, counted through all lists, with the labels of the files.

    Test and validation splits are held out from these numbers, so that files are decoded once and never copied.

    Args:
        lists: The files of each split.
        labels: Their labels in the form of the target.
    """
    first = _first_places(lists)
    return {name: Split(first[name] + np.arange(len(files)), labels.get(name)) for name, files in lists.items()}


def read_mask_headers(lists: Lists, scans: Scans, *, skip: bool) -> tuple[Lists, Scans, Scans, tuple[str, ...]]:
    """Read the headers of the masks of images.

    Args:
        lists: Readable images of each split, with their masks.
        scans: Headers of the images.
        skip: Whether to leave out images whose masks cannot be read. If not, they are an error.

    Returns:
        The images whose masks are readable, their headers, the headers of the masks, and notes.

    Raises:
        DataError: A mask cannot be read and `skip` is False, or no mask can be read.
    """
    kept: Lists = {}
    kept_scans, of_masks, notes = dict(scans), {}, []
    for name, files in lists.items():
        masks = files.masks
        if masks is None:
            raise DataError(f"{files.origin} has no masks", expected="a mask for each image")
        scanned = masks.kind.scan(masks.paths())
        unreadable = scanned.unreadable
        if unreadable and (not skip or len(unreadable) == len(files)):
            raise refused(unreadable, masks, way_out="" if len(unreadable) == len(files) else SKIP)
        kept[name], of_masks[name] = files, scanned
        if unreadable:
            notes.append(f"corrupt: {skipped_note(unreadable, masks)}")
            stays = np.setdiff1d(np.arange(len(files)), list(unreadable))
            kept[name], kept_scans[name], of_masks[name] = files.at(stays), scans[name].at(stays), scanned.at(stays)
    return kept, kept_scans, of_masks, tuple(notes)


def load_splits(
    lists: Lists,
    scans: Scans,
    reader: MediaReader,
    arranged: Mapping[str, Split],
    *,
    skip: bool,
    mask_reader: MediaReader | None = None,
) -> tuple[dict[str, Split], str, tuple[str, ...]]:
    """Decode the files of each split.

    Args:
        lists: Readable files of each split, with their labels.
        scans: Headers of the files.
        reader: Decoder of the files.
        arranged: Splits of file numbers, as counted by `numbered_files`.
        skip: Whether to leave out files that cannot be decoded. If not, they are an error.
        mask_reader: Decoder of the masks of the files, which then are the targets.

    Returns:
        The splits, their fingerprint, and notes.

    Raises:
        DataError: Files cannot be decoded or stored, or a split would be empty.
    """
    # From the headers, before any of the files is decoded, which may take minutes.
    for name, files in lists.items():
        too_long = reader.check(scans[name]).unreadable
        if too_long:
            raise refused(too_long, files)
    first = _first_places(lists)
    notes: tuple[str, ...] = ()
    # With `validation: test`, one split has two names, and is decoded only once.
    distinct = {id(split): split for split in arranged.values()}
    bytes_each = reader.bytes + (0 if mask_reader is None else mask_reader.bytes)
    needed = sum(len(split) for split in distinct.values()) * bytes_each
    free = free_memory()
    in_memory = needed <= MEMORY_PART * free
    decoded: dict[int, Split] = {}
    kept: list[Kept] = []
    masks_kept: list[Kept] = []
    cached: dict[str, Kept] = {}
    for key, split in distinct.items():
        # A split is held out from one list, so its first number identifies the list.
        (name,) = [name for name in lists if first[name] <= split.features[0] < first[name] + len(lists[name])]
        within = split.features - first[name]
        files = lists[name].at(within)
        beside = [each.folder for each in (*kept, *masks_kept) if each.folder is not None]
        if in_memory and reader.kind.is_always_cached:
            # All files of the list at once, so that other splits of them, such as other folds, find them there, too.
            if name not in cached:
                cached[name] = keep_in_memory_and_cache(lists[name], scans[name], reader, skip=skip)
            kept.append(cached[name].at(within))
        else:
            scanned = scans[name].at(within)
            kept.append(_keep(files, scanned, reader, in_memory=in_memory, skip=skip, beside=beside))
        of_masks = None
        if mask_reader is not None and files.masks is not None:
            beside += [each.folder for each in (kept[-1], *masks_kept) if each.folder is not None]
            scanned = files.masks.kind.scan(files.masks.paths())
            of_masks = _keep(files.masks, scanned, mask_reader, in_memory=in_memory, skip=skip, beside=beside)
            masks_kept.append(of_masks)
            notes += (f"corrupt: {skipped_note(of_masks.failed, files.masks)}",) if of_masks.failed else ()
        failed = {**kept[-1].failed, **({} if of_masks is None else of_masks.failed)}
        if failed and len(failed) == len(files):
            raise refused(failed, files, way_out="")
        decoded[key] = _split(files, kept[-1], split, of_masks)
        notes += (f"corrupt: {skipped_note(kept[-1].failed, files)}",) if kept[-1].failed else ()
    notes += tuple(dict.fromkeys(note for each in (*kept, *masks_kept) for note in each.notes))
    splits = {name: decoded[id(split)] for name, split in arranged.items()}
    by_split = dict(zip(distinct, kept, strict=True))
    beside = [each.folder for each in (*kept, *masks_kept) if each.folder is not None]
    fingerprint = _fingerprint(splits, {name: by_split[id(split)] for name, split in arranged.items()}, beside=beside)
    return splits, fingerprint, (*notes, _kept_note(kept, needed, free, reader.kind.plural))


def _first_places(lists: Mapping[str, MediaList]) -> dict[str, int]:
    first, count = {}, 0
    for name, files in lists.items():
        first[name] = count
        count += len(files)
    return first


def _keep(
    files: MediaList,
    scanned: Scanned,
    reader: MediaReader,
    *,
    in_memory: bool,
    skip: bool,
    beside: Collection[Path],
) -> Kept:
    """Decode files into memory if they fit there, otherwise into a file of the cache."""
    if in_memory:
        return keep_in_memory(files, scanned, reader, skip=skip)
    return keep_in_file(files, scanned, reader, skip=skip, beside=beside)


def _split(files: MediaList, kept: Kept, numbered: Split, of_masks: Kept | None = None) -> Split:
    failed = {*kept.failed, *(() if of_masks is None else of_masks.failed)}
    stays = np.setdiff1d(np.arange(len(files)), list(failed))
    values, target = kept.values, None
    if of_masks is not None:
        values = kept.at(stays).values if of_masks.failed else kept.values
        target = of_masks.at(stays).values if kept.failed else of_masks.values
    files, numbered = files.at(stays), numbered.take(stays)
    # Python strings would need ten times the memory, and more time.
    origins = np.array([shown(name) for name in files.names], dtype=np.dtypes.StringDType())
    target = files.labels if of_masks is None else target
    return replace(numbered, features=values, target=target, origins=origins, group=None)


def _left_out_note(files: MediaList) -> Iterator[str]:
    if files.left_out:
        named = ", ".join(map(shown, files.left_out[:_NAMED])) + (", ..." if len(files.left_out) > _NAMED else "")
        what = f"{len(files.left_out):,} files in {files.folder} that are not {files.kind.plural} of a class"
        yield f"left out: {what}: {named}"


def _kept_note(kept: list[Kept], needed: int, free: int, plural: str) -> str:
    size = f"decoded {plural} take {needed / 2**20:,.1f} MiB"
    if not any(each.place for each in kept):
        return f"{size} and are kept in memory"
    if needed <= MEMORY_PART * free:
        where = "from the cache, where an earlier run stored them" if all(each.reused for each in kept) else "and cache"
        return f"{size} and are kept in memory {where}"
    part = f"more than {MEMORY_PART:.0%} of the {free / 2**20:,.0f} MiB of free memory"
    places = ", ".join(dict.fromkeys(each.place for each in kept))
    if any(each.folder is None for each in kept):
        return f"{size}, {part}: they are kept in {places} until this run ends"
    reused = "where an earlier run stored them" if all(each.reused for each in kept) else "also for later runs"
    return f"{size}, {part}: they are kept in {places}, {reused}; {LIMIT_VARIABLE} limits the size of this cache"


def _fingerprint(splits: Mapping[str, Split], kept: Mapping[str, Kept], *, beside: Collection[Path]) -> str:
    """Return `fingerprint_of` the splits, without hashing large cache files again.

    The cache knows the digests of its files. They are the key of a second cache, which contains fingerprints.

    Args:
        splits: The splits.
        kept: The decoded files of each split.
        beside: Cache entries of the same data, which must not be evicted.
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
    cache.put_value(key, found, what=f"{sum(map(len, splits.values())):,} decoded files", beside=beside)
    return found


def media_targets(lists: Mapping[str, MediaList]) -> tuple[Labels, Target | None, tuple[str, ...]]:
    """Return the class indices or values of the files of every split, with their target.

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
        return {name: _values(files) for name, files in lists.items()}, Target("values", 1, encoding="value"), ()
    if len(train.classes) == 1:
        return {}, None, (f"labels: none, because there is only one class, {train.classes[0]}",)
    for files in lists.values():
        if files.labels is None:
            raise DataError(f"{files.origin} has no class folders", expected="class folders of the training data")
    labels: Labels = {name: class_indices(files, train.classes) for name, files in lists.items()}
    target = Target("classes", len(train.classes), train.classes)
    return labels, target, (f"classes: {len(train.classes)}, in alphabetical order",)


def _values(files: MediaList) -> npt.NDArray[np.generic]:
    if files.labels is None or files.labels.dtype.kind != "f":
        raise DataError(f"{files.origin} has labels that are not numbers", expected="numbers, as in the training data")
    return files.labels
