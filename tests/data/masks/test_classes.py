"""Which values of pixels mean which class: from the spec, or one class for each value that occurs."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from dlrun.data.masks.classes import (
    MOST_CLASSES,
    MaskClasses,
    PixelValues,
    find_classes,
    given_classes,
    read_some_values,
)
from dlrun.data.masks.pixels import COLOR, encode_mask
from dlrun.data.masks.reader import MASKS
from dlrun.data.media_files.headers import Unreadable
from dlrun.data.media_files.listing import MediaList
from dlrun.errors import DataError
from dlrun.signature import IGNORED_CLASS, Target
from pictures import saved

RED = COLOR + 0xFF0000


def masks(folder: Path, *values: list[int]) -> MediaList:
    names = [f"{number}.png" for number in range(len(values))]
    for name, row in zip(names, values, strict=True):
        (folder / name).write_bytes(encode_mask(np.array([row], np.int32)))
    return MediaList(MASKS, folder, names)


def test_each_pixel_gets_the_class_of_its_value_and_255_if_it_does_not_count() -> None:
    classes = given_classes({"ground": (0, 3), "car": 7}, [9])
    assert classes.target == Target("mask", 2, ("ground", "car"))
    found = classes.indices(np.array([[0, 3, 7, 9]], np.int32))
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, 0, 1, IGNORED_CLASS]]
    assert classes.written(found).tolist() == [[0, 0, 7, 9]]


def test_colors_have_classes_as_levels_of_gray_have() -> None:
    classes = given_classes({"ground": 0, "car": "#ff0000", "gray": "#070707"}, [255])
    assert classes.indices(np.array([[0, RED, 7, 255]], np.int32)).tolist() == [[0, 1, 2, IGNORED_CLASS]]
    assert classes.indices(np.array([[0, 7, 255]], np.int32)).tolist() == [[0, 2, IGNORED_CLASS]]


@pytest.mark.parametrize(("value", "shown"), [(4, "4"), (300, "300"), (COLOR + 0x00FF00, "#00ff00")])
def test_a_pixel_without_a_class_is_named_with_its_place_and_the_values_that_have_one(value: int, shown: str) -> None:
    classes = MaskClasses(("a", "b"), ((0,), (RED,)), (255,))
    expected = f"the pixel in row 1, column 2 has the value {shown}, which is not that of a class \\(0, #ff0000, 255\\)"
    with pytest.raises(Unreadable, match=expected):
        classes.indices(np.array([[0, 0, 0], [0, 255, value]], np.int32))


def test_a_pixel_that_was_cut_off_is_written_as_ignored_or_else_as_the_first_class() -> None:
    off = np.array([[IGNORED_CLASS, 1]], np.uint8)
    assert MaskClasses(("a", "b"), ((4,), (5,)), (200,)).written(off).tolist() == [[200, 5]]
    assert MaskClasses(("a", "b"), ((4,), (5,))).written(off).tolist() == [[4, 5]]


def test_without_given_classes_each_value_is_one_in_ascending_order_with_colors_last(tmp_path: Path) -> None:
    found = find_classes(masks(tmp_path, [7, 0], [RED, 255], [10, 7]), [255], digest="a")
    assert found == MaskClasses(("0", "7", "10", "#ff0000"), ((0,), (7,), (10,), (RED,)), (255,))


def test_the_values_are_read_once_for_the_same_files(tmp_path: Path) -> None:
    listed = masks(tmp_path, [0, 1])
    first = find_classes(listed, [], digest="same")
    (tmp_path / "0.png").unlink()
    assert find_classes(listed, [], digest="same") == first
    with pytest.raises(DataError, match=r"0\.png cannot be read: no such file"):
        find_classes(listed, [], digest="other")


def test_a_single_value_and_none_that_counts_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"all pixels of the masks in .* have the value 7") as raised:
        find_classes(masks(tmp_path, [7, 7], [7, 255]), [255], digest="one")
    assert raised.value.expected == "at least two classes"
    with pytest.raises(DataError, match="no pixel counts"):
        find_classes(masks(tmp_path, [255, 255]), [255], digest="none")


def test_more_values_than_classes_are_an_error_that_names_what_causes_them(tmp_path: Path) -> None:
    ramp = list(range(300))
    with pytest.raises(DataError, match=r"have 300 different values: 0, 1, 2, .*, 11, \.\.\.") as raised:
        find_classes(masks(tmp_path, ramp), [], digest="many")
    assert "without blurred edges and without JPEG" in raised.value.hint
    most = find_classes(masks(tmp_path, ramp[:MOST_CLASSES], [999]), [999], digest="most")
    assert len(most.names) == MOST_CLASSES


def test_masks_that_cannot_be_read_are_all_named_or_left_out(tmp_path: Path) -> None:
    listed = masks(tmp_path, [0, 1], [0, 2], [0, 3])
    (tmp_path / "1.png").write_bytes(saved(np.zeros((8, 8), np.uint8), "JPEG"))
    with pytest.raises(DataError, match=r"1\.png cannot be read: it is a JPEG, .*") as raised:
        find_classes(listed, [], digest="x")
    assert "corrupt: skip" in raised.value.hint
    assert find_classes(listed, [], digest="x", skip=True).names == ("0", "1", "3")
    assert read_some_values(listed, most=10) == {0, 1, 3}
    for name in ("0.png", "2.png"):
        (tmp_path / name).unlink()
    with pytest.raises(DataError, match="3 of 3 masks cannot be read"):
        find_classes(listed, [], digest="y", skip=True)


@pytest.mark.parametrize("written", [-3, "red", (0, "#12"), 1.5, ()])
def test_a_spec_with_another_value_is_refused(written: object) -> None:
    if written == ():
        assert TypeAdapter(PixelValues).validate_python(written) == ()  # `Images.problems` reports it
        return
    with pytest.raises(ValidationError):
        TypeAdapter(PixelValues).validate_python(written)
