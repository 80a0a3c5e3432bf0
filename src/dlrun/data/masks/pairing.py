"""Find the mask of each image: the file of the same name in another folder, or a column of the list."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlrun.data.masks.reader import MASKS
from dlrun.data.media_files.headers import Scanned
from dlrun.data.media_files.listing import MediaList, list_all, shown
from dlrun.errors import DataError

_NAMED = 5
_SIDES, _BY = ("height", "width"), " x "


def with_masks_of_folder(
    images: MediaList, folder: Path, *, suffix: str, below: str = "", left_out: list[str] | None = None
) -> MediaList:
    """Return images with their masks from a folder; files of the folder are masks, and not images.

    Args:
        images: The images.
        folder: The folder of the masks.
        suffix: What the name of a mask has behind that of its image: `_mask` for `cat_mask.png` of `cat.jpg`.
        below: Folder in the folder of masks with those of the images, such as `train`; empty for the folder itself.
        left_out: List to add the names of images without a mask to, which then are left out; None: they are an error.

    Raises:
        DataError: The folder cannot be read, an image has no mask, or has several.
    """
    images = without_masks(images, folder / below, suffix=suffix)
    found = list_all(folder / below, MASKS)
    by_stem: dict[str, str] = {}
    for name in found.names:
        stem = _stem(name)
        if stem.endswith(suffix) and by_stem.setdefault(stem, name) != name:
            what = f"{folder / below / name} and {by_stem[stem]} are masks of the same image"
            raise DataError(what, expected="one mask for each image", hint="remove one of them")
    wanted = [_stem(name) + suffix for name in images.names]
    absent = [name for name, stem in zip(images.names, wanted, strict=True) if stem not in by_stem]
    if absent and left_out is not None:
        left_out += absent
        images = images.at(np.array([place for place, stem in enumerate(wanted) if stem in by_stem], np.int64))
        wanted = [stem for stem in wanted if stem in by_stem]
    elif absent:
        named = ", ".join(map(shown, absent[:_NAMED])) + (", ..." if len(absent) > _NAMED else "")
        example = folder / below / f"{wanted[images.names.index(absent[0])]}.png"
        hint = f"remove the image, or add {example}"
        if len(absent) > 1:
            hint = f"remove the images, or add {example}; or list images and masks in a CSV, with mask_column"
        if not suffix and (other := _other_suffix(absent[0], by_stem)):
            hint = f"mask_suffix: {other}"
        what = f"{len(absent):,} of {len(images):,} images in {images.folder} have no mask in {folder / below}: {named}"
        raise DataError(what, expected="a file with the name of the image, such as a PNG", hint=hint)
    masks = MediaList(MASKS, folder / below, [by_stem[stem] for stem in wanted])
    used = set(masks.names)
    others = tuple(name for name in found.names if name not in used)
    return replace(images, masks=replace(masks, left_out=others))


def with_masks_of_column(images: MediaList, column: str, *, left_out: list[str] | None = None) -> MediaList:
    """Return images with their masks from a column of their list.

    Args:
        images: The images, with this column kept.
        column: The name of the column.
        left_out: List to add the names of images without a mask to, which then are left out; None: they are an error.

    Raises:
        DataError: A row has no mask.
    """
    if column not in images.kept:  # `problems` reports it with its place in the spec
        raise DataError(f"{images.origin} has no column {column!r}", expected="a list of images with this column")
    absent = [place for place, name in enumerate(images.kept[column]) if not (name or "").strip()]
    if absent and left_out is None:
        raise DataError(f"{images.place(absent[0])}: there is no {column}", expected="the path of a mask in every row")
    if absent and left_out is not None:
        left_out += [images.names[place] for place in absent]
        images = images.at(np.setdiff1d(np.arange(len(images)), absent))
    names = images.kept[column]
    masks = MediaList(
        MASKS,
        images.folder,
        [(name or "").strip() for name in names],
        table=images.table,
        rows=images.rows,
        row_word=images.row_word,
    )
    return replace(images, masks=masks)


def check_sizes(images: MediaList, of_images: Scanned, of_masks: Scanned) -> None:
    """Check that each mask has the size of its image.

    Args:
        images: The images with their masks.
        of_images: Headers of the images, all of which are readable.
        of_masks: Headers of the masks, all of which are readable.

    Raises:
        DataError: A mask has another size.
    """
    differing = find_other_sizes(of_images, of_masks)
    if not differing or images.masks is None:
        return
    place, (of_mask, own) = next(iter(differing.items()))
    more = f", and {len(differing) - 1:,} more" if len(differing) > 1 else ""
    what = f"{images.masks.place(place)} has {of_mask} pixels, but its image {shown(images.names[place])} has {own}"
    is_turned = of_mask == _BY.join(reversed(own.split(_BY)))
    hint = "a mark in the image file (EXIF) turns it, and its mask has none: save the mask upright" if is_turned else ""
    raise DataError(what + more, expected="masks of the size of their images, height x width", hint=hint)


def find_other_sizes(of_images: Scanned, of_masks: Scanned) -> dict[int, tuple[str, str]]:
    """Return the places of masks that have another size than their image, with the sizes of mask and image.

    Args:
        of_images: Headers of the images, all of which are readable.
        of_masks: Headers of the masks, all of which are readable.
    """
    differs = np.any([of_images.rows[side] != of_masks.rows[side] for side in _SIDES], axis=0)
    found = {}
    for place in np.flatnonzero(differs).tolist():
        of_mask, own = (_BY.join(str(rows[side][place]) for side in _SIDES) for rows in (of_masks.rows, of_images.rows))
        found[place] = (of_mask, own)
    return found


def without_masks(images: MediaList, folder: Path, *, suffix: str) -> MediaList:
    """Leave out files that are masks, because their folder is that of the images, or in it.

    Args:
        images: The images of a folder.
        folder: The folder of the masks.
        suffix: What the name of a mask has behind that of its image.
    """
    root, own = os.path.realpath(folder), os.path.realpath(images.folder)
    if own == root:
        stems = {_stem(name) for name in images.names}
        stays = [
            place
            for place, name in enumerate(images.names)
            if not (suffix and _stem(name).endswith(suffix) and _stem(name).removesuffix(suffix) in stems)
        ]
    elif root.startswith(own + os.sep):
        below = os.path.relpath(root, own) + os.sep
        stays = [place for place, name in enumerate(images.names) if not name.startswith(below)]
    else:
        return images
    return images.at(np.array(stays, np.int64))


def _other_suffix(name: str, masks: Mapping[str, str]) -> str:
    """Return what masks have behind the names of their images, if there is a mask that begins with `name`."""
    stem = _stem(name)
    rests = [each.removeprefix(stem) for each in masks if each.startswith(stem) and each != stem]
    return rests[0] if len(rests) == 1 else ""


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122  names may have bytes that are not UTF-8
