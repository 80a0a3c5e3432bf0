"""The training state besides the variables, and the decisions at the end of an epoch.

The decisions are: which epoch is best, whether to stop early, and whether to lower the learning rate on a plateau. They
are pure functions of the state and the scores, so that a resumed run decides as an uninterrupted one does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from dlrun.errors import CheckpointError
from dlrun.metrics.metric import directions_of, without_split
from dlrun.schedules import PlateauState, ReduceOnPlateau, plateau_step
from dlrun.spec.checks.check import best_metric, monitored_metric
from dlrun.spec.types import EarlyStopping, Spec


@dataclass(frozen=True)
class Best:
    """The best value of the monitored metric so far, and when it was reached."""

    metric: str
    value: float
    epoch: int
    step: int


@dataclass(frozen=True)
class EarlyStoppingState:
    """The best value that early stopping has seen, and the number of epochs since."""

    value: float | None = None
    wait_epochs: int = 0


@dataclass(frozen=True)
class TrainingState:
    """The position and the decisions of a training between two calls.

    Args:
        epoch: The number of completed epochs.
        step: The number of completed steps, over all epochs.
        epoch_step: The number of completed steps of the current epoch.
        seconds: The time spent in training and validation.
        best: The best epoch so far; None before the end of the first.
        early_stopping: The state of early stopping.
        plateau: The state of reduce_on_plateau; None for other schedules.
        stopped: Why training ended before its full length; empty otherwise.
    """

    epoch: int = 0
    step: int = 0
    epoch_step: int = 0
    seconds: float = 0.0
    best: Best | None = None
    early_stopping: EarlyStoppingState = EarlyStoppingState()
    plateau: PlateauState | None = None
    stopped: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> TrainingState:
        """Return the state that `to_json` has written.

        Args:
            data: The parsed JSON.

        Raises:
            CheckpointError: `data` is not a training state.
        """
        from pydantic import TypeAdapter, ValidationError

        names = {field.name for field in fields(cls)}
        if not isinstance(data, Mapping) or data.keys() != names:
            raise CheckpointError("the training state is damaged", expected=f"the keys {', '.join(sorted(names))}")
        try:
            state = TypeAdapter(cls).validate_python(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise CheckpointError(f"the training state is damaged: {where}: {first['msg']}") from error
        can_be = 0 <= state.epoch <= state.step and 0 <= state.epoch_step <= state.step
        if not can_be or not 0 <= state.seconds < math.inf:
            message = (
                f"epoch {state.epoch}, step {state.step}, {state.epoch_step} of the epoch, {state.seconds} seconds"
            )
            raise CheckpointError(f"the training state contradicts itself: {message}")
        return state


def is_better(value: float, than: float | None, *, larger_is_better: bool, min_delta: float = 0.0) -> bool:
    """Return whether `value` improves on `than` by more than `min_delta`; an undefined value never does."""
    if math.isnan(value):
        return False
    if than is None:
        return True
    return value > than + min_delta if larger_is_better else value < than - min_delta


def initial_state(spec: Spec) -> TrainingState:
    """Return the state before the first step."""
    lowers = isinstance(spec.schedule, ReduceOnPlateau)
    return TrainingState(plateau=PlateauState(learning_rate=spec.optimizer.learning_rate) if lowers else None)


def judge_epoch(state: TrainingState, spec: Spec, scores: Mapping[str, float]) -> TrainingState:
    """Return the state after the decisions at the end of an epoch.

    An undefined score decides nothing: the epoch counts neither as an improvement nor towards the patience.

    Args:
        state: The state, with the epoch counted.
        spec: Names the metrics to watch.
        scores: The scores of the epoch; those of the validation split have the prefix `val_`.
    """
    directions, has_validation = directions_of(spec.metrics), "val_loss" in scores

    def watched(name: str) -> tuple[str, float, bool]:
        metric = monitored_metric(spec, name, has_validation=has_validation)
        # Only runs of earlier versions watch a metric without a direction; for those, larger was taken to be better.
        return metric, scores[metric], directions.get(without_split(metric), "max") == "max"

    # A resumed run keeps comparing the score that its best was chosen by, even if the default has changed since.
    best = state.best.metric if state.best is not None and state.best.metric in scores else best_metric(spec.training)
    metric, value, larger = watched(best)
    state = judge_best(state, metric, value, larger_is_better=larger)
    # In earlier phases it would end the training before what comes next has begun.
    in_last_phase = state.epoch > spec.phases()[-1].first_epoch
    if (rule := spec.training.early_stopping) and in_last_phase:
        metric, value, larger = watched(rule.metric)
        state = judge_early_stopping(state, rule, metric, value, larger_is_better=larger)
    if isinstance(spec.schedule, ReduceOnPlateau) and state.plateau is not None:
        _, value, larger = watched(spec.schedule.metric)
        state = replace(state, plateau=plateau_step(spec.schedule, state.plateau, value, larger_is_better=larger))
    return state


def find_undefined(spec: Spec, scores: Mapping[str, float]) -> dict[str, str]:
    """Return the watched scores that are undefined in an epoch.

    Args:
        spec: Names the metrics to watch.
        scores: The scores of the epoch, as for `judge_epoch`.

    Returns:
        What each undefined score decides, in words, by the name of the score.
    """
    watching = [(best_metric(spec.training), "the best epoch")]
    if rule := spec.training.early_stopping:
        watching.append((rule.metric, "early stopping"))
    if isinstance(spec.schedule, ReduceOnPlateau):
        watching.append((spec.schedule.metric, "the learning rate on a plateau"))
    found: dict[str, str] = {}
    for name, what in watching:
        metric = monitored_metric(spec, name, has_validation="val_loss" in scores)
        if math.isnan(scores[metric]):
            found[metric] = f"{found[metric]} and {what}" if metric in found else what
    return found


def undefined_text(name: str, what: str, *, epoch: int, spec: Spec) -> str:
    """Return a warning about an undefined score: what follows from it, and what to try.

    Args:
        name: The name of the score.
        what: What it decides, in the words of `find_undefined`.
        epoch: The epoch in which it is undefined.
        spec: Names the metrics to watch.
    """
    examples, rule = "validation" if name.startswith("val_") else "training", spec.training.early_stopping
    keys = {
        "schedule.metric": "plateau" in what,
        "training.monitor": "best" in what or "early" in what,
        "training.early_stopping.metric": rule is not None and rule.metric not in ("auto", spec.training.monitor),
    }
    named = [key for key, is_meant in keys.items() if is_meant]
    return (
        f"{name} is undefined in epoch {epoch}: the {examples} examples may all have one class, or one value. "
        f"Epochs without it do not count for {what}. If it stays undefined, set {named[-1]} to another score, or use "
        f"other {examples} examples"
    )


def reconsider_stop(state: TrainingState, rule: EarlyStopping | None) -> TrainingState:
    """Return a stopped state under the current rule of early stopping, which may have become more patient."""
    if rule is None:  # a rule that is added later may watch another score, so forget the old one's state
        return replace(state, early_stopping=EarlyStoppingState(), stopped="")
    return state if state.early_stopping.wait_epochs >= rule.patience_epochs else replace(state, stopped="")


def judge_best(state: TrainingState, metric: str, value: float, *, larger_is_better: bool) -> TrainingState:
    """Return the state with `value` as its best, if it is better than the best so far."""
    known = state.best.value if state.best else None
    if not is_better(value, known, larger_is_better=larger_is_better):
        return state
    return replace(state, best=Best(metric, value, state.epoch, state.step))


def judge_early_stopping(
    state: TrainingState, rule: EarlyStopping, metric: str, value: float, *, larger_is_better: bool
) -> TrainingState:
    """Return the state after one more epoch, stopped if `patience_epochs` in a row were without an improvement."""
    if state.epoch < rule.start_epoch or math.isnan(value):
        return state
    memory = state.early_stopping
    if is_better(value, memory.value, larger_is_better=larger_is_better, min_delta=rule.min_delta):
        return replace(state, early_stopping=EarlyStoppingState(value))
    memory = replace(memory, wait_epochs=memory.wait_epochs + 1)
    reason = f"{metric} has not improved for {memory.wait_epochs} epochs"
    stopped = reason if memory.wait_epochs >= rule.patience_epochs else ""
    return replace(state, early_stopping=memory, stopped=stopped)
