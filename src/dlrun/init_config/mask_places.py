"""Find the images and their masks in a folder, or in the columns of a list."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlrun.data.image_files.reader import IMAGES
from dlrun.data.masks.classes import MOST_CLASSES, read_some_values
from dlrun.data.masks.reader import MASKS
from dlrun.data.media_files.listing import list_all
from dlrun.init_config.draft import Wishes
from dlrun.init_config.inner_folder import subfolders
from dlrun.init_config.media import path_columns

_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages", "photos", "pictures", "inputs", "input", "x")
_MASK_FOLDERS = (
    "masks", "mask", "segmentationclass", "segmentation", "segmentations", "annotations", "annotation", "labels",
    "label", "groundtruth", "ground_truth", "gt", "targets", "y",
)  # fmt: skip
_SPLITS = ("train", "training")
_MASK_NAME = re.compile(r"mask|seg|label|annot|ground.?truth|\bgt\b|matte|trimap", re.IGNORECASE)
_SEPARATED = re.compile(r"[_.\- ].+")
JPEGS = (".jpg", ".jpeg", ".jpe", ".jfif")
_DEEPEST = 5
_COMPARED_NAMES = 200
"""Masks whose names are compared with those of the images to find a suffix."""


@dataclass(frozen=True)
class MaskPlaces:
    """Where images and their masks are.

    Args:
        images: Folder of the images.
        masks: Folder of the masks.
        suffix: What the name of a mask has behind that of its image.
    """

    images: Path
    masks: Path
    suffix: str = ""


@dataclass(frozen=True)
class MaskColumns:
    """The columns of a list with the paths of images and of their masks."""

    images: str
    masks: str


def find_masks(folder: Path) -> MaskPlaces | None:
    """Return the folders of images and of their masks, if a folder has both; None if it has images only.

    Masks are in a folder beside that of the images, in a folder among the images, or each beside its image with a
    suffix in its name. A folder whose only content is another folder is passed through.

    Args:
        folder: Folder named by the user.
    """
    if not folder.is_dir():
        return None
    for _ in range(_DEEPEST):
        folders = {path.name.lower(): path for path in subfolders(folder)}
        masks = next((folders[name] for name in _MASK_FOLDERS if name in folders), None)
        if masks is not None and (places := _beside(folder, masks, folders)) is not None:
            return places
        names = [name for name in list_all(folder, IMAGES).names if name.lower().endswith(IMAGES.endings)]
        if masks is None and (suffix := _suffix_within(names)):
            return MaskPlaces(folder, folder, suffix)
        if len(folders) != 1:
            return None
        (folder,) = folders.values()
    return None


def mask_columns(values: Mapping[str, list[str]], wishes: Wishes) -> MaskColumns | None:
    """Return the columns of images and of masks of a list; None if it has no masks.

    Args:
        values: First values of each column.
        wishes: What the user specified; a target that is a column of paths is that of masks.
    """
    columns = path_columns(values, IMAGES)
    named = [name for name in columns if _MASK_NAME.search(name)]
    if wishes.target and wishes.target not in columns:
        return None
    masks = wishes.target or next(iter(named), "")
    if not masks and len(columns) == 2 and not any(name.lower().endswith(JPEGS) for name in values[columns[1]]):
        masks = columns[1]
    images = next((name for name in columns if name != masks and name not in named), None)
    return MaskColumns(images, masks) if masks and images is not None else None


def _beside(folder: Path, masks: Path, folders: Mapping[str, Path]) -> MaskPlaces | None:
    """Return the images that belong to a folder of masks: in a folder beside it, or in the folder around it."""
    named = next((folders[name] for name in _IMAGE_FOLDERS if name in folders), None)
    others = [path for path in folders.values() if path != masks]
    if named is not None:
        candidates = [named]
    elif any(name in folders for name in _SPLITS) or not others:
        candidates = [folder]
    else:
        candidates = others if len(others) == 1 else []
    for images in candidates:
        suffix = _common_suffix(_stems(images, without=masks), _stems(masks))
        # Classes may be called masks and gloves: the masks of an unnamed folder must look like some.
        if suffix is not None and (named is not None or images == folder or _look_like_masks(masks)):
            return MaskPlaces(images, masks, suffix)
    return None


def _look_like_masks(folder: Path) -> bool:
    masks = list_all(folder, MASKS)
    return 0 < len(read_some_values(masks, most=8)) <= MOST_CLASSES


def _stems(folder: Path, *, without: Path | None = None) -> list[str]:
    """Return the names of the images at any depth of a folder, without their endings."""
    below = "" if without is None or folder not in without.parents else os.path.relpath(without, folder) + os.sep
    names = list_all(folder, IMAGES).names
    return [os.path.splitext(name)[0] for name in names if not (below and name.startswith(below))]  # noqa: PTH122


def _common_suffix(images: Collection[str], masks: Sequence[str]) -> str | None:
    """Return what the names of masks have behind those of images; None if fewer than half belong together."""
    known = set(images)
    needed = min(len(known), len(masks)) / 2
    if not known or not masks:
        return None
    if sum(name in known for name in masks) >= needed:
        return ""
    rests = _rests(known, masks[:_COMPARED_NAMES])
    for rest, _ in rests.most_common(1):
        if sum(name.endswith(rest) and name.removesuffix(rest) in known for name in masks) >= needed:
            return rest
    return None


def _suffix_within(names: Sequence[str]) -> str:
    """Return what masks have behind the names of images in the same folder; empty if they are not masks."""
    stems = [os.path.splitext(name)[0] for name in names]  # noqa: PTH122
    known = set(stems)
    rests = _rests(known, [stem for stem in stems if _MASK_NAME.search(os.path.basename(stem))][:_COMPARED_NAMES])  # noqa: PTH119
    rest = next((rest for rest, _ in rests.most_common() if _MASK_NAME.search(rest)), "")
    masks = [stem for stem in stems if rest and stem.endswith(rest) and stem.removesuffix(rest) in known]
    return rest if masks and len(masks) >= (len(stems) - len(masks)) / 2 else ""


def _rests(images: Collection[str], masks: Sequence[str]) -> Counter[str]:
    """Count what the names of masks have behind the name of an image, from a separator on."""
    found: Counter[str] = Counter()
    for name in masks:
        for place in range(len(name) - 1, 0, -1):
            if name[:place] in images and _SEPARATED.fullmatch(name[place:]):
                found[name[place:]] += 1
                break
    return found
