"""Each class has a color of its own, a background has none, and an outline shows where a region ends."""

import numpy as np

from dlrun.data.masks.colours import COLOURS, class_colours, find_edges, is_background, lay_over
from dlrun.signature import IGNORED_CLASS


def test_many_classes_have_different_colors() -> None:
    found = class_colours(range(1, 101))
    assert list(found) == list(range(1, 101))
    assert found[1] == COLOURS[0]
    assert len(set(found.values())) == 100


def test_a_background_is_known_by_its_name_or_its_size() -> None:
    assert is_background("Background", 0.1)
    assert is_background("0", 0.1)
    assert is_background("road", 0.6)
    assert not is_background("road", 0.4)


def test_an_edge_is_on_both_sides_of_a_border() -> None:
    classes = np.array([[0, 0, 0, 1, 1, 1]] * 2)
    assert find_edges(classes).tolist() == [[False, False, True, True, False, False]] * 2
    assert find_edges(classes.T).T.tolist() == find_edges(classes).tolist()


def test_an_image_is_gray_below_the_colors_of_its_classes() -> None:
    pixels = np.full((4, 6, 3), (30, 60, 90), np.uint8)
    mask = np.array([[0, 0, 0, 1, 1, 1], *[[0, 0, 0, 1, 1, IGNORED_CLASS]] * 3], np.uint8)
    found = lay_over(pixels, mask, {1: (200, 0, 100)}, size=2)
    assert found[3, 0].tolist() == [60, 60, 60]
    assert found[0, 3].tolist() == [200, 0, 100]  # the outline
    assert found[3, 5].tolist() == [128, 128, 128]
    wide = lay_over(np.zeros((3, 3, 3), np.uint8), np.ones((3, 3), np.uint8), {1: (200, 0, 100)}, size=2)
    assert wide[1, 1].tolist() == [100, 0, 50]
