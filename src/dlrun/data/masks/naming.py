"""Name the files for predicted masks after their images."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dlrun.data.media_files.listing import MediaList
from dlrun.errors import DataError

_SUFFIX = ".png"


def mask_names(images: MediaList, *, keeps_folders: bool) -> Sequence[str]:
    """Return the path of the mask of each image, relative to the folder for all masks.

    It is the name of the image with another ending. Images that are not all below one folder are named relative to the
    deepest folder that contains them.

    Args:
        images: The images.
        keeps_folders: Whether the names are relative to a folder that the user named. If not, their first folders may
            only be the way to the images: `../data/a.jpg`.

    Raises:
        DataError: Two images would have the same mask.
    """
    names = [os.path.normpath(name) for name in images.names]
    places = [os.path.abspath(os.path.join(images.folder, name)) for name in names]  # noqa: PTH100, PTH118
    if not keeps_folders or any(os.path.isabs(name) or name.startswith(os.pardir) for name in names):  # noqa: PTH117
        above = os.path.commonpath([os.path.dirname(place) for place in places])  # noqa: PTH120
        names = [os.path.relpath(place, above) for place in places]
    made = [os.path.splitext(name)[0] + _SUFFIX for name in names]  # noqa: PTH122
    image_of: dict[str, int] = {}
    for index, name in enumerate(made):
        # A list may contain the same image twice.
        first = image_of.setdefault(name, index)
        if places[first] != places[index]:
            what = f"{images.place(first)} and {images.place(index)} would have the same mask, {name}"
            raise DataError(what, expected="images whose names differ in more than their endings")
    return made
