"""Load images with masks although some of these are missing, broken, or of another size, and tell which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import PrivateAttr

from dlrun.data.dataset import Dataset
from dlrun.data.images.input import ImageInput
from dlrun.data.images.source import Images
from dlrun.data.masks.pairing import find_other_sizes
from dlrun.data.masks.pixels import read_mask
from dlrun.data.media.loading import Lists, Scans
from dlrun.data.media_files.headers import Unreadable
from dlrun.data.media_files.listing import MediaList, shown


@dataclass(frozen=True)
class MaskFiles:
    """What is wrong with the masks of images.

    Args:
        images: Number of images, also of those that are left out.
        absent: Images without a mask.
        other_sizes: Sizes of mask and image, by the name of the image, where they differ.
        corrupt: The reason why a mask cannot be read, by the name of its image.
    """

    images: int
    absent: tuple[str, ...] = ()
    other_sizes: Mapping[str, str] = field(default_factory=dict)
    corrupt: Mapping[str, str] = field(default_factory=dict)

    @property
    def left_out(self) -> frozenset[str]:
        """Images that are left out because of their masks."""
        return frozenset((*self.absent, *self.other_sizes, *self.corrupt))


class LenientImages(Images):
    """Images with masks, without those whose mask is missing or of another size."""

    _absent: dict[str, None] = PrivateAttr(default_factory=dict)
    _other_sizes: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, source: Images) -> LenientImages:
        """Return the same dataset without these images, and without those that cannot be read."""
        keys: dict[str, Any] = {name: getattr(source, name) for name in Images.model_fields}
        return cls.model_construct(**{**keys, "corrupt": "skip"})

    def pair(
        self, images: MediaList, masks: Path | None, *, below: str = "", left_out: list[str] | None = None
    ) -> MediaList:
        """Return images with their masks, and remember those without."""
        found: list[str] = [] if left_out is None else left_out
        paired = super().pair(images, masks, below=below, left_out=found)
        self._absent.update(dict.fromkeys(file_name(images, name) for name in found))
        return paired

    def same_sizes(self, lists: Lists, scans: Scans, of_masks: Scans) -> tuple[Lists, Scans, Scans]:
        """Return the images whose masks have their size, and remember the others."""
        for name, images in lists.items():
            differing = find_other_sizes(scans[name], of_masks[name])
            for place, (of_mask, own) in differing.items():
                found = f"the mask has {of_mask} pixels, the image {own}"
                self._other_sizes[file_name(images, images.names[place])] = found
            stays = np.setdiff1d(np.arange(len(images)), list(differing))
            lists[name], scans[name] = images.at(stays), scans[name].at(stays)
            of_masks[name] = of_masks[name].at(stays)
        return lists, scans, of_masks

    def mask_files(self, dataset: Dataset) -> MaskFiles:
        """Return what is wrong with the masks.

        Args:
            dataset: The dataset that was loaded from here.
        """
        corrupt, total = {}, len(self._absent)
        loaded = {
            str(name) for split in dataset.splits.values() for name in (() if split.origins is None else split.origins)
        }
        raw = dataset.raw_input()
        for images in self.lists().values():
            total += len(images)
            for place, name in enumerate(images.names):
                full = file_name(images, name)
                if shown(name) in loaded or full in self._other_sizes or images.masks is None:
                    continue
                if why := _why_unreadable(images.masks.at(np.array([place])).paths()[0], raw):
                    corrupt[full] = why
        return MaskFiles(total, tuple(self._absent), dict(self._other_sizes), corrupt)


def file_name(files: MediaList, name: str) -> str:
    """Return the name of a file with its folder, which tells the splits apart."""
    return str(Path(files.folder.name) / shown(name))


def _why_unreadable(path: bytes, raw: Any) -> str:
    try:
        mask = read_mask(path)
        if isinstance(raw, ImageInput) and raw.masks is not None:
            raw.masks.classes.indices(mask)
    except Unreadable as error:
        return str(error)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""
