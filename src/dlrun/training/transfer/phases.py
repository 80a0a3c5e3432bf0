"""Switch between the phases of a training: what learns, how fast, and the graphs of its steps.

A phase begins as a training of its own would, with the weights of the one before it:

- The state of the optimizer is new. The moments of weights that did not learn until then would be wrong, and the steps
  of its schedule are counted from the beginning of the phase.
- The schedule, and those of dropout and weight decay, run once through the phase.

Where a phase begins follows from the epoch alone. So a resumed run is in the same phase as one that was never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from dlrun.models.parts.layer_selection import set_trainable
from dlrun.schedules import ReduceOnPlateau
from dlrun.spec.transfer.phases import SettledPhase
from dlrun.spec.types import Spec
from dlrun.system.keras_internals import RateFactors
from dlrun.training.compilation import Compiled, TrainingLength, set_decay
from dlrun.training.evaluate import Evaluator
from dlrun.training.step.dropout import schedule_dropout
from dlrun.training.step.steps import StepRunner
from dlrun.training.variables import host_value


@dataclass(frozen=True)
class PhaseParts:
    """What computes the steps of a phase: those of training, and the scores of the validation split."""

    steps: StepRunner
    validation: Evaluator | None


class Phases:
    """The phases of one training.

    Args:
        spec: The spec.
        compiled: The compiled model, whose optimizer has its initial state.
        length: The length of the training.
    """

    def __init__(self, spec: Spec, compiled: Compiled, length: TrainingLength) -> None:
        self._spec, self._compiled, self._length = spec, compiled, length
        self._phases = spec.phases()
        optimizer = compiled.model.optimizer
        self._optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # under loss scaling
        self._initial = [(variable, host_value(variable)) for variable in optimizer.variables]
        self.make: Callable[[int], PhaseParts] | None = None
        """Function that makes the graphs of a phase, once it is known how they are compiled."""

    def __len__(self) -> int:
        """Number of phases."""
        return len(self._phases)

    def __getitem__(self, index: int) -> SettledPhase:
        """Return a phase."""
        return self._phases[index]

    def index_at(self, epoch: int) -> int:
        """Return the phase that an epoch is in, both counted from 0."""
        return max(index for index, phase in enumerate(self._phases) if phase.first_epoch <= epoch)

    def longest(self) -> int:
        """Return the phase with the most epochs."""
        return max(range(len(self)), key=self._steps)

    def text(self, index: int) -> str:
        """Return a phase in words."""
        return f"{index + 1} of {len(self)}: {self._phases[index].text(self._length.epochs)}"

    def enter(self, index: int, *, is_new: bool) -> None:
        """Set what learns in a phase, and how fast.

        Args:
            index: The phase.
            is_new: Whether its first step comes next; otherwise the variables are those of a checkpoint inside it.
        """
        phase, model = self._phases[index], self._compiled.model
        layers = self._spec.model.backbone_layers(self._compiled.core)
        set_trainable(layers, phase.trainable)
        length = TrainingLength(self._length.steps_per_epoch, self._steps(index))
        rate = self._spec.schedule.build(
            phase.learning_rate, steps_per_epoch=length.steps_per_epoch, total_steps=length.steps
        )
        if is_new:
            for variable, value in self._initial:
                variable.assign(value)
        # A number is a variable of the optimizer, which a checkpoint has; a schedule is a function of the steps.
        if is_new or not isinstance(rate, float):
            self._optimizer.learning_rate = rate
        factors = self._backbone_weights(layers)
        if factors:
            if not isinstance(self._optimizer, RateFactors):
                own = type(self._optimizer)
                self._optimizer.__class__ = type(own.__name__, (RateFactors, own), {})
            self._optimizer.set_rate_factors([(weight, phase.backbone_factor) for weight in factors.values()])
        set_decay(
            self._optimizer, model, self._spec, length=length, rates=dict.fromkeys(factors, phase.backbone_factor)
        )
        if schedule := self._spec.model.rate_schedule():
            schedule_dropout(model, schedule, steps_per_epoch=length.steps_per_epoch, total_steps=length.steps)

    def plateau_rate(self, index: int) -> float | None:
        """Return the learning rate with which reduce_on_plateau starts in a phase; None for other schedules."""
        return self._phases[index].learning_rate if isinstance(self._spec.schedule, ReduceOnPlateau) else None

    def _backbone_weights(self, layers: tuple[keras.Layer, ...]) -> Mapping[str, Any]:
        """Return the weights of the backbone by their paths, if any phase gives it a learning rate of its own."""
        if all(each.backbone_learning_rate is None for each in self._phases):
            return {}
        return {weight.path: weight for layer in layers for weight in layer.weights}

    def _steps(self, index: int) -> int:
        """Return the number of steps of a phase in this training."""
        phase, epochs = self._phases[index], self._length.epochs
        last = epochs if phase.epochs is None else min(epochs, phase.first_epoch + phase.epochs)
        return max(0, last - phase.first_epoch) * self._length.steps_per_epoch
