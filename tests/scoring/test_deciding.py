"""Classes and labels are chosen by the thresholds of the decision, and without one as by argmax and 0.5."""

import numpy as np

from dlrun.decision import CalibrationCurve, Decision
from dlrun.scoring.deciding import decide, name_of_accuracy
from dlrun.signature import Target

TWO = Target("classes", 2, ("no", "yes"))
LABELS = Target("labels", 2, ("a", "b"))


def test_the_second_class_is_chosen_above_its_threshold() -> None:
    shares = np.array([0.2, 0.3, 0.31, 0.9], np.float32)
    probabilities = np.stack([1 - shares, shares], axis=1)
    assert decide(probabilities, TWO).tolist() == [0, 0, 0, 1]
    decided = decide(probabilities, TWO.decided_by(Decision((0.3,))))
    assert decided.tolist() == [0, int(float(np.float32(0.3)) > 0.3), 1, 1]
    assert decide(probabilities, TWO.decided_by(Decision((), (2.0,)))).tolist() == [0, 0, 0, 1]


def test_each_label_has_its_threshold() -> None:
    probabilities = np.array([[0.4, 0.4], [0.6, 0.6]], np.float32)
    assert decide(probabilities, LABELS).tolist() == [[False, False], [True, True]]
    assert decide(probabilities, LABELS.decided_by(Decision((0.3, 0.7)))).tolist() == [[True, False], [True, False]]


def test_the_most_probable_class_of_each_column_is_chosen() -> None:
    target = Target.of_columns({"kind": ("a", "b", "c"), "wet": ("no", "yes")})
    assert decide(np.array([[0.1, 0.2, 0.7, 0.8, 0.2]]), target).tolist() == [[2, 0]]


def test_a_threshold_between_two_float32_numbers_is_not_rounded() -> None:
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    between = (float(low) + float(high)) / 2
    probabilities = np.array([[1 - low, low], [1 - high, high]], np.float32)
    assert decide(probabilities, TWO.decided_by(Decision((between,)))).tolist() == [0, 1]


def test_the_name_of_the_accuracy_says_what_it_holds_for() -> None:
    curve = CalibrationCurve((0.0,), (0.5,))
    names = [name_of_accuracy(TWO.decided_by(each)) for each in (None, Decision((0.37,)), Decision(curves=(curve,)))]
    assert names == ["accuracy", "accuracy at 0.37", "accuracy at 0.5 after calibration"]
    assert name_of_accuracy(LABELS.decided_by(Decision((0.3, 0.7)))) == "accuracy at the chosen thresholds"


def test_each_pixel_of_a_mask_gets_its_most_probable_class() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), (2, 5, 7))
    decided = decide(probabilities, Target("mask", 3))
    assert decided.shape == (2, 5, 7)
    assert decided[1, 4, 2] == probabilities[1, 4, 2].argmax()
