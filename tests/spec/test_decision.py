"""The section `decision` is checked against the data before anything is trained."""

from collections.abc import Mapping

import pytest

from dlrun.errors import SpecError
from dlrun.signature import Target
from dlrun.spec.decision import DecisionRule, ThresholdRule, decision_problems
from dlrun.spec.parse import parse_given
from dlrun.spec.types import Spec

TWO = {
    "dataset": {"type": "builtin", "name": "breast_cancer", "validation": 0.2},
    "model": "linear",
    "loss": "binary_crossentropy",
}
THREE = {**TWO, "dataset": {"type": "builtin", "name": "wine", "validation": 0.2}} | {
    "loss": "sparse_categorical_crossentropy"
}
NUMBERS = {**TWO, "dataset": {"type": "builtin", "name": "diabetes"}, "loss": "mean_squared_error"}
ITSELF = {**TWO, "model": {"type": "autoencoder", "latent_units": 2}, "loss": "mean_squared_error"}


def parsed(base: Mapping[str, object], decision: object) -> Spec:
    return parse_given({**base, "decision": decision}).spec


def problems(base: Mapping[str, object], decision: object) -> str:
    with pytest.raises(SpecError) as refused:
        parsed(base, decision)
    return str(refused.value)


def test_a_rule_is_read_and_written_again() -> None:
    costs = {"false_positive": 1, "false_negative": 5}
    for given in (
        {"threshold": 0.3},
        {"threshold": {"maximize": "balanced_accuracy"}, "calibration": "isotonic"},
        {"threshold": {"cost": costs}, "calibration": "temperature"},
    ):
        spec = parsed(TWO, given)
        assert spec.decision is not None
        assert parse_given(spec.plain()).spec == spec
        assert spec.decision.looks_at_validation is (given != {"threshold": 0.3})
    assert parsed(TWO, None).decision is None
    assert "decision" not in parsed(TWO, None).plain()
    assert isinstance(DecisionRule(threshold=ThresholdRule(maximize="f1")).threshold, ThresholdRule)


@pytest.mark.parametrize(
    ("decision", "what"),
    [
        ({}, "neither a threshold nor a calibration"),
        ({"threshold": 1.5}, "decision.threshold is 1.5"),
        ({"threshold": 0}, "decision.threshold is 0"),
        ({"threshold": {}}, "neither maximize nor cost"),
        ({"threshold": {"maximize": "f1", "cost": {"false_positive": 1, "false_negative": 1}}}, "both maximize and"),
        ({"threshold": {"maximize": "f2"}}, "decision.threshold.maximize is 'f2'"),
        ({"threshold": {"cost": {"false_positive": 1}}}, "cost has no key 'false_negative'"),
        ({"threshold": {"cost": {"false_positive": 1, "false_negativ": 5}}}, "did you mean 'false_negative'"),
        ({"threshold": {"cost": {"false_positive": 0, "false_negative": 0}}}, "both costs are 0"),
        ({"threshold": {"cost": {"false_positive": -1, "false_negative": 1}}}, "false_positive is -1"),
        ({"calibration": "platt"}, "decision.calibration is 'platt'"),
        ({"calibrate": "isotonic"}, "did you mean 'calibration'"),
        ("temperature", "decision is 'temperature'"),
    ],
)
def test_a_wrong_rule_is_an_error_at_its_place(decision: object, what: str) -> None:
    found = problems(TWO, decision)
    assert what in found
    assert found.count("expected:") == 1


@pytest.mark.parametrize(
    ("base", "decision", "what"),
    [
        (NUMBERS, {"threshold": 0.3}, "a model of numbers has no probabilities"),
        (ITSELF, {"threshold": 0.3}, "an autoencoder has no probabilities"),
        (THREE, {"threshold": 0.3}, "the most probable of 3 classes is predicted, so there is no threshold"),
        (THREE, {"calibration": "isotonic"}, "isotonic calibration does not work with 3 classes"),
    ],
)
def test_a_rule_that_does_not_fit_the_target_is_an_error(
    base: Mapping[str, object], decision: object, what: str
) -> None:
    assert what in problems(base, decision)


def test_what_is_chosen_needs_a_validation_split_and_a_given_threshold_does_not() -> None:
    without = {**TWO, "dataset": {"type": "builtin", "name": "breast_cancer"}}
    for decision in ({"calibration": "temperature"}, {"threshold": {"maximize": "f1"}}):
        assert "chosen on the validation split, and there is none" in problems(without, decision)
    assert parsed(without, {"threshold": 0.3}).decision == DecisionRule(threshold=0.3)
    assert parsed(THREE, {"calibration": "temperature"}).decision == DecisionRule(calibration="temperature")


def test_masks_have_no_decision() -> None:
    (problem,) = decision_problems(DecisionRule(threshold=0.3), Target("mask", 2))
    assert problem.what == "each pixel of a mask gets its most probable class, so there is nothing to decide"
