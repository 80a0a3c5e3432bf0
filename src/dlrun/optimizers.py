"""The optimizers that a spec can name: all of Keras', under Keras' names and with Keras' arguments."""

from __future__ import annotations

import abc
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlrun.component import Component, FieldProblem
from dlrun.keras_table import TABLE_PATH, KerasComponent, component_class, entry_names, find_entry, keras_object
from dlrun.registry import Registry

if TYPE_CHECKING:
    import keras


class Optimizer(Component, abc.ABC):
    """What turns gradients into new weights."""

    learning_rate: float = Field(
        default=0.001, gt=0, allow_inf_nan=False, description="The learning rate; with a schedule, its highest value."
    )

    @abc.abstractmethod
    def build(self, learning_rate: Any) -> keras.optimizers.Optimizer:
        """Make the Keras optimizer.

        Args:
            learning_rate: A float or a Keras `LearningRateSchedule`: what the schedule made of `self.learning_rate`.
        """


class KerasOptimizer(KerasComponent, Optimizer):
    """One of Keras' optimizers."""

    def build(self, learning_rate: Any) -> keras.optimizers.Optimizer:
        """Make the Keras optimizer."""
        # Named after its type: Keras' own name is counted up with every optimizer made in a process, and a checkpoint
        # finds the optimizer's variables by path.
        return keras_object(self, learning_rate=learning_rate, name=self.type_name)

    def problems(self) -> Iterator[FieldProblem]:
        """What Keras would find only when the optimizer is built, or not at all."""
        clipping = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if self._given(name)]
        if len(clipping) > 1:
            said, expected = f"{' and '.join(clipping)} are given", "one way to clip gradients"
            yield FieldProblem((clipping[1],), said, expected, hint=f"leave out {clipping[1]}")
        if self._given("ema_overwrite_frequency") and not getattr(self, "use_ema", False):
            said = "ema_overwrite_frequency has no effect without use_ema"
            yield FieldProblem(("ema_overwrite_frequency",), said, expected="use_ema: true beside it")
        if getattr(self, "nesterov", False) and not getattr(self, "momentum", 0):
            yield FieldProblem(
                ("nesterov",), "nesterov without momentum", expected="a momentum above 0", hint="momentum: 0.9"
            )

    def _given(self, name: str) -> bool:
        return getattr(self, name, None) is not None


optimizers: Registry[Optimizer] = Registry("optimizer")


@functools.cache
def _keras_optimizer(name: str) -> type[Optimizer]:
    return component_class(find_entry("optimizers", name), KerasOptimizer)


optimizers.register_lazily(entry_names("optimizers"), _keras_optimizer, origin=str(TABLE_PATH))
