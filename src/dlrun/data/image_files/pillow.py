"""Read image files with Pillow: all headers, and the pixels of formats that TensorFlow does not decode."""

from __future__ import annotations

import logging
import os
import re
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from dlrun.data.media_files.foreign import describe_foreign
from dlrun.data.media_files.headers import Unreadable

if TYPE_CHECKING:
    import PIL.Image

LARGEST_PIXELS = 2**27
"""Largest number of pixels of one image, before and after padding: 134 million, or 400 MB when decoded."""

Kind = Literal["plain", "colour", "pillow"]
"""How pixels are decoded: by TensorFlow into one or three channels, by TensorFlow into three only, or by Pillow."""

KINDS: tuple[Kind, ...] = ("plain", "colour", "pillow")

# Pillow may open only these formats: its many other readers are less tested, and some start external programs.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
# Not MPO, although it contains several pictures: it is a phone's JPEG with a preview, and needs no warning.
_WITH_FRAMES = ("GIF", "PNG", "WEBP", "TIFF")
_START_BYTES = 512
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 0x0102
_LARGEST_ORIENTATION, _TRANSPOSED = 8, 5
_BITS = 8

# Pillow does not document which exceptions a damaged file raises; its readers and zlib raised these for fuzzed files.
# An OSError with an errno comes from the disk and is raised again.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError,
           EOFError, struct.error, zlib.error)  # fmt: skip

