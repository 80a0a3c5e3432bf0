"""Headers of image files, and the pixels of those that Pillow decodes: as written; a file that is not one is named."""

import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dlrun.data.image_files.headers import scan
from dlrun.data.image_files.pillow import (
    LARGEST_PIXELS,
    ImageHeader,
    prepare_pillow,
    read_header,
    read_pixels,
)
from dlrun.data.media_files.headers import Unreadable
from pictures import CMYK_JPEG, GIF, blocks, bmp, png, saved, unpacked

PIXELS = blocks(16, 24)
GREY = blocks(16, 24, 1)
SIXTEEN = GREY.astype(np.uint16) * 256 + 77


@pytest.fixture(autouse=True)
def _prepared() -> None:
    prepare_pillow()


def write(folder: Path, data: bytes) -> bytes:
    (folder / "image.jpg").write_bytes(data)  # its ending does not matter
    return os.fsencode(folder / "image.jpg")


@pytest.mark.parametrize(
    ("data", "expected", "channels"),
    [
        (saved(PIXELS, "WEBP"), PIXELS, 3),
        (saved(np.concatenate([PIXELS, GREY // 2 + 9], axis=2), "WEBP", exact=True), PIXELS, 3),
        (saved(PIXELS, "TIFF"), PIXELS, 3),
        (saved(PIXELS, "TIFF", compression="tiff_lzw"), PIXELS, 3),
        (saved(PIXELS, "TIFF", compression="tiff_adobe_deflate"), PIXELS, 3),
        (saved(GREY, "TIFF"), GREY, 1),
        (saved(SIXTEEN, "TIFF"), GREY, 1),
        (saved(SIXTEEN, "TIFF", compression="tiff_lzw"), GREY, 1),
        (saved(GREY // 128 * 255, "TIFF", mode="1", compression="group4"), GREY // 128 * 255, 1),
        (saved(np.concatenate([PIXELS, GREY // 2 + 9], axis=2), "TIFF"), PIXELS, 3),
        (saved(PIXELS, "TIFF", mode="CMYK"), PIXELS, 3),
        (saved(PIXELS, "PPM"), PIXELS, 3),
        (saved(GREY, "PPM"), GREY, 1),
        (saved(SIXTEEN, "PPM"), GREY, 1),
        (b"P3 2 1 255 1 2 3 4 5 6", np.array([[(1, 2, 3), (4, 5, 6)]]), 3),
        (saved(np.concatenate([PIXELS, GREY], axis=2), "BMP"), PIXELS, 3),
        (saved(GREY // 128 * 255, "BMP", mode="1"), GREY // 128 * 255, 1),
        (bmp(GREY, np.arange(256, dtype=np.uint8)[::-1, None].repeat(3, axis=1)), 255 - GREY, 1),
    ],
)
def test_pillow_gives_the_pixels_that_were_written(tmp_path: Path, data: bytes, expected: Any, channels: int) -> None:
    path = write(tmp_path, data)
    header = read_header(path)
    assert (header.kind, header.height, header.width, header.channels) == ("pillow", *expected.shape[:2], channels)
    expected = expected.repeat(3, axis=2) if expected.shape[2] == 1 else expected
    np.testing.assert_array_equal(read_pixels(path), expected)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(PIXELS), {"channels": 3, "kind": "plain"}),
        (png(GREY), {"channels": 1, "kind": "plain"}),
        (png(SIXTEEN), {"channels": 1, "bits": 16, "kind": "plain"}),
        (png(PIXELS.astype(np.uint16)), {"channels": 3, "bits": 16, "kind": "plain"}),
        (png(np.concatenate([PIXELS, GREY], axis=2)), {"channels": 3, "alpha": True}),
        (png(np.concatenate([GREY, GREY], axis=2)), {"channels": 1, "alpha": True}),
        (saved(GREY, "PNG", mode="P"), {"channels": 3, "kind": "plain"}),
        (saved(GREY, "JPEG"), {"channels": 1, "kind": "plain"}),
        (unpacked(CMYK_JPEG), {"height": 2, "width": 3, "channels": 3, "kind": "colour"}),
        (unpacked(GIF), {"channels": 3, "kind": "colour", "moves": False}),
        (saved(GREY, "GIF"), {"channels": 3, "kind": "colour"}),
        (bmp(PIXELS), {"channels": 3, "kind": "colour"}),
        (bmp(GREY, blocks(2048, 8)[::8, 0]), {"channels": 3, "kind": "pillow"}),
        (saved(blocks(16, 24) // 128 * 255, "TIFF", mode="P"), {"channels": 3, "kind": "pillow"}),
        (saved(GREY, "TIFF", mode="P"), {"channels": 1, "kind": "pillow"}),
        (saved(SIXTEEN, "TIFF"), {"channels": 1, "bits": 16}),
        (saved(PIXELS, "JPEG", orientation=6), {"height": 24, "width": 16, "orientation": 6}),
        (saved(PIXELS, "PNG", orientation=8), {"height": 24, "width": 16, "orientation": 8}),
        (saved(PIXELS, "WEBP", orientation=3), {"height": 16, "width": 24, "orientation": 3}),
    ],
)
def test_a_header_gives_size_channels_bits_and_orientation(
    tmp_path: Path, data: bytes, expected: dict[str, Any]
) -> None:
    found = vars(read_header(write(tmp_path, data)))
    assert {name: found[name] for name in expected} == expected
    assert found["bytes"] == len(data)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_several_pictures_the_first_is_read_and_that_is_known(tmp_path: Path, file_format: str) -> None:
    others = [PIL.Image.fromarray(blocks(16, 24, seed=seed)) for seed in (8, 9)]
    assert not read_header(write(tmp_path, saved(PIXELS, file_format))).moves
    path = write(tmp_path, saved(PIXELS, file_format, save_all=True, append_images=others))
    assert read_header(path).moves
    if file_format in ("WEBP", "TIFF"):
        np.testing.assert_array_equal(read_pixels(path), PIXELS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_upright_by_pillow(tmp_path: Path, orientation: int) -> None:
    import PIL.ImageOps

    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    flat = PIL.Image.fromarray(PIXELS)
    flat.getexif()[0x0112] = orientation
    expected = np.asarray(PIL.ImageOps.exif_transpose(flat))
    path = write(tmp_path, saved(PIXELS, "TIFF", tiffinfo={0x0112: orientation}))
    header = read_header(path)
    assert (header.height, header.width, header.orientation) == (*expected.shape[:2], 1)
    np.testing.assert_array_equal(read_pixels(path), expected)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_of(side: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"\0" * 100)


def tiff_of(side: int) -> bytes:
    data = saved(PIXELS, "TIFF")
    return data.replace(struct.pack("<HHIHH", 256, 4, 1, 24, 0), struct.pack("<HHII", 256, 4, 1, side)).replace(
        struct.pack("<HHIHH", 257, 4, 1, 16, 0), struct.pack("<HHII", 257, 4, 1, side)
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b"just some words", "it is text"),
        (b"P2P networks", "it is text"),
        (b"\0" * 500, "it contains only zero bytes"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "it is a WebP file that is damaged or cut short"),
        (b"II*\0" + b"\0" * 100, "it is a TIFF file that is damaged or cut short"),
        (b"\0\0\0\x18ftypheic", "it is HEIC or AVIF, which is not supported: convert it to PNG or JPEG"),
        (b"8BPS\0\1", "it is a Photoshop file, which is not supported"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n", "it is a PNG file that is damaged or cut short"),
        (b"\xff\xd8\xff\xe1\x40\x00Exif", "it is a JPEG file that is damaged or cut short"),
        (b"\xff\xd8\xff\xd9", "it is a JPEG file that is damaged or cut short"),
        (bmp(PIXELS)[:20], "it is a BMP file that is damaged"),
        (b"P6 16", "it is a PPM file that is damaged"),
        (saved(PIXELS.astype(np.float32)[..., :1], "TIFF"), "save it with 8 or 16 bits"),
        (saved(PIXELS.astype(np.int32)[..., :1], "TIFF"), "save it with 8 or 16 bits"),
        (
            png_of(12_000),
            f"144,000,000 pixels, more than the limit of {LARGEST_PIXELS / 1e6:.0f} million",
        ),
        (png_of(50_000), f"2,500,000,000 pixels, more than the limit of {LARGEST_PIXELS / 1e6:.0f} million"),
        (tiff_of(60_000), f"3,600,000,000 pixels, more than the limit of {LARGEST_PIXELS / 1e6:.0f} million"),
        (b"\x99\x98\x97\x96", "not in a known image format"),
    ],
)
def test_a_file_that_is_not_an_image_says_what_it_is_instead(tmp_path: Path, data: bytes, why: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(Unreadable) as raised:
        read_header(path)
    assert why in str(raised.value)
    with pytest.raises(Unreadable):
        read_pixels(path)


def test_a_pipe_and_a_folder_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(Unreadable, match="not a regular file"):
        read_header(os.fsencode(tmp_path / "pipe.png"))
    with pytest.raises(IsADirectoryError):
        read_header(os.fsencode(tmp_path))


def test_a_long_header_is_read_to_its_end(tmp_path: Path) -> None:
    data = saved(PIXELS, "JPEG")
    for count in (1, 40):
        comment = b"\xff\xfe" + struct.pack(">H", 60_002) + b"c" * 60_000
        assert read_header(write(tmp_path, data[:2] + count * comment + data[2:])).width == 24


@pytest.mark.parametrize(
    "note",
    [
        chunk(b"tEXt", b"Comment\0words")[:-1] + b"?",  # its checksum is wrong
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 3_000_000)),  # longer than Pillow allows
    ],
)
@pytest.mark.tensorflow
def test_a_png_whose_texts_pillow_refuses_is_read_as_its_pixels_are_sound(tmp_path: Path, note: bytes) -> None:
    import tensorflow as tf

    data = png(PIXELS)
    path = write(tmp_path, data[:33] + note + data[33:])
    with pytest.raises((OSError, ValueError)):
        PIL.Image.open(os.fsdecode(path), formats=["PNG"])
    header = read_header(path)
    assert header == ImageHeader(16, 24, 3, "plain", 1, False, 8, False, header.bytes, header.changed)
    np.testing.assert_array_equal(tf.io.decode_image(Path(os.fsdecode(path)).read_bytes()), PIXELS)


def test_damaged_exif_data_and_pages_do_not_make_a_sound_picture_unreadable(tmp_path: Path) -> None:
    data = saved(PIXELS, "JPEG", orientation=6)
    assert read_header(write(tmp_path, data.replace(b"MM\0*", b"MM\0\xff"))).orientation == 1
    pages = saved(PIXELS, "GIF", save_all=True, append_images=[PIL.Image.fromarray(blocks(16, 24, seed=8))])
    for end in range(len(pages) // 2, len(pages)):
        assert read_header(write(tmp_path, pages[:end])).height == 16
    for place in range(len(pages) // 2, len(pages)):
        assert read_header(write(tmp_path, pages[:place] + b"\0" + pages[place + 1 :])).height == 16


def test_no_file_stays_open_and_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    contents = {"a": saved(PIXELS, "TIFF"), "b": saved(PIXELS, "WEBP"), "c": b"words", "d": saved(PIXELS, "JPEG")}
    contents["e"] = png_of(10_000)  # Pillow warns of its size
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    paths = [os.fsencode(tmp_path / name) for name in contents] * 20
    before = len(list(Path("/proc/self/fd").iterdir()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scanned = scan(paths)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert set(scanned.unreadable) == set(range(2, 100, 5))
    assert not caught
    assert capfd.readouterr().err == ""
