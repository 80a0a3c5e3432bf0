"""The optimizers of a spec: all optimizers of Keras, with the names and arguments that Keras uses."""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlrun.component import Component, FieldProblem
from dlrun.keras_table import TABLE_PATH, KerasComponent, component_class, entry_names, find_entry, keras_object
from dlrun.rate_schedule import RateSchedule, schedule_field
from dlrun.registry import Registry
from dlrun.schedules import Constant, Schedule

if TYPE_CHECKING:
    import keras


class Optimizer(Component, abc.ABC):
    """The algorithm that updates the weights from the gradients."""

    learning_rate: float = Field(
        default=0.001,
        gt=0,
        allow_inf_nan=False,
        description="Learning rate, above 0. With a schedule: its highest value. auto: found at the start of a run.",
    )

    def decay_schedule(self) -> Schedule | None:
        """Return how the weight decay changes during training; None if it is constant."""
        return None

    @abc.abstractmethod
    def build(self, learning_rate: Any) -> keras.optimizers.Optimizer:
        """Build the Keras optimizer.

        Args:
            learning_rate: A float or a Keras `LearningRateSchedule`, built by the schedule.
        """


class KerasOptimizer(KerasComponent, Optimizer):
    """An optimizer of Keras."""

    weight_decay_schedule: RateSchedule = schedule_field(
        "constant",
        "How weight_decay changes during training: constant, flat_cos, or another schedule, also as a group with its "
        "keys. What it says of the learning rate holds for weight_decay. Each step decays by both, multiplied.",
    )

    def decay_schedule(self) -> Schedule | None:
        """Return how the weight decay changes during training; None if it is constant."""
        return None if isinstance(self.weight_decay_schedule, Constant) else self.weight_decay_schedule

    def build(self, learning_rate: Any) -> keras.optimizers.Optimizer:
        """Build the Keras optimizer."""
        # A checkpoint finds the optimizer's variables by path. Keras would number the name (adam_1, adam_2, ...) with
        # each optimizer of the process, so the name is fixed to the type.
        return keras_object(self, learning_rate=learning_rate, name=self.type_name)

    def problems(self) -> Iterator[FieldProblem]:
        """Yield mistakes that Keras detects only when the optimizer is built, or not at all."""
        clipping = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if self._given(name)]
        if len(clipping) > 1:
            what, expected = f"{' and '.join(clipping)} are given", "only one way to clip gradients"
            yield FieldProblem((clipping[1],), what, expected, hint=f"remove {clipping[1]}")
        if self._given("ema_overwrite_frequency") and not getattr(self, "use_ema", False):
            what = "ema_overwrite_frequency has no effect without use_ema"
            yield FieldProblem(("ema_overwrite_frequency",), what, expected="use_ema: true")
        if self.decay_schedule() is not None and hasattr(self, "adam_weight_decay"):
            what = "weight_decay_schedule does not work with the two weight decays of this optimizer"
            yield FieldProblem(("weight_decay_schedule",), what, "constant, or another optimizer", "type: adamw")
        elif self.decay_schedule() is not None and not getattr(self, "weight_decay", 0):
            what = "weight_decay_schedule has no effect without weight_decay"
            yield FieldProblem(("weight_decay_schedule",), what, "a weight_decay above 0", "weight_decay: 0.01")
        if getattr(self, "nesterov", False) and not getattr(self, "momentum", 0):
            yield FieldProblem(
                ("nesterov",),
                "nesterov has no effect without momentum",
                expected="a momentum above 0",
                hint="momentum: 0.9",
            )

    def _given(self, name: str) -> bool:
        return getattr(self, name, None) is not None


optimizers: Registry[Optimizer] = Registry("optimizer")


@functools.cache
def _keras_optimizer(name: str) -> type[Optimizer]:
    return component_class(find_entry("optimizers", name), KerasOptimizer)


optimizers.register_lazily(entry_names("optimizers"), _keras_optimizer, origin=str(TABLE_PATH))
