"""Pixels of image files are what was written, upright and in order, and files that cannot be decoded are named."""

import os
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from dlrun.data.image_files.decoding import decode, decode_one
from dlrun.data.image_files.form import Fit, ImageForm
from dlrun.data.image_files.headers import scan
from dlrun.data.image_files.pillow import KINDS, read_pixels
from pictures import CMYK_JPEG, GIF, blocks, bmp, jpeg, png, saved, unpacked

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
    contents = [png(PIXELS), unpacked(GIF), bmp(GREY, PALETTE), jpeg(PIXELS, orientation=6), saved(PIXELS, "WEBP")]
    paths = [os.fsencode(tmp_path / f"{index}.bin") for index in range(60)]
    for index, path in enumerate(paths):
        Path(os.fsdecode(path)).write_bytes(contents[index % len(contents)])
    for channels in (1, 3):
        for fit in get_args(Fit):
            form = ImageForm(20, 10, channels, fit)
            (decoded,) = decode(paths, scan(paths), form)
            assert (decoded.values.shape, decoded.failed) == ((60, *form.shape), {})
            for index in range(5, 60):
                np.testing.assert_array_equal(decoded.values[index], decoded.values[index % 5])
            alone = form.layer()(decode_one(paths[3], scan(paths[3:4]), channels=channels))
            np.testing.assert_array_equal(decoded.values[3], alone)


def test_bmps_that_tensorflow_decodes_have_the_pixels_that_pillow_finds(tmp_path: Path) -> None:
    path = tmp_path / "image"
    for data in (bmp(PIXELS), saved(PIXELS, "BMP"), bmp(blocks(16, 8)[:15, :7])):
        path.write_bytes(data)
        scanned = scan([os.fsencode(path)])
        assert KINDS[scanned.rows["kind"][0]] == "colour"
        np.testing.assert_array_equal(read(tmp_path, data), read_pixels(os.fsencode(path)))


@pytest.mark.parametrize(
    ("file_format", "options"),
    [("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True}), ("PPM", {}), ("BMP", None)],
)
def test_a_file_of_pillow_that_ends_early_is_named_and_the_others_are_there(
    tmp_path: Path, file_format: str, options: dict[str, Any] | None
) -> None:
    pixels = blocks(64, 48)
    data = bmp(blocks(64, 48, 1), PALETTE) if options is None else saved(pixels, file_format, **options)
    expected = PALETTE[blocks(64, 48, 1)[..., 0]] if options is None else pixels
    # LZW as Pillow writes it has its header behind the pixels: what is cut is the middle.
    cut = data[:200] + b"\0" * 300 + data[500:] if options and "compression" in options else data[: len(data) // 2]
    paths = [tmp_path / f"{name}.bin" for name in "abc"]
    for path, content in zip(paths, (data, cut, data), strict=True):
        path.write_bytes(content)
    encoded = [os.fsencode(path) for path in paths]
    scanned = scan(encoded)
    if scanned.unreadable:  # WebP is checked to its end when it is opened
        assert scanned.unreadable.keys() == {1}
        assert "WebP file that is damaged or cut short" in scanned.unreadable[1]
        return
    (decoded,) = decode(encoded, scanned, ImageForm(64, 48, 3))
    assert decoded.failed.keys() == {1}
    assert decoded.failed[1].startswith("it is a ")
    assert "damaged" in decoded.failed[1]
    assert "Traceback" not in decoded.failed[1]
    np.testing.assert_array_equal(decoded.values, [expected, expected])


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
    np.testing.assert_array_equal(np.concatenate([each.values for each in found]), expected)
