"""Folders and lists of images with masks are told from those without."""

from pathlib import Path

import pytest

from dlrun.init_config.draft import Wishes
from dlrun.init_config.mask_places import MaskColumns, MaskPlaces, find_masks, mask_columns
from pictures import blocks, jpeg, write_classes, write_pairs


@pytest.mark.parametrize(
    ("images", "masks"),
    [("images", "masks"), ("imgs", "Labels"), ("JPEGImages", "SegmentationClass"), ("photos", "annotations")],
)
def test_folders_of_images_and_masks_are_known_by_their_names(tmp_path: Path, images: str, masks: str) -> None:
    write_pairs(tmp_path / images, tmp_path / masks)
    assert find_masks(tmp_path) == MaskPlaces(tmp_path / images, tmp_path / masks)


def test_a_suffix_of_the_masks_is_found(tmp_path: Path) -> None:
    write_pairs(tmp_path / "images" / "deep", tmp_path / "masks" / "deep", suffix="-seg.v2")
    assert find_masks(tmp_path) == MaskPlaces(tmp_path / "images", tmp_path / "masks", "-seg.v2")


def test_masks_beside_their_images_are_known_by_the_suffix(tmp_path: Path) -> None:
    write_pairs(tmp_path, tmp_path, suffix="_mask")
    assert find_masks(tmp_path) == MaskPlaces(tmp_path, tmp_path, "_mask")
    write_pairs(tmp_path / "benign", tmp_path / "benign", suffix="_mask")
    assert find_masks(tmp_path) == MaskPlaces(tmp_path, tmp_path, "_mask")


def test_masks_may_be_in_a_folder_among_the_images_or_among_their_splits(tmp_path: Path) -> None:
    write_pairs(tmp_path / "a", tmp_path / "a" / "masks")
    assert find_masks(tmp_path / "a") == MaskPlaces(tmp_path / "a", tmp_path / "a" / "masks")
    for split in ("train", "test"):
        write_pairs(tmp_path / "b" / split, tmp_path / "b" / "masks" / split)
    assert find_masks(tmp_path / "b") == MaskPlaces(tmp_path / "b", tmp_path / "b" / "masks")


def test_the_outer_folder_of_an_archive_is_passed_through(tmp_path: Path) -> None:
    inner = tmp_path / "VOCdevkit" / "VOC2012"
    write_pairs(inner / "JPEGImages", inner / "SegmentationClass")
    write_pairs(inner / "JPEGImages", tmp_path / "elsewhere", count=20)  # most images have no mask
    (tmp_path / "elsewhere").rename(tmp_path / "VOCdevkit" / ".hidden")
    assert find_masks(tmp_path) == MaskPlaces(inner / "JPEGImages", inner / "SegmentationClass")


def test_images_with_unusual_names_need_masks_that_look_like_some(tmp_path: Path) -> None:
    write_pairs(tmp_path / "a" / "slides", tmp_path / "a" / "masks")
    assert find_masks(tmp_path / "a") == MaskPlaces(tmp_path / "a" / "slides", tmp_path / "a" / "masks")
    for name in ("masks", "gloves"):
        (tmp_path / "b" / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "b" / name / f"{number}.jpg").write_bytes(jpeg(blocks(16, 16, seed=number)))
    assert find_masks(tmp_path / "b") is None


def test_class_folders_and_plain_images_have_no_masks(tmp_path: Path) -> None:
    assert find_masks(write_classes(tmp_path / "a")) is None
    assert find_masks(write_classes(tmp_path / "b", classes=("images", "labels", "c"))) == MaskPlaces(
        tmp_path / "b" / "images", tmp_path / "b" / "labels"
    )
    write_pairs(tmp_path / "c" / "images", tmp_path / "c" / "masks")
    for path in (tmp_path / "c" / "masks").iterdir():
        path.rename(path.with_name(f"other {path.name}"))
    assert find_masks(tmp_path / "c") is None
    write_pairs(tmp_path / "d", tmp_path / "d", suffix="_1")
    assert find_masks(tmp_path / "d") is None
    assert find_masks(tmp_path / "nowhere") is None


IMAGES, MASKS = ["a.jpg", "b.jpg"], ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("values", "target", "expected"),
    [
        ({"image": IMAGES, "mask": MASKS}, "", MaskColumns("image", "mask")),
        ({"label_path": MASKS, "photo": IMAGES}, "", MaskColumns("photo", "label_path")),
        ({"a": IMAGES, "b": MASKS, "c": ["x", "y"]}, "", MaskColumns("a", "b")),
        ({"a": IMAGES, "b": IMAGES}, "", None),
        ({"a": IMAGES, "b": IMAGES}, "b", MaskColumns("a", "b")),
        ({"a": IMAGES, "mask": MASKS, "label": ["x", "y"]}, "label", None),
        ({"path": IMAGES, "label": ["x", "y"]}, "", None),
        ({"mask": MASKS}, "", None),
    ],
)
def test_a_list_has_masks_in_a_second_column_of_paths(
    values: dict[str, list[str]], target: str, expected: MaskColumns | None
) -> None:
    assert mask_columns(values, Wishes(target=target)) == expected
