"""The files of predicted masks are named after the images, wherever those are."""

from pathlib import Path

import pytest

from dlrun.data.image_files.reader import IMAGES
from dlrun.data.masks.naming import mask_names
from dlrun.data.media_files.listing import MediaList
from dlrun.errors import DataError


def listed(*names: str, folder: Path = Path("data")) -> MediaList:
    return MediaList(IMAGES, folder, names)


def test_the_images_of_a_folder_keep_its_folders() -> None:
    found = mask_names(listed("a/x.jpg", "a/y.tar.png", "a/b/x.bmp"), keeps_folders=True)
    assert found == ["a/x.png", "a/y.tar.png", "a/b/x.png"]


@pytest.mark.parametrize("above", ["../../far", "/far/away", "near"])
def test_images_that_are_named_one_by_one_are_relative_to_the_folder_of_all(above: str) -> None:
    names = [f"{above}/a/x.jpg", f"{above}/b/y.jpg"]
    assert mask_names(listed(*names, folder=Path()), keeps_folders=False) == ["a/x.png", "b/y.png"]
    assert mask_names(listed(names[0], folder=Path()), keeps_folders=False) == ["x.png"]


@pytest.mark.parametrize("outside", ["../x.jpg", "/far/x.jpg", "a/../../x.jpg"])
def test_no_mask_of_a_list_leads_out_of_the_folder_for_masks(outside: str) -> None:
    found = mask_names(listed("a/y.jpg", outside), keeps_folders=True)
    assert not any(name.startswith(("..", "/")) for name in found)
    assert len(set(found)) == 2


def test_two_images_with_the_same_mask_are_refused_but_one_that_is_listed_twice_is_not() -> None:
    with pytest.raises(DataError, match=r"data/a/x\.jpg and data/a/x\.png would have the same mask, a/x\.png"):
        mask_names(listed("a/x.jpg", "b.png", "a/x.png"), keeps_folders=True)
    assert mask_names(listed("a/x.jpg", "a/./x.jpg"), keeps_folders=True) == ["a/x.png", "a/x.png"]
