"""The reader of image files: decodes them to pixels of one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dlrun.data.image_files.decoding import decode
from dlrun.data.image_files.form import ImageForm
from dlrun.data.image_files.headers import check_pixels, scan
from dlrun.data.media_files.headers import Scanned
from dlrun.data.media_files.kind import Decoded, MediaKind, MediaReader

IMAGES = MediaKind(
    noun="image",
    file_noun="an image file",
    formats="JPEG, PNG, GIF, BMP, WebP, TIFF or PPM files",
    endings=(
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
        ".pnm",
    ),
    unread=(".heic", ".heif", ".avif", ".jp2", ".jxl", ".psd", ".svg", ".ico", ".tga"),
    cache="images",
    is_always_cached=False,
    scan=scan,
)  # fmt: skip


@dataclass(frozen=True)
class ImageReader(MediaReader):
    """Decodes image files to pixels of one size, `(height, width, channels)` uint8.

    Args:
        form: Size and channels of the decoded images.
    """

    form: ImageForm

    kind = IMAGES
    dtype = np.uint8

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.form.shape

    @property
    def identity(self) -> Sequence[object]:
        """Size, channels and fit."""
        return self.form.shape, self.form.fit

    @property
    def described(self) -> str:
        """The size and channels, for people."""
        return " x ".join(map(str, self.form.shape))

    def check(self, scanned: Scanned) -> Scanned:
        """Mark images as unreadable that would become too large by padding."""
        return check_pixels(scanned, self.form)

    def decode(self, paths: Sequence[bytes], scanned: Scanned) -> Iterator[Decoded]:
        """Decode images with tf.data."""
        return decode(paths, scanned, self.form)
