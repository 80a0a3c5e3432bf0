"""The reader of mask files: decodes them to the class of each pixel, in the size of the images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.reader import IMAGES
from dlrun.data.masks.classes import MaskClasses
from dlrun.data.masks.geometry import resize_mask
from dlrun.data.masks.pixels import read_mask
from dlrun.data.media_files.headers import Scanned, Unreadable
from dlrun.data.media_files.kind import Decoded, MediaReader
from dlrun.signature import IGNORED_CLASS

MASKS = replace(
    IMAGES, noun="mask", file_noun="a mask file", formats="PNG, GIF, BMP, WebP, TIFF or PPM files", cache="masks"
)

_AT_ONCE = 64
_THREADS = 4


@dataclass(frozen=True)
class MaskReader(MediaReader):
    """Decodes mask files to classes, `(height, width)` uint8.

    Args:
        form: Size of the images, and how they are fitted.
        classes: The classes.
    """

    form: ImageForm
    classes: MaskClasses

    kind = MASKS
    dtype = np.uint8

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one mask."""
        return self.form.shape[:2]

    @property
    def identity(self) -> Sequence[object]:
        """Size, fit, and the values of the classes."""
        return self.shape, self.form.fit, self.classes.values, self.classes.ignored

    @property
    def described(self) -> str:
        """The size, for people."""
        return " x ".join(map(str, self.shape))

    def decode(self, paths: Sequence[bytes], scanned: Scanned) -> Iterator[Decoded]:
        """Decode masks in several threads."""
        del scanned
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="dlrun-masks") as threads:
            for first in range(0, len(paths), _AT_ONCE):
                read = list(threads.map(self._read, paths[first : first + _AT_ONCE]))
                failed = {first + place: why for place, why in enumerate(read) if isinstance(why, str)}
                masks = [
                    np.zeros((0, *self.shape), np.uint8),
                    *(each[None] for each in read if not isinstance(each, str)),
                ]
                yield Decoded(np.concatenate(masks), failed, first, first + len(read))

    def _read(self, path: bytes) -> npt.NDArray[np.uint8] | str:
        """Return the classes of a mask, or the reason why it cannot be read."""
        try:
            return resize_mask(self.classes.indices(read_mask(path)), self.form, outside=IGNORED_CLASS)
        except Unreadable as error:
            return str(error)
        except OSError as error:
            return (error.strerror or str(error)).lower()
