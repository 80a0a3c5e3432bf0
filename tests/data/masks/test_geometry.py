"""A mask is resized as the layer that resizes its image, and a predicted mask is put back where the image was."""

from itertools import product

import numpy as np
import pytest

from dlrun.data.image_files.form import Fit, ImageForm
from dlrun.data.masks.geometry import resize_mask, restore_mask

SIZES = ((40, 40), (41, 29), (13, 50), (17, 16), (1, 7), (50, 3))
FORMS = ((16, 16), (15, 31), (33, 9))
FITS: tuple[Fit, ...] = ("resize", "crop", "pad")
STEP = 5
"""Between neighbors in an image of coordinates, so that rounding to bytes moves a place by a tenth of a pixel."""


@pytest.mark.tensorflow
@pytest.mark.parametrize("fit", FITS)
def test_each_pixel_of_a_resized_mask_comes_from_the_place_of_that_of_the_image(fit: Fit) -> None:
    for (height, width), (rows, columns) in product(SIZES, FORMS):
        form = ImageForm(rows, columns, 3, fit)
        row, column = np.mgrid[:height, :width]
        image = np.stack([row * STEP, column * STEP, np.full_like(row, 255)], axis=-1).astype(np.uint8)
        found = np.asarray(form.layer()(image[None]))[0]
        inside = found[..., 2] == 255  # a pixel at the border of `pad` is mixed with black
        for channel, places in ((0, row), (1, column)):
            resized = resize_mask(places.astype(np.uint8), form, outside=255)
            assert resized.shape == (rows, columns)
            far = np.abs(resized[inside] - found[inside][:, channel] / STEP)
            assert far.max(initial=0) <= 0.5 + 1 / STEP, (height, width, form, channel)
        marked = resize_mask(np.zeros((height, width), np.uint8), form, outside=255)
        assert (marked[inside] == 0).all(), (height, width, form)
        assert (marked[found[..., 2] == 0] == 255).all(), (height, width, form)


def test_a_mask_of_the_right_size_stays_as_it_is() -> None:
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for fit in FITS:
        assert resize_mask(mask, ImageForm(3, 4, 1, fit), outside=9) is mask
        assert restore_mask(mask, ImageForm(3, 4, 1, fit), height=3, width=4, outside=9) is mask


def test_a_mask_is_enlarged_and_restored_exactly_by_whole_factors() -> None:
    mask = np.random.default_rng(0).integers(0, 5, (6, 10), np.uint8)
    form = ImageForm(18, 30, 3)
    large = resize_mask(mask, form, outside=255)
    np.testing.assert_array_equal(large, np.kron(mask, np.ones((3, 3), np.uint8)))
    np.testing.assert_array_equal(restore_mask(large, form, height=6, width=10, outside=255), mask)


@pytest.mark.parametrize("fit", FITS)
def test_a_restored_mask_has_the_size_of_the_image_and_its_regions_where_they_were(fit: Fit) -> None:
    """Regions of three pixels or more survive being made smaller by less than that."""
    for (height, width), (rows, columns) in product(((40, 40), (41, 29), (30, 50)), ((32, 32), (33, 47), (48, 25))):
        form = ImageForm(rows, columns, 3, fit)
        row, column = np.mgrid[:height, :width]
        for places in (row, column):
            restored = restore_mask(
                resize_mask(places.astype(np.int32), form, outside=-1), form, height=height, width=width, outside=-1
            )
            assert restored.shape == (height, width)
            known = restored >= 0
            # A pixel of the smaller mask stands for up to two of the image, so that each comes from a near neighbor.
            scale = max(height / rows, width / columns, 1)
            assert np.abs(restored - places)[known].max() <= scale, (height, width, form)
            assert known.all() or fit == "crop", (height, width, form)


def test_what_crop_cuts_off_is_marked_when_the_mask_is_put_back() -> None:
    form = ImageForm(8, 8, 1, "crop")
    restored = restore_mask(np.zeros((8, 8), np.uint8), form, height=8, width=12, outside=255)
    np.testing.assert_array_equal(restored, [[255] * 2 + [0] * 8 + [255] * 2] * 8)


def test_the_borders_of_pad_do_not_count_and_are_cut_off_again() -> None:
    form = ImageForm(12, 12, 1, "pad")
    mask = np.full((8, 12), 3, np.uint8)
    padded = resize_mask(mask, form, outside=255)
    np.testing.assert_array_equal(padded[:, 0], [255] * 2 + [3] * 8 + [255] * 2)
    np.testing.assert_array_equal(restore_mask(padded, form, height=8, width=12, outside=255), mask)
