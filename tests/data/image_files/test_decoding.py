"""Formats of image files: what their headers say, and that their pixels are what was written, upright."""

import os
import struct
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from dlrun.data.image_files.decoding import decode, decode_one
from dlrun.data.image_files.form import Fit, ImageForm
from dlrun.data.image_files.scan import LARGEST_PIXELS, scan
from pictures import CMYK_JPEG, GIF, blocks, bmp, jpeg, png, unpacked

pytestmark = pytest.mark.tensorflow

RED, BLUE = (255, 0, 0), (0, 0, 255)
PIXELS = blocks(16, 24)
GREY = blocks(16, 24, 1)
PALETTE = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)


def read(folder: Path, data: bytes, channels: int = 3) -> Any:
    path = os.fsencode(folder / "image")
    (folder / "image").write_bytes(data)
    scanned = scan([path])
    assert not scanned.unreadable
    pixels = decode_one(path, scanned, channels=channels)
    assert pixels.shape == (*(int(scanned.rows[side][0]) for side in ("height", "width")), channels)
    return pixels


def test_every_format_is_read_as_it_was_written(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    for data, expected in (
        (png(PIXELS), PIXELS),
        (png(GREY), GREY.repeat(3, axis=2)),
        (png(np.concatenate([PIXELS, GREY], axis=2)), PIXELS),  # transparency is left out
        (png(GREY.astype(np.uint16) * 256 + 77), GREY.repeat(3, axis=2)),
        (bmp(PIXELS), PIXELS),
        (bmp(GREY, ramp), GREY.repeat(3, axis=2)),
        (bmp(GREY, PALETTE), PALETTE[GREY[..., 0]]),
        (unpacked(GIF), np.array([[RED] * 3, [BLUE] * 3])),
    ):
        np.testing.assert_array_equal(read(tmp_path, data), expected)
    for data, expected in ((png(GREY), GREY), (bmp(GREY, ramp), GREY)):
        np.testing.assert_array_equal(read(tmp_path, data, 1), expected)
    assert np.abs(read(tmp_path, jpeg(PIXELS)).astype(int) - PIXELS).max() < 16
    assert np.abs(read(tmp_path, unpacked(CMYK_JPEG)).astype(int) - RED).max() < 16
    for data, value in ((unpacked(CMYK_JPEG), 76), (unpacked(GIF)[:], 76), (bmp(np.full((1, 1, 3), 9, np.uint8)), 9)):
        assert abs(int(read(tmp_path, data, 1)[0, 0, 0]) - value) < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright_as_its_exif_data_says(tmp_path: Path, orientation: int) -> None:
    # How a viewer has to change the stored pixels: EXIF's own table of rows and columns.
    expected = {
        1: PIXELS, 2: PIXELS[:, ::-1], 3: PIXELS[::-1, ::-1], 4: PIXELS[::-1], 5: PIXELS.transpose(1, 0, 2),
        6: np.rot90(PIXELS, -1), 7: np.rot90(PIXELS, 2).transpose(1, 0, 2), 8: np.rot90(PIXELS),
    }  # fmt: skip
    found = read(tmp_path, jpeg(PIXELS, orientation=orientation))
    assert found.shape == expected[orientation].shape
    assert np.abs(found.astype(int) - expected[orientation]).max() < 16


def test_files_of_all_kinds_are_decoded_together_in_their_order(tmp_path: Path) -> None:
    contents = [png(PIXELS), unpacked(GIF), bmp(GREY, PALETTE), jpeg(PIXELS, orientation=6), unpacked(CMYK_JPEG)]
    paths = [os.fsencode(tmp_path / f"{index}.bin") for index in range(60)]
    for index, path in enumerate(paths):
        Path(os.fsdecode(path)).write_bytes(contents[index % len(contents)])
    for channels in (1, 3):
        for fit in get_args(Fit):
            form = ImageForm(20, 10, channels, fit)
            (decoded,) = decode(paths, scan(paths), form)
            assert (decoded.pixels.shape, decoded.failed) == ((60, *form.shape), {})
            for index in range(5, 60):
                np.testing.assert_array_equal(decoded.pixels[index], decoded.pixels[index % 5])
            alone = form.layer()(decode_one(paths[3], scan(paths[3:4]), channels=channels))
            np.testing.assert_array_equal(decoded.pixels[3], alone)


def test_a_file_that_cannot_be_decoded_is_named_and_the_others_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlrun.data.image_files.decoding._BATCH", 4)
    images = [blocks(16, 24, seed=index) for index in range(19)]
    paths = [os.fsencode(tmp_path / f"{index}.png") for index in range(19)]
    for index, path in enumerate(paths):
        data = png(images[index])
        Path(os.fsdecode(path)).write_bytes(data[: len(data) // 2] if index in (5, 6, 18) else data)
    found = list(decode(paths, scan(paths), ImageForm(16, 24, 3)))
    assert {place: why for each in found for place, why in each.failed.items()}.keys() == {5, 6, 18}
    expected = [image for index, image in enumerate(images) if index not in (5, 6, 18)]
    np.testing.assert_array_equal(np.concatenate([each.pixels for each in found]), expected)


def huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + b"\0" * 100


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b"just some words", "it is text"),
        (b"\0" * 500, "it is nothing but zeros"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "it is WebP"),
        (b"II*\0" + b"\0" * 100, "it is TIFF"),
        (b"\0\0\0\x18ftypheic", "it is HEIC or AVIF"),
        (b"\x89PNG\r\n\x1a\n", "it is cut short"),
        (b"\xff\xd8\xff\xe1\x40\x00Exif", "it is cut short"),
        (b"\xff\xd8\xff\xd9", "it is a JPEG without an image"),
        (huge_png(), f"more than the {LARGEST_PIXELS / 1e6:.0f} million"),
        (b"\x99\x98\x97\x96", "of no known image format"),
    ],
)
def test_a_header_that_is_no_images_says_what_it_is_instead(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "image.png").write_bytes(data)
    assert why in scan([os.fsencode(tmp_path / "image.png")]).unreadable[0]


def test_a_long_header_is_read_to_its_end(tmp_path: Path) -> None:
    data = jpeg(PIXELS)
    for count in (1, 40):
        comment = b"\xff\xfe" + struct.pack(">H", 60_002) + b"c" * 60_000
        assert read(tmp_path, data[:2] + count * comment + data[2:]).shape == PIXELS.shape
