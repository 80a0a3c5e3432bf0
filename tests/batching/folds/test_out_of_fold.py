"""The file of out-of-fold predictions: its columns for each kind of target, and its order."""

import csv
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dlrun.batching.folds.out_of_fold import FoldPart, check_parts, out_of_fold_csv
from dlrun.errors import RunError
from dlrun.runs.fold_predictions import FoldPredictions
from dlrun.signature import Target

NOTHING = np.zeros(0, np.float32)
CLASSES = Target("classes", 2, ("no", "yes"))
PROBABILITIES = np.array([[0.25, 0.75], [0.5, 0.5], [1, 0], [0.125, 0.875]], np.float32)


def parts(target: Target, outputs: Any, truth: Any, *, repeats: int = 1, names: Any = NOTHING) -> list[FoldPart]:
    """Two folds of four examples, whose rows are 9, 2 and 5, 0."""
    rows = np.array([9, 2, 5, 0])
    made = []
    for repeat in range(repeats):
        for fold, own in enumerate((slice(0, 2), slice(2, 4))):
            found = FoldPredictions(rows[own], outputs[own], truth[own], names[own] if len(names) else names)
            made.append(FoldPart(f"run{fold}", repeat, fold, target, found, divided=4))
    return made


def lines(made: list[FoldPart]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(out_of_fold_csv(made).decode())))


def test_each_row_is_there_once_per_repeat_in_order_with_its_fold() -> None:
    made = parts(CLASSES, PROBABILITIES, np.array([1, 0, 0, 1]), repeats=2)
    found = lines(made)
    assert [(line["repeat"], line["row"], line["fold"]) for line in found[:4]] == [
        ("0", "0", "1"), ("0", "2", "0"), ("0", "5", "1"), ("0", "9", "0"),
    ]  # fmt: skip
    assert [line["repeat"] for line in found] == ["0"] * 4 + ["1"] * 4
    assert found[0] == {
        "row": "0", "fold": "1", "repeat": "0", "truth": "yes", "prediction": "yes",
        "probability_no": "0.125", "probability_yes": "0.875",
    }  # fmt: skip
    assert found[1]["prediction"] == "no"  # the first of two equal classes, as predict says


def test_values_are_in_their_own_unit_with_all_their_digits() -> None:
    target = Target("values", 1, encoding="value", names=("price",), mean=(1e9,), scale=(1.0,))
    outputs = np.array([[1e9 + 0.125], [1e9], [2.5], [0.0]])
    found = lines(parts(target, outputs, np.array([1e9 + 1, 2, 3, 4])))
    assert found[3]["truth"] == "1000000001.0"
    assert found[3]["prediction"] == "1000000000.125"
    assert found[0].keys() == {"row", "fold", "repeat", "truth", "prediction"}


def test_several_columns_are_named_after_their_targets() -> None:
    target = Target.of_columns({"colour": ("red", "blue"), "size": ("s", "l")})
    outputs = np.concatenate([PROBABILITIES, PROBABILITIES[:, ::-1]], axis=1)
    (line, *_) = lines(parts(target, outputs, np.array([[1, 0], [0, 1], [0, 0], [1, 1]])))
    assert (line["truth_colour"], line["prediction_colour"], line["probability_colour_blue"]) == (
        "blue",
        "blue",
        "0.875",
    )
    assert (line["truth_size"], line["prediction_size"], line["probability_size_l"]) == ("l", "s", "0.125")
    labels = Target("labels", 2, ("a", "b"))
    (line, *_) = lines(parts(labels, PROBABILITIES, np.array([[1, 0], [0, 1], [0, 0], [1, 1]], np.int32)))
    assert (line["truth_a"], line["probability_a"], line["probability_b"]) == ("1.0", "0.125", "0.875")


def test_an_autoencoder_has_its_errors_and_images_have_their_names() -> None:
    target = Target("input", 4, encoding="value")
    names = np.array(["d.png", "b.png", "c.png", "a.png"])
    found = lines(parts(target, np.array([4, 2, 3, 1], np.float32), np.zeros(4), names=names))
    assert [(line["name"], line["reconstruction_error"]) for line in found][:2] == [("a.png", "1.0"), ("b.png", "2.0")]


def test_folds_of_other_examples_do_not_belong_together() -> None:
    made = parts(CLASSES, PROBABILITIES, np.array([1, 0, 0, 1]))
    assert check_parts(made) == 4
    twice = [made[0], FoldPart("run1", 0, 1, CLASSES, made[0].predictions, divided=4)]
    lost = [made[0]]
    grown = [made[0], FoldPart("run1", 0, 1, CLASSES, made[1].predictions, divided=5)]
    for wrong in (twice, lost, grown):
        with pytest.raises(RunError, match="do not divide the same examples"):
            check_parts(wrong)


def test_weights_of_examples_are_a_column() -> None:
    made = [
        replace(part, predictions=replace(part.predictions, weights=np.array([1, 2], np.float32)))
        for part in parts(CLASSES, PROBABILITIES, np.array([1, 0, 0, 1]))
    ]
    assert [line["weight"] for line in lines(made)] == ["2.0", "2.0", "1.0", "1.0"]


def test_masks_have_the_scores_of_each_image_and_nothing_where_a_class_is_absent() -> None:
    counts = np.array([[8, 0, 0, 0], [6, 2, 1, 1], [4, 0, 0, 4], [0, 0, 8, 0]], np.float64)
    found = lines(parts(Target("mask", 2, ("sky", "car")), counts, [NOTHING] * 2))
    assert [line["row"] for line in found] == ["0", "2", "5", "9"]
    assert found[1] == {
        "row": "2", "fold": "0", "repeat": "0", "mean_iou": "0.45833334", "accuracy": "0.7",
        "iou_sky": "0.6666667", "iou_car": "0.25",
    }  # fmt: skip
    assert (found[3]["iou_sky"], found[3]["iou_car"], found[3]["mean_iou"]) == ("1.0", "", "1.0")
