"""Choose the decision of a run, its calibration and its threshold, on the validation split and on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from dlrun.decision import HALF, CalibrationCurve, Decision
from dlrun.runs.folder import now
from dlrun.runs.record import DecisionRecord
from dlrun.scoring.calibration import fit_isotonic, fit_temperature
from dlrun.scoring.decision_scores import decision_scores
from dlrun.scoring.thresholds import Objective, balanced_accuracy, choose_threshold, f1, mean_cost
from dlrun.spec.decision import DecisionRule, ThresholdRule
from dlrun.training.progress.events import Listener, Note

if TYPE_CHECKING:
    from dlrun.data import Split
    from dlrun.experiment.session import Session
    from dlrun.signature import Target
    from dlrun.training.setup import TrainingSetup

Array = npt.NDArray[Any]
Origin = Literal["spec", "calibrate"]

_MOST_NUMBERS = 1 << 22
"""Maximum number of probabilities to choose by: a second of one core. A larger split is sampled evenly."""
_LEAST_EXAMPLES, _LEAST_OF_CLASS = 20, 5
"""Minimum numbers of examples, and of examples of either class, to fit a temperature or to choose a threshold."""
_HOT = 50
_LEAST_FOR_CURVE, _LEAST_OF_CLASS_FOR_CURVE, _ENOUGH_FOR_CURVE = 100, 20, 1000


@dataclass(frozen=True)
class SplitSample:
    """Examples of a split with their truth.

    Shape:
        features: `(n, *raw_shape)`. truth: see `Split.target`. weights: `(n,)`, or None for equal weights.
    """

    features: Array
    truth: Array
    weights: Array | None

    @classmethod
    def of(cls, split: Split, target: Target) -> SplitSample:
        """Return all examples of a split, or an even sample of a large one."""
        most = max(1, _MOST_NUMBERS // max(2, target.size))
        if len(split) > most:
            split = split.take(np.linspace(0, len(split) - 1, most).astype(np.int64))
        truth = np.zeros(0) if split.target is None else np.asarray(split.target)
        return cls(split.features, truth, split.example_weight)

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.truth)


def decide(setup: TrainingSetup, run: Session, *, checkpoint: str) -> TrainingSetup:
    """Choose what the spec asks for at the end of a training, and record it.

    Args:
        setup: The parts of the run, with the final weights.
        run: The run.
        checkpoint: The name of the checkpoint with these weights.

    Returns:
        The parts of the run, whose predictions follow the decision.
    """
    rule = setup.spec.decision
    if rule is None or not run.cluster.is_chief:
        return setup
    with setup.timeline.spent("evaluate"):
        record = choose_decision(setup, rule, checkpoint=checkpoint, origin="spec", listener=run.listener)
    run.listener(Note("decision", record.summary))
    run.folder.update_record(decision=record)
    return setup.decided_by(record.value)


def choose_decision(
    setup: TrainingSetup, rule: DecisionRule, *, checkpoint: str, origin: Origin, listener: Listener
) -> DecisionRecord:
    """Choose a decision on the validation split, and score it there and on the other held-out splits.

    Args:
        setup: The parts of a run, with the weights of a checkpoint.
        rule: What to choose.
        checkpoint: The name of that checkpoint.
        origin: What asked for it.
        listener: Receives notes about what was chosen, and warnings.

    Returns:
        The decision, with its reasons, and with the scores before and after it.
    """
    setup, target = setup.decided_by(None), setup.target.decided_by(None)
    choice = _Choice(setup, rule, listener)
    # 1. Calibrate. 2. Choose the threshold for the probabilities that users will get. 3. Score, without a way back.
    calibrated = choice.calibration()
    decision = Decision(choice.thresholds(calibrated), calibrated.temperatures, calibrated.curves)
    record = DecisionRecord.model_validate(
        {
            "value": decision,
            "summary": decision.describe(target.threshold_names),
            "finished": now(),
            "origin": origin,
            "checkpoint": checkpoint,
            "wanted": rule.plain(),
            "examples": choice.examples,
            "reasons": choice.reasons,
            "scores": {name: _scores(setup, name, decision, rule) for name in setup.held_out_splits()},
        }
    )
    for note in _describe(record):
        listener(Note("decision", note))
    return record


def _scores(
    setup: TrainingSetup, split: str, decision: Decision, rule: DecisionRule
) -> dict[str, dict[str, float | None]]:
    """Return the scores of a split before and after a decision."""
    sample, found = SplitSample.of(setup.dataset.splits[split], setup.target), {}
    costs = rule.threshold.cost if isinstance(rule.threshold, ThresholdRule) else None
    probabilities = setup.predictor()(sample.features)
    for when, each in (("before", None), ("after", decision)):
        decided = setup.decided_by(each)
        if each is not None and each.calibration != "none":
            probabilities = decided.predictor()(sample.features)
        found[when] = decision_scores(
            probabilities,
            sample.truth,
            decided.target,
            weights=sample.weights,
            costs=None if costs is None else costs.model_dump(),
        )
    return found


def _describe(record: DecisionRecord) -> Iterator[str]:
    """Yield why something was chosen, and for each split what it changed, a line each."""
    for what, reason in record.reasons.items():
        yield f"{what}: {reason}"
    for split, both in record.scores.items():
        before, after = both.get("before", {}), both.get("after", {})
        changes = [f"{name} {_short(before[name])} -> {_short(value)}" for name, value in after.items()]
        yield f"{split}: {', '.join(changes)}"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


class _Choice:
    """The choice of a decision, which sees the validation split only.

    Args:
        setup: The parts of the run, without a decision.
        rule: What to choose.
        listener: Receives warnings.
    """

    def __init__(self, setup: TrainingSetup, rule: DecisionRule, listener: Listener) -> None:
        self.reasons: dict[str, str] = {}
        self._setup, self._rule, self._listener = setup, rule, listener
        self._target = setup.target
        self._sample: SplitSample | None = None
        if rule.looks_at_validation:
            self._sample = SplitSample.of(setup.dataset.splits["validation"], self._target)

    @property
    def examples(self) -> int:
        """Number of examples that the choice rests on."""
        return len(self._sample) if self._sample is not None else 0

    def calibration(self) -> Decision:
        """Return the calibration, without thresholds."""
        method, sample = self._rule.calibration, self._sample
        if method is None or sample is None:
            return Decision()
        logits = self._setup.predictor().logits(sample.features)
        if not np.isfinite(logits).all():
            return self._give_up("calibration", "none, because the network's output is not finite for every example")
        tasks = list(_tasks(logits, sample.truth, self._target))
        if method == "isotonic":
            curves = [self._curve(task, sample.weights) for task in tasks]
            if all(curve is not None for curve in curves):
                self.reasons["calibration"] = f"isotonic, fitted to {len(sample):,} validation examples"
                if len(sample) < _ENOUGH_FOR_CURVE:
                    few = f"isotonic calibration is fitted to {len(sample)} validation examples, and overfits below"
                    self._warn(f"{few} about {_ENOUGH_FOR_CURVE:,}: calibration: temperature needs fewer")
                return Decision(curves=tuple(curve for curve in curves if curve is not None))
        return self._temperature(tasks, sample, instead=method == "isotonic")

    def _temperature(self, tasks: Sequence[_Task], sample: SplitSample, *, instead: bool) -> Decision:
        found = [_temperature(task, sample.weights) for task in tasks]
        fallback = (
            f"temperature instead of isotonic, which needs {_LEAST_FOR_CURVE} validation examples and "
            f"{_LEAST_OF_CLASS_FOR_CURVE} of either class"
        )
        kept = [each for each in found if isinstance(each, str)]
        if len(kept) == len(found):
            return self._give_up("calibration", f"none, because {kept[0]}")
        if instead:
            self._warn(fallback)
        reason = fallback if instead else "temperature"
        reason += f", with the smallest cross-entropy on {len(sample):,} validation examples"
        if kept:
            reason += f"; 1 for {len(kept)} of {len(found)}, because {kept[0]}"
            self._warn(f"calibration: {reason}")
        if any(isinstance(each, float) and each > _HOT for each in found):
            self._warn(
                f"calibration: a temperature above {_HOT}, because the network's certainty says almost nothing here"
            )
        self.reasons["calibration"] = reason
        return Decision(temperatures=tuple(1.0 if isinstance(each, str) else each for each in found))

    @staticmethod
    def _curve(task: _Task, weights: Array | None) -> CalibrationCurve | None:
        positives = int(np.count_nonzero(task.truth))
        few = min(positives, len(task.truth) - positives) < _LEAST_OF_CLASS_FOR_CURVE
        if few or len(task.truth) < _LEAST_FOR_CURVE:
            return None
        return fit_isotonic(task.logits[:, 1] - task.logits[:, 0], task.truth == 1, weights)

    def thresholds(self, calibrated: Decision) -> tuple[float, ...]:
        """Return the threshold of each label, or of the second class; empty if none is wanted.

        Args:
            calibrated: The calibration of the probabilities that the thresholds are for.
        """
        wanted, names = self._rule.threshold, self._target.threshold_names
        if wanted is None:
            return ()
        if not isinstance(wanted, ThresholdRule):
            self.reasons["threshold"] = "given"
            return (wanted,) * len(names)
        if self._sample is None:
            return ()
        sample, objective = self._sample, _objective(wanted)
        probabilities = self._setup.decided_by(calibrated).predictor()(sample.features)
        own = probabilities if self._target.kind == "labels" else probabilities[:, 1:]
        truths = sample.truth.reshape(len(sample), -1) if self._target.kind == "labels" else sample.truth[:, None] == 1
        found, few = [], []
        for index, name in enumerate(names):
            positives = int(np.count_nonzero(truths[:, index]))
            if min(positives, len(sample) - positives) < _LEAST_OF_CLASS or len(sample) < _LEAST_EXAMPLES:
                few.append(name)
                found.append(HALF)
            else:
                found.append(choose_threshold(own[:, index], truths[:, index] > 0, sample.weights, objective=objective))
        reason = f"{_words(wanted)} on {len(sample):,} validation examples"
        if few:
            which = "" if len(names) == 1 else f" for {', '.join(few[:5])}{', ...' if len(few) > 5 else ''}"
            least = (
                f"{_LEAST_EXAMPLES} validation examples and {_LEAST_OF_CLASS} of either class are too few to choose by"
            )
            reason += f"; {HALF:g}{which}, because fewer than {least}"
            self._warn(f"threshold: {reason}")
        self.reasons["threshold"] = reason
        return tuple(found)

    def _give_up(self, what: str, reason: str) -> Decision:
        self.reasons[what] = reason
        self._warn(f"{what}: {reason}")
        return Decision()

    def _warn(self, text: str) -> None:
        self._listener(Note("warning", text))


@dataclass(frozen=True)
class _Task:
    """One choice among classes: a class column, a label (no or yes), or the whole target.

    Shape:
        logits: `(n, classes)`. truth: `(n,)` class indices.
    """

    logits: Array
    truth: Array


def _tasks(logits: Array, truth: Array, target: Target) -> Iterator[_Task]:
    """Yield the choices that a model makes, each with its logits."""
    truths = truth.reshape(len(truth), -1)
    if target.kind == "class_columns":
        for number, part in enumerate(target.parts):
            yield _Task(logits[:, part.places], truths[:, number].astype(np.int64))
    elif target.kind == "labels" or target.units == 1:
        for column in range(logits.shape[1]):
            odds = logits[:, column]
            yield _Task(np.stack([np.zeros_like(odds), odds], axis=1), (truths[:, column] > 0).astype(np.int64))
    else:
        yield _Task(logits, truth.astype(np.int64))


def _temperature(task: _Task, weights: Array | None) -> float | str:
    """Return the temperature of a choice, or why it is not changed."""
    if len(task.truth) < _LEAST_EXAMPLES:
        return f"{len(task.truth)} validation examples are too few; {_LEAST_EXAMPLES} are needed"
    found = fit_temperature(task.logits, task.truth, weights)
    return "every validation example is predicted correctly, so no temperature is the best" if found is None else found


def _objective(rule: ThresholdRule) -> Objective:
    if rule.cost is not None:
        return partial(_negative, partial(mean_cost, **rule.cost.model_dump()))
    scores: dict[str, Objective] = {"f1": f1, "balanced_accuracy": balanced_accuracy}
    return scores[rule.maximize or "f1"]


def _negative(score: Callable[[Any], Any], found: Any) -> Any:
    return -score(found)


def _words(rule: ThresholdRule) -> str:
    if rule.cost is not None:
        costs = (
            f"{rule.cost.false_positive:g} for a false positive and {rule.cost.false_negative:g} for a false negative"
        )
        return f"smallest cost, {costs},"
    return f"largest {(rule.maximize or 'f1').replace('_', ' ')}"
