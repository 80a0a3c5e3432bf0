"""When `reduce_on_plateau` lowers the learning rate: a state and a score in, the next state out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlrun.schedules import ReduceOnPlateau


@dataclass(frozen=True)
class PlateauState:
    """Where `reduce_on_plateau` stands; of JSON-able values.

    Args:
        learning_rate: The present one.
        best: Best score so far; None before the first.
        wait: Epochs without an improvement.
        cooldown: Epochs that still do not count.
    """

    learning_rate: float
    best: float | None = None
    wait: int = 0
    cooldown: int = 0


def plateau_step(
    schedule: ReduceOnPlateau, state: PlateauState, value: float, *, larger_is_better: bool
) -> PlateauState:
    """The state after an epoch that scored `value`; decides as `keras.callbacks.ReduceLROnPlateau` does.

    An epoch whose score is undefined changes nothing; Keras counts it as one without an improvement.
    """
    if math.isnan(value):
        return state
    if state.cooldown:
        state = replace(state, cooldown=state.cooldown - 1)
    gain = 0.0 if state.best is None else (value - state.best if larger_is_better else state.best - value)
    if gain > schedule.min_delta or state.best is None:
        return replace(state, best=value, wait=0)
    if state.cooldown:
        return state
    state = replace(state, wait=state.wait + 1)
    if state.wait < schedule.patience_epochs or state.learning_rate <= schedule.min_learning_rate:
        return state
    lowered = max(state.learning_rate * schedule.factor, schedule.min_learning_rate)
    return replace(state, learning_rate=lowered, wait=0, cooldown=schedule.cooldown_epochs)
