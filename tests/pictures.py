"""Image files for tests, made byte by byte, by TensorFlow (JPEG), or by Pillow."""

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

# Saved by Pillow: 3 x 2 pixels of red in CMYK; a row of 3 red pixels above one of 3 blue ones.
CMYK_JPEG = (
    "eNr7f+P/OwY+x5T8pFSGFAYQ+H+bwZlhQV5FT0XKgp6mni2rFuz78P//hzt3gCTx4ACDCAcDEwMzi7Mgg68gQ6Qgg7cgw/8jDCIMjAyogBkkKoAuyvD/"
    "FgMfizODL0MkgzcDgz1DQsv5/zcBfxtPdg=="
)
GIF = "eNpz93SzME9kZmBiaGRg+M/AACUYGHRABEicgYOdgZGDx8FAgcEaAJ8YBUs="


def unpacked(packed: str) -> bytes:
    return zlib.decompress(base64.b64decode(packed))


def blocks(height: int, width: int, channels: int = 3, seed: int = 0) -> Any:
    """Random colours in blocks of 8 x 8 pixels, which JPEG keeps nearly as they are."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, channels), dtype=np.uint8)
    return np.kron(small, np.ones((8, 8, 1), np.uint8))


def png(pixels: Any) -> bytes:
    """Of 1 to 4 channels, of 8 or 16 bits."""
    height, width, channels = pixels.shape
    depth, colour = 8 * pixels.dtype.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    content = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", content), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def jpeg(pixels: Any, *, orientation: int = 1) -> bytes:
    import tensorflow as tf

    data: bytes = tf.io.encode_jpeg(pixels, quality=100, chroma_downsampling=False).numpy()
    if orientation == 1:
        return data
    directory = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    segment = b"Exif\0\0" + directory
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def saved(pixels: Any, file_format: str, *, mode: str = "", orientation: int = 1, **options: Any) -> bytes:
    """What Pillow writes: without loss where the format can."""
    import PIL.Image

    image = PIL.Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    if file_format == "WEBP":
        options = {"lossless": True} | options
    if orientation != 1:
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, file_format, **options)
    return file.getvalue()


def bmp(pixels: Any, palette: Any = None) -> bytes:
    """A BMP of 24 bits per pixel, or of 8 with a palette of red, green and blue."""
    height, width, channels = pixels.shape
    rows = pixels[::-1, :, ::-1].reshape(height, width * channels)
    padded = np.pad(rows, ((0, 0), (0, -width * channels % 4)))
    table = b"" if palette is None else np.pad(palette[:, ::-1], ((0, 0), (0, 1))).astype(np.uint8).tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8 * channels, 0, padded.size, 0, 0, len(table) // 4, 0)
    start = 14 + 40 + len(table)
    return b"BM" + struct.pack("<IHHI", start + padded.size, 0, 0, start) + header + table + padded.tobytes()


def write_classes(folder: Path, *, count: int = 6, classes: tuple[str, ...] = ("a", "b"), side: int = 16) -> Path:
    """A folder for each class with PNGs, every one of them another."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / name / f"{number:03}.png").write_bytes(png(blocks(side, side, seed=1000 * label + number)))
    return folder


def write_pairs(
    images: Path, masks: Path, values: tuple[int, ...] = (0, 1), *, count: int = 6, side: int = 16, suffix: str = ""
) -> None:
    """Images, and masks beside them or elsewhere, which have each of the values in blocks of 8 x 8 pixels."""
    from dlrun.data.masks.pixels import encode_mask

    for folder in (images, masks):
        folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (images / f"{number:03}.png").write_bytes(png(blocks(side, side, seed=number)))
        places = np.arange((side // 8) ** 2).reshape(side // 8, -1) + number
        mask = np.kron(np.array(values, np.int32)[places % len(values)], np.ones((8, 8), np.int32))
        (masks / f"{number:03}{suffix}.png").write_bytes(encode_mask(mask))
