"""Groups from the names of files: prefix, other parts, and folders."""

from pathlib import Path

import numpy as np
import pytest

from dlrun.data.image_files.reader import IMAGES
from dlrun.data.media.names import group_of_names, names_group
from dlrun.data.media_files.listing import MediaList


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        ("file_prefix", ["jackson", "7", None, "a"]),
        ("file_part_1", ["jackson", "7", None, "a"]),
        ("file_part_2", ["07", "theo", None, "b"]),
        ("file_part_3", [None, "3", None, "c"]),
        ("folder", [None, "theo", "x/y", None]),
    ],
)
def test_the_group_is_a_part_of_the_name(value: str, groups: list[str | None]) -> None:
    names = ["seven/jackson_07.wav", "seven/theo/7_theo_3.wav", "one/x/y/alone.png", "one/a-b.c.png"]
    assert names_group(value)
    found = MediaList(IMAGES, Path("f"), names, np.zeros(4, np.int32), ("one", "seven"))
    assert group_of_names(found, value) == groups


def test_the_folder_in_a_list_may_be_the_first_one() -> None:
    listed = MediaList(IMAGES, Path("f"), ["ann/1.png", "2.png"], table=Path("f/x.csv"))
    assert group_of_names(listed, "folder") == ["ann", None]
    assert not any(map(names_group, ("speaker", "file_part_0", "file_part_10", "prefix")))
