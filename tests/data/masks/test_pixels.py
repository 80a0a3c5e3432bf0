"""The value of each pixel is that which was saved, in whatever kind of file."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from dlrun.data.masks.pixels import COLOR, encode_mask, pixels_of, read_mask, shown_value, value_of, values_in
from dlrun.data.media_files.headers import Unreadable
from pictures import saved

VALUES = np.array([[0, 1, 2], [7, 128, 255]], np.uint8)


def read(folder: Path, content: bytes) -> Any:
    path = folder / "mask"
    path.write_bytes(content)
    return read_mask(os.fsencode(path))


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM"])
def test_levels_of_gray_are_read_as_they_are(tmp_path: Path, file_format: str) -> None:
    found = read(tmp_path, saved(VALUES, file_format))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, VALUES)


def test_gray_with_16_bits_keeps_all_of_them(tmp_path: Path) -> None:
    values = np.array([[0, 300, 65535]], np.uint16)
    for file_format in ("PNG", "TIFF"):
        np.testing.assert_array_equal(read(tmp_path, saved(values, file_format)), values)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_gives_its_indices_and_not_its_colors(tmp_path: Path, bits: int) -> None:
    values = np.array([[0, 1], [1, 0]] if bits == 1 else [[0, 3], [2, 1]], np.uint8)
    image = PIL.Image.fromarray(values, "P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    file = io.BytesIO()
    image.save(file, "PNG", bits=bits)
    np.testing.assert_array_equal(read(tmp_path, file.getvalue()), values)


def test_black_and_white_with_one_bit_is_0_and_1(tmp_path: Path) -> None:
    values = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    for file_format in ("PNG", "TIFF"):
        np.testing.assert_array_equal(read(tmp_path, saved(values * 255, file_format, mode="1")), values)


def test_colors_are_values_and_gray_in_color_is_the_level_of_gray(tmp_path: Path) -> None:
    pixels = np.array([[[128, 64, 0], [7, 7, 7], [0, 0, 0]]], np.uint8)
    for file_format in ("PNG", "BMP", "TIFF", "PPM", "WEBP"):
        found = read(tmp_path, saved(pixels, file_format))
        assert found.tolist() == [[value_of("#804000"), 7, 0]], file_format


@pytest.mark.parametrize(("mode", "expected"), [("LA", [[5, 9]]), ("RGBA", [[5, 9]])])
def test_transparency_does_not_change_values(tmp_path: Path, mode: str, expected: list[list[int]]) -> None:
    image = PIL.Image.fromarray(np.array([[5, 9]], np.uint8)).convert(mode)
    image.putalpha(PIL.Image.fromarray(np.array([[0, 128]], np.uint8)))
    file = io.BytesIO()
    image.save(file, "PNG")
    assert read(tmp_path, file.getvalue()).tolist() == expected


def test_a_mask_is_turned_by_its_mark_as_an_image_is(tmp_path: Path) -> None:
    found = read(tmp_path, saved(VALUES, "PNG", orientation=6))
    np.testing.assert_array_equal(found, np.rot90(VALUES, -1))


def test_a_jpeg_is_refused_because_it_changes_values(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="it is a JPEG, which changes the values of pixels: save masks as PNG"):
        read(tmp_path, saved(VALUES, "JPEG"))


def test_a_damaged_file_and_values_that_are_measurements_are_refused(tmp_path: Path) -> None:
    content = saved(np.zeros((64, 64), np.uint8), "PNG")
    with pytest.raises(Unreadable, match="damaged or cut short"):
        read(tmp_path, content[: len(content) // 2])
    with pytest.raises(Unreadable, match="floating-point"):
        read(tmp_path, saved(np.zeros((4, 4), np.float32), "TIFF"))


@pytest.mark.parametrize(
    "values",
    [
        [[0, 1], [2, 255]],
        [[0, 256], [65535, 3]],
        [[COLOR + 0x804000, 7], [0, 255]],
        [[COLOR + 1, COLOR + 0xFFFF00], [COLOR + 0x0000FF, 0]],
    ],
)
def test_what_encode_mask_writes_is_read_as_the_same_values(tmp_path: Path, values: list[list[int]]) -> None:
    content = encode_mask(np.array(values, np.int32))
    assert read(tmp_path, content).tolist() == values


@pytest.mark.parametrize(
    ("written", "value"),
    [(0, 0), (7, 7), (65535, 65535), ("#804000", COLOR + 0x804000), ("#ABCDEF", COLOR + 0xABCDEF), ("#070707", 7)],
)
def test_a_spec_contains_levels_and_colors(written: int | str, value: int) -> None:
    assert value_of(written) == value
    assert value_of(int(shown) if (shown := shown_value(value)).isdigit() else shown) == value


@pytest.mark.parametrize("written", [-1, COLOR, "7", "804000", "#8040", "red", ""])
def test_anything_else_is_not_a_value(written: int | str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        value_of(written)


def test_the_values_of_a_mask_are_each_listed_once_in_ascending_order() -> None:
    assert values_in(np.array([[9, 0], [9, 300]], np.int32)) == [0, 9, 300]
    assert values_in(np.array([[COLOR + 5, 0], [0, 2]], np.int32)) == [0, 2, COLOR + 5]
    assert values_in(np.zeros((0, 0), np.int32)) == []


@pytest.mark.parametrize(("among", "mode"), [((255,), "L"), ((256,), "I;16"), ((0, COLOR + 5), "RGB")])
def test_the_masks_of_a_folder_have_the_same_form_whatever_classes_one_of_them_has(
    tmp_path: Path, among: tuple[int, ...], mode: str
) -> None:
    (tmp_path / "x.png").write_bytes(encode_mask(np.full((2, 3), 7, np.int32), among=among))
    with PIL.Image.open(tmp_path / "x.png") as image:
        assert image.mode == mode
    assert (read_mask(bytes(tmp_path / "x.png")) == 7).all()


def test_pixels_are_levels_of_gray_or_all_of_them_colors() -> None:
    assert pixels_of([0, 300]) == (0, 300)
    assert pixels_of([9, COLOR + 0x804000]) == ((9, 9, 9), (128, 64, 0))
