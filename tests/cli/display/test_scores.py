"""The tables of an evaluation."""

from dlrun.cli.display.scores import score_tables
from dlrun.evaluation.evaluate import Evaluation
from dlrun.scoring.breakdown import Breakdown


def masks(size: int) -> Evaluation:
    parts = {
        f"c{index}": {"iou": 1 - index / size, "pixels": 1_234_567, "predicted_pixels": 7} for index in range(size)
    }
    return Evaluation({}, Breakdown("mask", 4, {"mean_iou": 0.5}, parts, ((0, 1, 9), (1, 1, 3))), "final")


def test_the_scores_of_masks_say_that_they_count_pixels() -> None:
    overall, table, matrix = score_tables(masks(2))
    assert overall == "mean_iou 0.5000"
    assert table.splitlines()[0].split() == ["class", "iou", "pixels", "predicted_pixels"]
    assert table.splitlines()[1].split() == ["c0", "1.0000", "1,234,567", "7"]
    assert matrix.startswith("pixels, true \\ predicted")


def test_of_many_classes_of_pixels_the_worst_and_the_most_frequent_confusions_are_listed() -> None:
    _, table, confusions = score_tables(masks(30))
    assert table.startswith("the 10 worst of 30; for all see --json")
    assert table.splitlines()[2].startswith("c29 ")
    assert confusions.splitlines()[0].split() == ["true", "predicted", "pixels"]
    assert confusions.splitlines()[1].split() == ["c0", "c1", "9"]
