"""The first bytes of an image file in; its format, size, channels and orientation out, without decoding it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["plain", "colour", "bmp", "bmp8"]
"""How it is decoded: at once into the channels that are wanted; as colour first; or as a BMP, with a palette or not."""

KINDS: tuple[Kind, ...] = ("plain", "colour", "bmp", "bmp8")

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_OTHER = (
    (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"8BPS", "a Photoshop file"), (b"\xff\x0a", "JPEG XL"), (b"<svg", "SVG"),
    (b"<?xml", "XML"), (b"%PDF", "PDF"), (b"\0\0\1\0", "an icon"), (b"PK\3\4", "a ZIP archive"), (b"\x1f\x8b", "gzip"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself"),
)  # fmt: skip
_LARGEST_ORIENTATION = 8
_GREY, _PALETTE, _GREY_ALPHA, _COLOUR_ALPHA = 0, 3, 4, 6
_CMYK = 4
_TRANSPOSED = 5


class Unreadable(Exception):
    """The file is no image that can be read; its text says why."""


class MoreNeeded(Exception):
    """The header does not end within the bytes that were given."""


@dataclass(frozen=True)
class Header:
    """What the header of an image says.

    Args:
        height: In pixels, as it is to be looked at.
        width: Likewise.
        channels: 1 for grey, 3 for colour; transparency is not counted.
        kind: How it is decoded.
        orientation: As EXIF has it, 1 to 8; 1 is upright.
        alpha: Whether it has transparency.
        bits: Of one value.
        moves: Whether it is an animation, of which the first picture is read.
    """

    height: int
    width: int
    channels: int
    kind: Kind = "plain"
    orientation: int = 1
    alpha: bool = False
    bits: int = 8
    moves: bool = False


def parse_header(data: bytes) -> Header:
    """Read the header of a JPEG, PNG, GIF or BMP file, whatever its name.

    Args:
        data: The file's first bytes, or all of them.

    Raises:
        Unreadable: It is of another format, or damaged.
        MoreNeeded: More bytes would tell.
    """
    try:
        header = _parse(data)
    except (struct.error, IndexError) as error:
        raise MoreNeeded from error
    if header.height < 1 or header.width < 1:
        raise Unreadable(f"its header says {header.height} x {header.width} pixels")
    if header.orientation >= _TRANSPOSED:
        return replace(header, height=header.width, width=header.height)
    return header


def _parse(data: bytes) -> Header:
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(_JPEG):
        return _jpeg(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack_from("<HH", data, 6)
        return Header(height, width, 3, "colour", moves=_moves(data))
    if data.startswith(b"BM"):
        return _bmp(data)
    if not data:
        raise Unreadable("it is empty")
    raise Unreadable(f"it is {_name_of(data)}")


def _name_of(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return "HEIC or AVIF"
    known = next((name for start, name in _OTHER if data.startswith(start)), None)
    if known is not None:
        return known
    try:
        data[:512].decode("ascii")
    except UnicodeDecodeError:
        return "of no known image format"
    return "text" if data.strip(b"\0") else "nothing but zeros"


def _png(data: bytes) -> Header:
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    at = data.find(b"eXIf")
    orientation = _exif_orientation(data[at + 4 :]) if at > 0 else 1
    channels = 1 if colour in (_GREY, _GREY_ALPHA) else 3
    alpha = colour in (_GREY_ALPHA, _COLOUR_ALPHA) or (colour == _PALETTE and b"tRNS" in data)
    return Header(height, width, channels, "plain", orientation, alpha, bits)


def _jpeg(data: bytes) -> Header:
    orientation = 1
    for marker, start, end in _jpeg_segments(data):
        if marker == 0xE1 and data[start : start + 6] == b"Exif\0\0":  # of an application
            orientation = _exif_orientation(data[start + 6 : end])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            _, height, width, components = struct.unpack_from(">BHHB", data, start)
            kind: Kind = "colour" if components == _CMYK else "plain"
            return Header(height, width, 1 if components == 1 else 3, kind, orientation)
    raise Unreadable("it is a JPEG without an image")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each segment's marker, and where its content starts and ends, up to the pixels."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise Unreadable("it is a damaged JPEG")
        marker = data[at + 1]
        if marker in (0xD9, 0xDA):  # the end, or the pixels
            return
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 1:  # padding, or without content
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        yield marker, at + 4, at + 2 + length
        at += 2 + length


def _exif_orientation(data: bytes) -> int:
    """The orientation in the first directory of EXIF data; 1 where there is none."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return 1
    try:
        (offset,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, offset)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", data, offset + 2 + 12 * entry)
            if tag == 0x0112:
                return value if 1 <= value <= _LARGEST_ORIENTATION else 1
    except struct.error:
        pass  # an image is none the worse for damaged notes about it
    return 1


def _moves(data: bytes) -> bool:
    """Whether a GIF is animated, as far as is told before its first picture: it is repeated, or stays for a time.

    Reference:
        CompuServe, "Graphics Interchange Format, version 89a", sections 18, 23 and 26.
    """
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)  # behind the palette
    while data[at : at + 1] == b"!":  # an extension: its kind, and blocks that begin with their length
        if data[at + 1 : at + 3] == b"\xf9\x04" and any(data[at + 4 : at + 6]):
            return True
        if data[at + 1 : at + 14] == b"\xff\x0bNETSCAPE2.0":
            return True
        at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return False


def _bmp(data: bytes) -> Header:
    offset, header_bytes, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", data, 10)
    if header_bytes < 40 or bits not in (8, 24, 32) or compression not in (0, 3):
        raise Unreadable(f"it is a BMP of {bits} bits per pixel, which is read with 8, 24 or 32, not compressed")
    if bits != 8:
        return Header(abs(height), abs(width), 3, "bmp")
    palette = data[14 + header_bytes : offset]
    if len(palette) < offset - 14 - header_bytes:
        raise MoreNeeded
    grey = palette[0::4] == palette[1::4] == palette[2::4]
    return Header(abs(height), abs(width), 1 if grey else 3, "bmp8")