_PNG, _PNG_HEADER_BYTES = b"\x89PNG\r\n\x1a\n", 33
_READ = (
    (_PNG, "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"), (b"MM\0+", "TIFF"),
)  # fmt: skip
_UNREAD = (
    (b"8BPS", "a Photoshop file"), (b"\xff\x0a", "JPEG XL"), (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"), (b"<svg", "SVG"), (b"\0\0\1\0", "an icon"),
)  # fmt: skip


@dataclass(frozen=True)
class ImageHeader:
    """Properties of an image that are known without decoding it.

    Args:
        height: Height of the upright image in pixels.
        width: Width of the upright image in pixels.
        channels: Number of channels without transparency: 1 for gray, 3 for color.
        kind: How the pixels are decoded.
        orientation: EXIF orientation of the decoded pixels, 1 to 8; 1 is upright.
        alpha: Whether the image has transparency.
        bits: Number of bits of one value.
        moves: Whether the file contains several pictures; only the first is read.
        bytes: Size of the file.
        changed: Modification time of the file in nanoseconds.
    """

    height: int
    width: int
    channels: int
    kind: Kind
    orientation: int
    alpha: bool
    bits: int
    moves: bool
    bytes: int
    changed: int


def prepare_pillow() -> None:
    """Import Pillow's readers and silence its warnings about unusual files, which would disturb dlrun's display.

    The readers are imported before threads start, because Pillow imports them on first use. Problems that matter are
    errors here anyway. The filter is set again on each call, because other code may have reset it.
    """
    import PIL.Image
    import PIL.TiffImagePlugin
    import PIL.WebPImagePlugin

    PIL.Image.preinit()
    warnings.filterwarnings("ignore", module=r"PIL\.")
    log = logging.getLogger("PIL")
    if not log.handlers:
        log.addHandler(logging.NullHandler())


def read_header(path: bytes) -> ImageHeader:
    """Read the header of an image file; the suffix does not matter.

    Raises:
        Unreadable: The file is damaged, too large, or not in a supported format.
        OSError: The file cannot be opened or read.
    """
    with _opened(path) as (file, start, image):
        status = os.fstat(file.fileno())
        kind = _kind(image, start)
        header = ImageHeader(
            image.height,
            image.width,
            _channels(image, kind),
            kind,
            _orientation(image),
            image.has_transparency_data,
            _bits(image, start),
            _moves(image),
            status.st_size,
            status.st_mtime_ns,
        )
        if kind == "pillow":
            _check_range(image)
    if header.height < 1 or header.width < 1:
        raise Unreadable(f"its header specifies {header.height} x {header.width} pixels")
    if header.height * header.width > LARGEST_PIXELS:
        raise Unreadable(_too_large(header.height * header.width))
    if header.orientation >= _TRANSPOSED:
        return replace(header, height=header.width, width=header.height)
    return header


def read_pixels(path: bytes) -> npt.NDArray[np.uint8]:
    """Decode the first picture of an image file, without transparency, and with the upper 8 bits of each value.

    Shape:
        `(height, width, 3)`.

    Raises:
        Unreadable: The file is damaged.
    """
    with _opened(path) as (_, start, image):
        _check_range(image)
        if not image.mode.startswith("I"):
            return np.asarray(image.convert("RGB"))
        values = np.asarray(image) >> (_bits(image, start) - _BITS)
        return values.astype(np.uint8)[..., None].repeat(3, axis=2)


def read_values(path: bytes) -> npt.NDArray[Any]:
    """Read the values of the first picture of an image file as they are: the indices of a palette, all bits of gray.

    Shape:
        `(height, width)` unsigned integers, or `(height, width, 3)` uint8 for colors.

    Raises:
        Unreadable: The file is damaged, or is a JPEG, whose values are not those that were saved.
        OSError: The file cannot be opened or read.
    """
    import PIL.ImageOps

    with _opened(path) as (_, _, image):
        if image.format in ("JPEG", "MPO"):
            raise Unreadable("it is a JPEG, which changes the values of pixels: save masks as PNG")
        _check_range(image)
        image = PIL.ImageOps.exif_transpose(image)  # noqa: PLW2901  upright, as the image is read
        if image.mode in ("P", "L", "1") or image.mode.startswith("I"):
            return np.asarray(image).astype(np.uint16 if image.mode.startswith("I") else np.uint8)
        if image.mode in ("LA", "La"):
            return np.asarray(image.convert("L"))
        return np.asarray(image.convert("RGB"))


@contextmanager
def _opened(path: bytes) -> Iterator[tuple[BinaryIO, bytes, PIL.Image.Image]]:
    """Open an image and yield the file, its first bytes, and Pillow's image; turn errors into `Unreadable`."""
    import PIL.Image

    start = b""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable("it is not a regular file")
            start = file.read(_START_BYTES)
            with _open_image(file, start) as image:
                yield file, start, image
    except PIL.UnidentifiedImageError as error:
        raise Unreadable(_describe(start)) from error
    except PIL.Image.DecompressionBombError as error:
        pixels = re.search(r"\d+", str(error))
        raise Unreadable(_too_large(int(pixels[0]) if pixels else 0)) from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Unreadable(f"{_describe(start)}: {str(error).lower() or type(error).__name__}") from error


def _open_image(file: BinaryIO, start: bytes) -> PIL.Image.Image:
    import PIL.Image

    try:
        return PIL.Image.open(file, formats=_FORMATS)
    except (PIL.UnidentifiedImageError, ValueError):
        if not start.startswith(_PNG):
            raise
        # Pillow refuses a PNG with a damaged or very long text or color profile, which TensorFlow ignores. The first
        # chunk is enough to know the size and the channels.
        return PIL.Image.open(BytesIO(start[:_PNG_HEADER_BYTES] + b"\0\0\0\0IDAT"), formats=("PNG",))


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without blocking: opening a pipe would wait until somebody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _too_large(pixels: int) -> str:
    count = f"{pixels:,} pixels, " if pixels else ""
    return f"it has {count}more than the limit of {LARGEST_PIXELS / 1e6:.0f} million pixels: save it smaller"


def _kind(image: PIL.Image.Image, start: bytes) -> Kind:
    if image.format in ("JPEG", "MPO"):
        return "colour" if image.mode == "CMYK" else "plain"
    if image.format == "PNG":
        return "plain"
    if image.format == "GIF":
        return "colour"
    # TensorFlow reads BMP files with a Windows header (40 bytes or more) and 24 bits per pixel. Others have a palette,
    # transparency or compression.
    return "colour" if image.format == "BMP" and start[14] >= 40 and start[28] == 24 else "pillow"


def _channels(image: PIL.Image.Image, kind: Kind) -> int:
    if image.mode == "P" and kind == "pillow":
        return 1 if _is_grey(image) else 3
    return 1 if image.format != "GIF" and image.mode.startswith(("1", "L", "I")) and image.mode != "LAB" else 3


def _is_grey(image: PIL.Image.Image) -> bool:
    """Return whether a palette contains only grays, without `Image.getpalette`, which decodes all pixels first."""
    if image.palette is None:
        return False
    mode, data = image.palette.getdata()
    if mode == "RGB;L":  # all reds, then all greens and blues, as in a TIFF
        third = len(data) // 3
        return data[:third] == data[third : 2 * third] == data[2 * third :]
    step = len(mode)
    return data[0::step] == data[1::step] == data[2::step]


def _bits(image: PIL.Image.Image, start: bytes) -> int:
    """Return the number of bits of one value; 8 if there are fewer."""
    import PIL.TiffImagePlugin

    if image.format == "PNG":
        return max(_BITS, start[24])
    if isinstance(image, PIL.TiffImagePlugin.TiffImageFile):
        return max(_BITS, *map(int, image.tag_v2.get(_BITS_PER_SAMPLE, (1,))))
    return 16 if image.mode.startswith("I") else _BITS


def _moves(image: PIL.Image.Image) -> bool:
    try:
        return image.format in _WITH_FRAMES and bool(getattr(image, "is_animated", False))
    except _DAMAGE:
        return False  # the first picture may be intact even if the next one is damaged


def _check_range(image: PIL.Image.Image) -> None:
    """Raise an error for values of unknown range, such as measurements."""
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        problem = "its values are signed, 32-bit or floating-point, so it is unknown which value is black and which is "
        raise Unreadable(f"{problem}white; save it with 8 or 16 bits")


def _orientation(image: PIL.Image.Image) -> int:
    """Return the orientation in the EXIF data; 1 if there is none, and for a TIFF, which Pillow turns itself.

    `Image.getexif` is not used, because it decodes all pixels of a PNG to look for EXIF data behind them.
    """
    import PIL.Image

    if "exif" not in image.info:
        return 1
    exif = PIL.Image.Exif()
    try:
        exif.load(image.info["exif"])
        found: object = exif.get(_ORIENTATION, 1)
    except _DAMAGE:
        return 1  # the pixels may be intact even if the EXIF data is damaged
    return found if isinstance(found, int) and 1 <= found <= _LARGEST_ORIENTATION else 1


def _describe(start: bytes) -> str:
    """Describe a file that Pillow cannot open, by its first bytes."""
    if not start:
        return "it is empty"
    is_webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    name = "WebP" if is_webp else next((name for magic, name in _READ if start.startswith(magic)), None)
    if name is not None:
        return f"it is a {name} file that is damaged or cut short"
    is_heic = start[4:8] == b"ftyp"
    name = "HEIC or AVIF" if is_heic else next((name for magic, name in _UNREAD if start.startswith(magic)), None)
    if name is not None:
        return f"it is {name}, which is not supported: convert it to PNG or JPEG"
    if start.startswith(b"BM") or re.match(rb"P[1-6]\s+\d", start):
        return (
            f"it is a {'BMP' if start[0] == ord('B') else 'PPM'} file that is damaged, cut short or of an unusual kind"
        )
    return describe_foreign(start, kind="image")
