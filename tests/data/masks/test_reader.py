"""Masks are decoded to classes in the size of the images, also when some cannot be."""

from pathlib import Path

import numpy as np

from dlrun.data.image_files.form import ImageForm
from dlrun.data.masks.classes import MaskClasses
from dlrun.data.masks.pixels import encode_mask
from dlrun.data.masks.reader import MASKS, MaskReader
from dlrun.data.media_files.listing import MediaList
from dlrun.signature import IGNORED_CLASS

CLASSES = MaskClasses(("a", "b"), ((0,), (5,)), (9,))


def listed(folder: Path, count: int, height: int, width: int) -> MediaList:
    names = [f"{number}.png" for number in range(count)]
    for number, name in enumerate(names):
        values = np.where(np.arange(height * width).reshape(height, width) % (number + 2) == 0, 5, 0)
        (folder / name).write_bytes(encode_mask(values.astype(np.int32)))
    return MediaList(MASKS, folder, names)


def test_masks_are_decoded_in_order_in_the_size_of_the_images(tmp_path: Path) -> None:
    masks = listed(tmp_path, 70, 6, 4)
    reader = MaskReader(ImageForm(6, 4, 3), CLASSES)
    blocks = list(reader.decode(masks.paths(), MASKS.scan(masks.paths())))
    assert [(block.first, block.last, block.failed) for block in blocks] == [(0, 64, {}), (64, 70, {})]
    values = np.concatenate([block.values for block in blocks])
    assert values.shape == (70, 6, 4)
    assert values.dtype == np.uint8
    for number, mask in enumerate(values):
        np.testing.assert_array_equal(mask, np.arange(24).reshape(6, 4) % (number + 2) == 0)


def test_the_borders_that_pad_adds_do_not_count(tmp_path: Path) -> None:
    masks = listed(tmp_path, 1, 2, 4)
    (block,) = MaskReader(ImageForm(4, 4, 3, "pad"), CLASSES).decode(masks.paths(), MASKS.scan(masks.paths()))
    assert (block.values[0] == IGNORED_CLASS).tolist() == [[True] * 4, [False] * 4, [False] * 4, [True] * 4]


def test_masks_that_fail_are_named_by_their_place_and_the_others_are_kept(tmp_path: Path) -> None:
    masks = listed(tmp_path, 5, 3, 3)
    (tmp_path / "1.png").write_bytes(encode_mask(np.full((3, 3), 8, np.int32)))
    (tmp_path / "3.png").unlink()
    (block,) = MaskReader(ImageForm(3, 3, 3), CLASSES).decode(masks.paths(), MASKS.scan(masks.paths()))
    assert block.values.shape == (3, 3, 3)
    assert block.failed[1].startswith("the pixel in row 0, column 0 has the value 8")
    assert block.failed[3] == "no such file or directory"


def test_the_cache_tells_masks_with_other_classes_and_sizes_apart() -> None:
    forms = (ImageForm(4, 4, 3), ImageForm(4, 5, 3), ImageForm(4, 4, 3, "crop"))
    others = (CLASSES, MaskClasses(("a", "b"), ((5,), (0,)), (9,)), MaskClasses(("a", "b"), ((0,), (5,))))
    readers = [*(MaskReader(form, CLASSES) for form in forms), *(MaskReader(forms[0], each) for each in others[1:])]
    assert len({str(reader.identity) for reader in readers}) == len(readers)
    assert str(MaskReader(ImageForm(4, 4, 1), CLASSES).identity) == str(readers[0].identity)
    assert (readers[1].shape, readers[1].described, MASKS.cache) == ((4, 5), "4 x 5", "masks")
