"""The mask of an image is the file of its name, whatever it ends in; one that is missing is named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlrun.data.image_files.reader import IMAGES
from dlrun.data.masks.pairing import check_sizes, with_masks_of_column, with_masks_of_folder
from dlrun.data.masks.reader import MASKS
from dlrun.data.media_files.listing import MediaList, list_all
from dlrun.errors import DataError
from pictures import png


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def paired(images: Path, masks: Path, suffix: str = "", below: str = "") -> tuple[list[str], list[str]]:
    found = with_masks_of_folder(list_all(images, IMAGES), masks, suffix=suffix, below=below)
    assert found.masks is not None
    return [*found.names], [*found.masks.names]


def test_a_mask_has_the_name_of_its_image_at_the_same_place_and_any_ending(tmp_path: Path) -> None:
    images = touch(tmp_path / "images", "b.jpg", "a.JPEG", "deep/er/c.d.png")
    masks = touch(tmp_path / "masks", "deep/er/c.d.tif", "a.png", "b.PNG", "unused.png", "notes.txt")
    assert paired(images, masks) == (["a.JPEG", "b.jpg", "deep/er/c.d.png"], ["a.png", "b.PNG", "deep/er/c.d.tif"])
    found = with_masks_of_folder(list_all(images, IMAGES), masks, suffix="")
    assert found.masks is not None
    assert found.masks.left_out == ("unused.png",)


def test_a_suffix_tells_masks_from_images_in_the_same_folder(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.jpg", "a_mask.png", "b.png", "b_mask.png", "no_mask.jpg", "no_mask_mask.png")
    assert paired(folder, folder, "_mask") == (
        ["a.jpg", "b.png", "no_mask.jpg"],
        ["a_mask.png", "b_mask.png", "no_mask_mask.png"],
    )


def test_masks_beside_the_images_of_a_split_are_no_images(tmp_path: Path) -> None:
    touch(tmp_path / "train", "a.jpg", "a_mask.png")
    assert paired(tmp_path / "train", tmp_path, "_mask", "train") == (["a.jpg"], ["a_mask.png"])


def test_a_folder_of_masks_in_that_of_the_images_has_no_images(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.jpg", "sub/b.jpg", "masks/a.png", "masks/sub/b.png")
    assert paired(folder, folder / "masks") == (["a.jpg", "sub/b.jpg"], ["a.png", "sub/b.png"])
    (tmp_path / "link").symlink_to(folder)
    assert paired(tmp_path / "link", folder / "masks")[0] == ["a.jpg", "sub/b.jpg"]


@pytest.mark.parametrize(("images", "said"), [(["a.jpg", "b.jpg"], "1 of 2 images"), (["b.jpg"], "1 of 1 images")])
def test_images_without_masks_are_counted_and_named(tmp_path: Path, images: list[str], said: str) -> None:
    folder, masks = touch(tmp_path / "images", *images), touch(tmp_path / "masks", "a.png")
    with pytest.raises(DataError, match=rf"{said} in .*images have no mask in .*masks: b\.jpg") as raised:
        paired(folder, masks)
    assert raised.value.hint == f"remove the image, or add {masks / 'b.png'}"


def test_a_suffix_that_was_not_given_is_suggested(tmp_path: Path) -> None:
    images, masks = touch(tmp_path / "images", "a.jpg"), touch(tmp_path / "masks", "a_seg.png")
    with pytest.raises(DataError) as raised:
        paired(images, masks)
    assert raised.value.hint == "mask_suffix: _seg"


def test_two_masks_of_one_image_are_an_error(tmp_path: Path) -> None:
    images, masks = touch(tmp_path / "images", "a.jpg"), touch(tmp_path / "masks", "a.png", "a.tif")
    with pytest.raises(DataError, match="are masks of the same image"):
        paired(images, masks)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere cannot be read: no such file"):
        paired(touch(tmp_path / "images", "a.jpg"), tmp_path / "nowhere")


def in_list(**kept: list[str | None]) -> MediaList:
    rows = np.array([2, 3], np.int64)
    return MediaList(IMAGES, Path("data"), ["a.jpg", "b.jpg"], table=Path("list.csv"), rows=rows, kept=kept)


def test_a_column_gives_the_masks_relative_to_the_list() -> None:
    found = with_masks_of_column(in_list(seg=["x/1.png", " 2.png "]), "seg").masks
    assert found is not None
    assert found.paths() == [b"data/x/1.png", b"data/2.png"]
    assert found.place(1) == "list.csv: line 3: 2.png"


@pytest.mark.parametrize("absent", [None, "", "  "])
def test_a_row_without_a_mask_is_named_with_its_line(absent: str | None) -> None:
    with pytest.raises(DataError, match=r"list\.csv: line 3: b\.jpg: there is no seg"):
        with_masks_of_column(in_list(seg=["1.png", absent]), "seg")


def test_a_list_without_the_column_is_an_error() -> None:
    with pytest.raises(DataError, match=r"list\.csv has no column 'seg'"):
        with_masks_of_column(in_list(), "seg")


def test_a_mask_of_another_size_is_named_with_both_sizes_and_one_that_is_turned_with_the_reason(
    tmp_path: Path,
) -> None:
    sizes = {"a": (4, 6), "b": (4, 6), "c": (4, 6)}
    for name, (height, width) in sizes.items():
        (tmp_path / f"{name}.png").write_bytes(png(np.zeros((height, width, 3), np.uint8)))
    names = [f"{name}.png" for name in sizes]
    images = MediaList(IMAGES, tmp_path, names)
    images = replace(images, masks=MediaList(MASKS, tmp_path, names))
    scanned = IMAGES.scan(images.paths())
    check_sizes(images, scanned, scanned)
    (tmp_path / "b.png").write_bytes(png(np.zeros((5, 6, 1), np.uint8)))
    (tmp_path / "c.png").write_bytes(png(np.zeros((5, 6, 1), np.uint8)))
    expected = r"b\.png has 5 x 6 pixels, but its image b\.png has 4 x 6, and 1 more"
    with pytest.raises(DataError, match=expected) as raised:
        check_sizes(images, scanned, MASKS.scan(images.paths()))
    assert raised.value.hint == ""
    (tmp_path / "b.png").write_bytes(png(np.zeros((6, 4, 1), np.uint8)))
    with pytest.raises(DataError, match=r"has 6 x 4 pixels") as raised:
        check_sizes(images, scanned, MASKS.scan(images.paths()))
    assert "EXIF" in raised.value.hint
