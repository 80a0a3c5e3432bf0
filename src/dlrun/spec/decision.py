"""The section `decision` of a spec: which calibration and which threshold to choose on the validation split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from dlrun.component import FieldProblem, Fields
from dlrun.decision import CalibrationMethod
from dlrun.signature import Target

_PATH = ("decision",)
_MOST_CURVES = 100


class Costs(Fields):
    """What the two kinds of mistakes cost, in any unit."""

    false_positive: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Cost of predicting the second class where it is not true."
    )
    false_negative: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Cost of not predicting the second class where it is true."
    )


class ThresholdRule(Fields):
    """The score that a threshold is chosen by."""

    maximize: Literal["f1", "balanced_accuracy"] | None = Field(
        default=None, description="Score to maximize: f1 of the second class or label, or the mean of both recalls."
    )
    cost: Costs | None = Field(default=None, description="Costs to minimize instead.")


def _kind_of_threshold(value: Any) -> str:
    """Return which of the two forms a threshold has, so that only the errors of that form are reported."""
    return "rule" if isinstance(value, dict | ThresholdRule) else "number"


_Threshold = Annotated[
    Annotated[Annotated[float, Field(gt=0, lt=1)], Tag("number")] | Annotated[ThresholdRule, Tag("rule")],
    Discriminator(_kind_of_threshold),
]


class DecisionRule(Fields):
    """How to get from a trained classifier to decisions: chosen on the validation split at the end of the training."""

    threshold: _Threshold | None = Field(
        default=None,
        description="Probability above which the second of two classes, or a label, is predicted: a number, or the "
        "score to choose it by, {maximize: f1} or {cost: {false_positive: 1, false_negative: 5}}. null: 0.5.",
    )
    calibration: CalibrationMethod | None = Field(
        default=None,
        description="How to correct probabilities that are too certain or not certain enough. temperature: divide the "
        "logits by a number, which keeps the most probable class. isotonic: a rising curve for two classes or each "
        "label, which needs about a thousand validation examples. null: not at all.",
    )

    @property
    def looks_at_validation(self) -> bool:
        """Whether something is chosen on the validation split; a threshold that is given is not."""
        return self.calibration is not None or isinstance(self.threshold, ThresholdRule)

    def plain(self) -> dict[str, Any]:
        """Return the rule as a spec contains it."""
        return self.model_dump(mode="json")


def rule_problems(rule: DecisionRule) -> Iterator[FieldProblem]:
    """Yield the mistakes in a rule that show without data."""
    threshold = rule.threshold
    if threshold is None and rule.calibration is None:
        what = "decision has neither a threshold nor a calibration"
        yield FieldProblem(_PATH, what, "threshold, calibration, or both", "remove the section to decide at 0.5")
    if not isinstance(threshold, ThresholdRule):
        return
    path = (*_PATH, "threshold")
    if (threshold.maximize is None) == (threshold.cost is None):
        found = "neither maximize nor cost" if threshold.cost is None else "both maximize and cost"
        yield FieldProblem(path, f"decision.threshold has {found}", "exactly one of them")
    costs = threshold.cost.model_dump() if threshold.cost is not None else {}
    missing = [key for key, cost in costs.items() if cost is None]
    for key in missing:
        yield FieldProblem((*path, "cost"), f"decision.threshold.cost has no key {key!r}", "what both mistakes cost")
    if costs and not missing and not any(costs.values()):
        yield FieldProblem((*path, "cost"), "both costs are 0, so every threshold costs the same", "a cost above 0")


def validation_problems(rule: DecisionRule, *, has_validation: bool) -> Iterator[FieldProblem]:
    """Yield a problem if something has to be chosen, and there is no validation split to choose it on."""
    if rule.looks_at_validation and not has_validation:
        what = "a decision is chosen on the validation split, and there is none"
        yield FieldProblem(
            _PATH, what, "a validation split", "--set dataset.validation=0.1, or a threshold as a number"
        )


def decision_problems(rule: DecisionRule, target: Target) -> Iterator[FieldProblem]:
    """Yield the reasons why a decision does not fit what the model predicts."""
    if not target.is_decided:
        found = {"input": "an autoencoder", "values": "a model of numbers"}.get(target.kind)
        what = "each pixel of a mask gets its most probable class, so there is nothing to decide"
        if found is not None:
            what = f"{found} has no probabilities to decide by"
        yield FieldProblem(_PATH, what, "a model that predicts classes or labels")
        return
    several = f"{target.size} classes" if target.kind == "classes" else "several class columns"
    if rule.threshold is not None and not target.has_threshold:
        what = f"the most probable of {several} is predicted, so there is no threshold"
        yield FieldProblem((*_PATH, "threshold"), what, "two classes, or labels", "decision.calibration works here")
    if rule.calibration == "isotonic" and not target.has_threshold:
        what = f"isotonic calibration does not work with {several}"
        yield FieldProblem((*_PATH, "calibration"), what, "two classes, or labels", "temperature works here")
    if rule.calibration == "isotonic" and target.has_threshold and target.size > _MOST_CURVES:
        what = f"isotonic calibration would need {target.size} curves"
        yield FieldProblem((*_PATH, "calibration"), what, f"at most {_MOST_CURVES} labels", "temperature works here")
