"""Predict the masks of images in the size of each image, count the pixels of each class, and write the masks as PNG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.headers import scan
from dlrun.data.images.input import ImageInput
from dlrun.data.interface import Interface
from dlrun.data.masks.classes import MaskClasses
from dlrun.data.masks.geometry import count_restored, restore_mask
from dlrun.data.masks.pixels import encode_mask
from dlrun.errors import RunError, UsageError
from dlrun.signature import IGNORED_CLASS
from dlrun.system.disk import disk, explained

if TYPE_CHECKING:
    from dlrun.data.raw_input import Examples
    from dlrun.training.predictor import Predictor

Array = npt.NDArray[Any]

_THREADS = 4


@dataclass(frozen=True)
class PredictedMask:
    """The mask of an image.

    Args:
        file: Path of the file for it, relative to the folder for all masks; empty if there will be no file.
        classes: Class of each pixel in the size of the resized image, `(form.height, form.width)` uint8.
        form: Size of the resized image, and how it was fitted.
        known: Classes and their pixel values.
        height: Height of the image.
        width: Width of the image.
    """

    file: str
    classes: npt.NDArray[np.uint8]
    form: ImageForm
    known: MaskClasses
    height: int
    width: int

    def values(self) -> npt.NDArray[np.int32]:
        """Return the value of each pixel, as in the masks of the training data.

        Pixels that `fit: crop` has cut off get the first ignored value, or else that of the first class.

        Shape:
            Returns: `(height, width)`; a value from 2^24 on is a color: 2^24 + 0xRRGGBB.
        """
        restored = restore_mask(self.classes, self.form, height=self.height, width=self.width, outside=IGNORED_CLASS)
        return self.known.written(restored)

    def shares(self) -> npt.NDArray[np.float32]:
        """Return the share of the pixels of each class, without those that `fit: crop` has cut off.

        Shape:
            Returns: `(classes,)`.
        """
        counts = count_restored(
            self.classes, self.form, height=self.height, width=self.width, size=len(self.known.names)
        )
        shares: npt.NDArray[np.float32] = (counts / counts.sum()).astype(np.float32)
        return shares


class MaskPredictor:
    """Predicts the masks of images.

    Args:
        predictor: The predictor of the model.
        interface: The interface that the images are read with.

    Raises:
        RunError: The interface is damaged.
    """

    def __init__(self, predictor: Predictor, interface: Interface) -> None:
        raw = interface.raw
        if not isinstance(raw, ImageInput) or raw.masks is None:
            raise RunError("the interface of the run is damaged: it predicts masks, but not of images")
        self._predictor, self._form, self._known = predictor, raw.form, raw.masks.classes

    def __call__(self, examples: Examples) -> tuple[tuple[PredictedMask | None, ...], Array]:
        """Return the mask of each image, and the shares of the classes.

        A mask is None, and the shares are NaN, where the output of the network is not finite.

        Shape:
            Returns: masks, and shares `(n, classes)` float32.
        """
        outputs = self._predictor(examples.stored)
        are_finite = [bool(np.isfinite(each).all()) for each in outputs]
        classes = outputs.argmax(axis=-1).astype(np.uint8)
        sizes = scan(examples.origin).rows[["height", "width"]].tolist()
        files = examples.files or [""] * len(examples)
        masks = tuple(
            PredictedMask(file, own, self._form, self._known, *size) if predicts else None
            for file, own, size, predicts in zip(files, classes, sizes, are_finite, strict=True)
        )
        shares = np.full((len(masks), outputs.shape[-1]), np.nan, np.float32)
        for index, mask in enumerate(masks):
            if mask is not None:
                shares[index] = mask.shares()
        return masks, shares


class MaskFolder:
    """A folder for masks.

    Args:
        path: The folder; it is created with the first mask.
        names: Paths of all masks, relative to the folder.

    Raises:
        UsageError: One of the masks exists already: it might be one of the training data.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path = path
        existing = [name for name in names if disk.exists(path / name)]
        if existing:
            what = f"{path / existing[0]} exists already"
            more = f", as {len(existing) - 1:,} more of the masks do" if len(existing) > 1 else ""
            raise UsageError(what + more, expected="a folder without these files", hint="--masks with a new folder")

    def write(self, masks: Iterable[PredictedMask | None]) -> None:
        """Write some masks, each completely or not at all.

        Raises:
            RunError: A mask cannot be written.
        """
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="dlrun-masks") as threads:
            for _ in threads.map(self._write, [mask for mask in masks if mask is not None]):
                pass

    def _write(self, mask: PredictedMask) -> None:
        path = self._path / mask.file
        with explained(f"write {path}"):
            disk.make_folders(path.parent)
            disk.write_atomically(path, encode_mask(mask.values(), among=mask.known.written_values))


def check_mask_folder(path: Path) -> None:
    """Reject a folder for masks that cannot be one, before any computation.

    Raises:
        UsageError: It is a file, or there is no folder to create it in.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is not a folder", expected="the name of a folder for the masks")
    if not path.exists() and not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to create {path.name} in", hint=f"mkdir -p {path.parent}")
