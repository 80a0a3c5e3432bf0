"""The pixels of each class are counted for each mask, also of masks that come in several blocks."""

import numpy as np
import pytest

from dlrun.data import mapped
from dlrun.data.masks.counting import pixel_counts
from dlrun.signature import IGNORED_CLASS


@pytest.mark.parametrize("block", [1, 50, 1 << 24])
def test_each_class_is_counted_in_each_mask_and_pixels_that_do_not_count_come_last(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "_BLOCK_BYTES", block)
    masks = np.random.default_rng(0).choice(np.array([0, 1, 2, IGNORED_CLASS], np.uint8), (7, 5, 6))
    expected = [[int((mask == value).sum()) for value in (0, 1, 2, IGNORED_CLASS)] for mask in masks]
    assert pixel_counts(masks, 3).tolist() == expected
    assert pixel_counts(masks[:0], 3).shape == (0, 4)
