"""The pictures of masks: what has which color, what is marked as wrong, and how large they become."""

import io
import re
from base64 import b64decode
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

from dlrun.report.examples.masks import MaskPicture, choose_colours, mask_examples
from dlrun.runs.predictions import StoredPredictions
from dlrun.scoring.masks import confusion_counts
from dlrun.signature import IGNORED_CLASS, Target
from run_folders import NAUGHTY, NOTHING, predictions

Array = npt.NDArray[Any]

ORANGE, BLUE, WRONG = [230, 159, 0], [86, 180, 233], [200, 0, 60]
SHAPES = Target("mask", 3, ("background", NAUGHTY, "box"))


def kept(truth: Array, found: Array, size: int, **changes: Any) -> StoredPredictions:
    counts, number = confusion_counts(truth, found, size).astype(np.float32), len(truth)
    pictures = np.full((*truth.shape, 1), 90, np.uint8)
    known: dict[str, Any] = {"masks": truth, "predicted_masks": found, "pictures": pictures, "texts": NOTHING}
    rows = np.arange(number)
    return predictions(examples=number, rows=rows, outputs=counts, target=NOTHING, shown=rows, **{**known, **changes})


def masks(*rows: list[int], height: int = 300) -> Array:
    """Return one mask of `height` rows, with a block of pixels for each class that is given."""
    return np.repeat(np.repeat(np.array(rows, np.uint8), height // len(rows), axis=0), height // len(rows), axis=1)[
        None
    ]


def panels(truth: Array, found: Array, target: Target = SHAPES) -> list[list[list[list[int]]]]:
    """Return the four pictures of the first example."""
    stored = kept(truth, found, target.size)
    picture = MaskPicture.of(stored.pictures[0], truth[0], found[0], choose_colours(stored, target))
    return [np.asarray(panel).tolist() for panel in picture.panels()]


def test_a_class_has_its_color_over_the_gray_image_and_an_outline_and_the_background_has_none() -> None:
    image, truth, found, _ = panels(masks([0, 1], [0, 2]), masks([0, 1], [0, 1]))
    assert image[10][10] == truth[10][10] == [90, 90, 90]
    assert truth[10][200] == [round((90 + own) / 2) for own in ORANGE]
    assert truth[200][200] == [round((90 + own) / 2) for own in BLUE]
    assert found[200][200] == truth[10][200]
    assert truth[10][150] == ORANGE
    assert truth[10][149] == [90, 90, 90]


def test_only_wrong_pixels_are_marked_and_pixels_that_do_not_count_are_striped() -> None:
    ignored = IGNORED_CLASS
    _, truth, _, wrong = panels(masks([0, 1], [ignored, 2]), masks([0, 1], [1, 1]))
    pale = [round(255 - (255 - 90) / 2)] * 3
    assert wrong[10][10] == wrong[10][200] == pale
    assert wrong[200][200] == [round(0.1 * pale[0] + 0.9 * own) for own in WRONG]
    for panel in (truth, wrong):
        stripes = {tuple(panel[250][column]) for column in range(20, 60)}
        assert len(stripes) == 2
        assert all(red == green == blue for red, green, blue in stripes)
    assert "not counted" in mask_examples(kept(masks([0, ignored]), masks([0, 0]), 3), SHAPES)
    assert "not counted" not in mask_examples(kept(masks([0, 1]), masks([0, 0]), 3), SHAPES)


def test_colors_of_an_image_are_not_taken_for_those_of_classes() -> None:
    truth, found = masks([0, 1]), masks([0, 1])
    colored = np.zeros((*truth.shape, 3), np.uint8) + np.array(ORANGE, np.uint8)
    picture = MaskPicture.of(colored[0], truth[0], found[0], {1: (0, 0, 255)})
    image, over, *_ = (panel.tolist() for panel in picture.panels())
    assert image[10][10] == ORANGE
    assert over[10][10] == [round(sum(ORANGE) / 3)] * 3


@pytest.mark.parametrize(
    ("names", "first", "is_clear"),
    [
        (("background", "a"), 0.1, True), (("0", "255"), 0.1, True), (("a", "b"), 0.6, True), (("a", "b"), 0.4, False),
    ],
)  # fmt: skip
def test_the_first_class_is_clear_by_its_name_or_as_most_of_the_pixels(
    names: tuple[str, str], first: float, is_clear: bool
) -> None:
    truth = (np.arange(100) >= 100 * first).astype(np.uint8).reshape(1, 10, 10)
    assert (0 not in choose_colours(kept(truth, truth, 2), Target("mask", 2, names))) == is_clear


def test_each_of_many_classes_that_is_shown_has_a_color_of_its_own() -> None:
    target = Target("mask", 200)
    truth = np.arange(30, 180, dtype=np.uint8).reshape(1, 10, 15)
    colors = choose_colours(kept(truth, truth, 200), target)
    assert list(colors) == list(range(30, 180))
    assert len(set(colors.values())) == 150


def test_a_page_has_a_legend_and_the_scores_of_each_example_and_no_markup_of_a_class_name() -> None:
    truth, found = np.concatenate([masks([0, 1], [0, 2])] * 8), np.concatenate([masks([0, 1], [0, 1])] * 8)
    texts = np.array([f"{NAUGHTY}{index}.png" for index in range(8)])
    markup = mask_examples(kept(truth, found, 3, texts=texts), SHAPES)
    shown = re.sub("<[^>]*>", "", markup)
    assert shown.startswith("&lt;script&gt;alert(1)&lt;/script&gt;boxbackground: no colorwrong")
    named = "example 1, &lt;script&gt;alert(1)&lt;/script&gt;1.png: mean IoU 0.50 (box 0.00, "
    assert f"{named}&lt;script&gt;alert(1)&lt;/script&gt; 0.50, background 1.00)" in shown
    assert "wrong: 25.0%" in shown
    assert NAUGHTY not in markup
    assert markup.count('class="panels"') == 8
    assert "2 more" in shown


def test_small_pictures_are_enlarged_and_large_ones_bounded_in_pixels_and_bytes() -> None:
    generator = np.random.default_rng(0)
    for side, expected in ((48, 240), (301, 301), (1000, 250)):
        truth = generator.integers(0, 3, (1, side, side // 2), dtype=np.uint8)
        noise = generator.integers(0, 256, (*truth.shape, 3), dtype=np.uint8)
        markup = mask_examples(kept(truth, truth[:, ::-1], 3, pictures=noise), SHAPES)
        found = [b64decode(text) for text in re.findall('base64,([^"]*)"', markup)][-4:]
        assert [PIL.Image.open(io.BytesIO(data)).height for data in found] == [expected] * 4
        assert max(map(len, found)) < 120_000


def test_a_line_that_is_thinner_than_a_pixel_of_the_page_stays_visible() -> None:
    truth = np.zeros((1, 2000, 2000), np.uint8)
    truth[0, 1000] = 1
    _, over, _, wrong = panels(truth, np.zeros_like(truth))
    row = 1000 // 7
    assert over[row][50] != [90, 90, 90]
    assert over[row + 2][50] == [90, 90, 90]
    assert wrong[row][50] != wrong[row + 2][50]


def test_an_image_without_a_pixel_that_counts_and_examples_without_pictures_are_shown() -> None:
    truth = np.full((1, 8, 8), IGNORED_CLASS, np.uint8)
    assert "no pixel counts" in mask_examples(kept(truth, np.zeros_like(truth), 3), SHAPES)
    bare = kept(masks([0, 1]), masks([0, 1]), 3, masks=NOTHING, predicted_masks=NOTHING, pictures=NOTHING)
    markup = mask_examples(bare, SHAPES)
    assert "mean IoU 1.00" in markup
    assert "panels" not in markup
