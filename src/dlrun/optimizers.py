"""The optimizers of a spec: all optimizers of Keras, with the names and arguments that Keras uses."""

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
    """The algorithm that updates the weights from the gradients."""

    learning_rate: float = Field(
        default=0.001,
        gt=0,
        allow_inf_nan=False,
        description="Learning rate, above 0. With a schedule: its highest value.",
    )

    @abc.abstractmethod
    def build(self, learning_rate: Any) -> keras.optimizers.Optimizer:
        """Build the Keras optimizer.

        Args:
            learning_rate: A float or a Keras `LearningRateSchedule`, built by the schedule.
        """


class KerasOptimizer(KerasComponent, Optimizer):
    """An optimizer of Keras."""

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
