"""The learning-rate schedules of a spec: dlrun's own, measured in epochs, and those of Keras, measured in steps.

The optimizer's `learning_rate` is the peak of every schedule. In the formulas, t is the number of steps taken, n the
number of steps in an epoch, and T the number of steps of the whole training.
"""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from dlrun.component import Component, FieldProblem
from dlrun.keras_table import TABLE_PATH, KerasComponent, component_class, entry_names, find_entry, keras_object
from dlrun.registry import Registry


class Schedule(Component, abc.ABC):
    """How the learning rate changes during training."""

    spans_training: ClassVar[bool] = False
    """Whether it depends on the length of the whole training, so that adding epochs changes it from the start."""

    scales_any_rate: ClassVar[bool] = False
    """Whether it multiplies a rate of any meaning by 0 to 1, so that it suits dropout and weight decay as well."""

    @abc.abstractmethod
    def build(self, learning_rate: float, *, steps_per_epoch: int, total_steps: int) -> Any:
        """Build the learning rate for the optimizer: a float or a Keras `LearningRateSchedule`.

        Args:
            learning_rate: Learning rate of the optimizer, the peak of the schedule.
            steps_per_epoch: Number of steps in an epoch.
            total_steps: Number of steps of the whole training.
        """


schedules: Registry[Schedule] = Registry("schedule")


@schedules.register("constant")
class Constant(Schedule):
    """Keep the learning rate constant."""

    scales_any_rate = True

    def build(self, learning_rate: float, *, steps_per_epoch: int, total_steps: int) -> float:  # noqa: ARG002
        """Return the learning rate unchanged."""
        return learning_rate


@schedules.register("step")
class Step(Schedule):
    """Multiply the learning rate by a factor every few epochs.

    Formula:
        learning_rate * factor ** floor(t / (every_epochs * n))
    """

    scales_any_rate = True

    factor: float = Field(default=0.1, gt=0, lt=1, description="Factor for each reduction, from 0 to 1.")
    every_epochs: float = Field(
        default=10.0, gt=0, allow_inf_nan=False, description="Epochs between two reductions, above 0."
    )

    def build(self, learning_rate: float, *, steps_per_epoch: int, total_steps: int) -> Any:  # noqa: ARG002
        """Build the Keras schedule."""
        every = max(1, round(self.every_epochs * steps_per_epoch))

        def formula(ops: Any, step: Any) -> Any:
            # Integer division: a float quotient may round to the wrong side of a reduction.
            drops = ops.cast(ops.floor_divide(step, every), "float32")
            return learning_rate * ops.power(ops.cast(self.factor, "float32"), drops)

        return _keras_schedule(formula, self)


@schedules.register("exponential")
class Exponential(Schedule):
    """Multiply the learning rate by the same factor in each epoch, spread evenly over its steps.

    Formula:
        learning_rate * rate ** (t / n)
    """

    scales_any_rate = True

    rate: float = Field(default=0.95, gt=0, lt=1, description="Factor for each epoch, from 0 to 1.")

    def build(self, learning_rate: float, *, steps_per_epoch: int, total_steps: int) -> Any:  # noqa: ARG002
        """Build the Keras schedule."""

        def formula(ops: Any, step: Any) -> Any:
            epochs = ops.cast(step, "float32") / steps_per_epoch
            return learning_rate * ops.exp(epochs * math.log(self.rate))

        return _keras_schedule(formula, self)


@schedules.register("cosine")
class Cosine(Schedule):
    """Raise the learning rate linearly, then lower it along half a cosine until training ends.

    Formula:
        w = warmup_epochs * n, s = start_fraction, f = final_fraction.
        t < w: learning_rate * (s + (1 - s) * t / w).
        After: learning_rate * (f + (1 - f) * (1 + cos(pi * (t - w) / (T - w))) / 2).

    Reference:
        Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017; without restarts.
    """

    spans_training = True
    scales_any_rate = True

    warmup_epochs: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Epochs in which the learning rate rises to its peak; 0: none.",
    )
    start_fraction: float = Field(
        default=0.1, ge=0, le=1, description="Learning rate at the start of the warm-up, as a fraction of the peak."
    )
    final_fraction: float = Field(
        default=0.0, ge=0, le=1, description="Final learning rate, as a fraction of the peak."
    )

    def build(self, learning_rate: float, *, steps_per_epoch: int, total_steps: int) -> Any:
        """Build the Keras schedule."""
        warmup = round(self.warmup_epochs * steps_per_epoch)

        def formula(ops: Any, step: Any) -> Any:
            step = ops.cast(step, "float32")
            rising = _between(self.start_fraction, 1.0, step / max(1, warmup))
            fallen = ops.clip((step - warmup) / max(1, total_steps - warmup), 0.0, 1.0)
            falling = _between(1.0, self.final_fraction, (1 - ops.cos(math.pi * fallen)) / 2)
            return learning_rate * ops.where(step < warmup, rising, falling)

        return _keras_schedule(formula, self)


@schedules.register("one_cycle")
class OneCycle(Schedule):
    """Raise the learning rate to its peak, then lower it far below its start, in one cycle over the whole training.

    Formula:
        p = peak_at * T, a(u) = (1 - cos(pi * u)) / 2, or u if the shape is linear.
        t < p: learning_rate * (start_fraction + (1 - start_fraction) * a(t / p)).
        After: learning_rate * (1 + (final_fraction - 1) * a((t - p) / (T - p))).

    Reference:
        Smith and Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates, 2018.
    """

    spans_training = True
    scales_any_rate = True

    start_fraction: float = Field(
        default=0.04, ge=0, le=1, description="Initial learning rate, as a fraction of the peak."
    )
    peak_at: float = Field(default=0.3, gt=0, lt=1, description="Position of the peak, as a fraction of the training.")
    final_fraction: float = Field(
        default=1e-4, ge=0, le=1, description="Final learning rate, as a fraction of the peak."
    )
    shape: Literal["cosine", "linear"] = Field(default="cosine", description="Form of the rise and the fall.")

    def build(self, learning_rate: float, *, steps_per_epoch: int, total_steps: int) -> Any:  # noqa: ARG002
        """Build the Keras schedule."""
        peak = max(1.0, self.peak_at * total_steps)  # at least 1, as it is a divisor

        def formula(ops: Any, step: Any) -> Any:
            def eased(part: Any) -> Any:
                part = ops.clip(part, 0.0, 1.0)
                return part if self.shape == "linear" else (1 - ops.cos(math.pi * part)) / 2

            step = ops.cast(step, "float32")
            rising = _between(self.start_fraction, 1.0, eased(step / peak))
            falling = _between(1.0, self.final_fraction, eased((step - peak) / max(1.0, total_steps - peak)))
            return learning_rate * ops.where(step < peak, rising, falling)

        return _keras_schedule(formula, self)


@schedules.register("coslog")
class CosLog(Schedule):
    """Raise the learning rate from 0 to its peak and lower it to 0 again, in cycles that become longer and longer.

    Formula:
        learning_rate * (1 - cos(2 pi log2(1 + (2^cycles - 1) t / T))) / 2

    Reference:
        Holzmüller, Grinsztajn and Steinwart, 2024, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on
        Tabular Data", arXiv:2407.04491, where it is called coslog4.
    """

    spans_training = True
    scales_any_rate = True

    cycles: int = Field(default=4, ge=1, le=16, description="Number of cycles, each about twice as long as the last.")

    def build(self, learning_rate: float, *, steps_per_epoch: int, total_steps: int) -> Any:  # noqa: ARG002
        """Build the Keras schedule."""

        def formula(ops: Any, step: Any) -> Any:
            # In float64: between two cycles, the rate is the difference of nearly equal numbers.
            passed = ops.clip(ops.cast(step, "float64") / max(1, total_steps), 0.0, 1.0)
            cycle = ops.log(1 + (2**self.cycles - 1) * passed) / math.log(2)
            return ops.cast(learning_rate * (1 - ops.cos(2 * math.pi * cycle)) / 2, "float32")

        return _keras_schedule(formula, self)


@schedules.register("flat_cos")
class FlatCos(Schedule):
    """Keep the learning rate at its peak in the first part of the training, then lower it to 0 along half a cosine.

    Formula:
        learning_rate * (1 + cos(pi u)) / 2, u = max(0, t / T - flat_fraction) / (1 - flat_fraction)

    Reference:
        Holzmüller, Grinsztajn and Steinwart, 2024, arXiv:2407.04491, where dropout and weight decay follow it.
    """

    spans_training = True
    scales_any_rate = True

    flat_fraction: float = Field(default=0.5, ge=0, lt=1, description="Part of the training at the peak.")

    def build(self, learning_rate: float, *, steps_per_epoch: int, total_steps: int) -> Any:  # noqa: ARG002
        """Build the Keras schedule."""

        def formula(ops: Any, step: Any) -> Any:
            passed = ops.cast(step, "float32") / max(1, total_steps)
            falling = ops.clip((passed - self.flat_fraction) / (1 - self.flat_fraction), 0.0, 1.0)
            return learning_rate * (1 + ops.cos(math.pi * falling)) / 2

        return _keras_schedule(formula, self)


@schedules.register("reduce_on_plateau")
class ReduceOnPlateau(Schedule):
    """Multiply the learning rate by a factor when a score has stopped improving."""

    metric: str = Field(
        default="auto", description="Score to watch, by its name in the log. auto: training.monitor, or val_loss."
    )
    factor: float = Field(default=0.1, gt=0, lt=1, description="Factor for each reduction, from 0 to 1.")
    patience_epochs: int = Field(default=10, ge=1, description="Epochs without improvement before a reduction.")
    min_delta: float = Field(
        default=1e-4, ge=0, allow_inf_nan=False, description="Smallest change that counts as improvement."
    )
    cooldown_epochs: int = Field(default=0, ge=0, description="Epochs to wait after a reduction before counting again.")
    min_learning_rate: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="Lower limit of the learning rate."
    )

    def build(self, learning_rate: float, *, steps_per_epoch: int, total_steps: int) -> float:  # noqa: ARG002
        """Return the initial learning rate; `plateau_step` lowers it after an epoch."""
        return learning_rate


class KerasSchedule(KerasComponent, Schedule):
    """A schedule of Keras. Its durations are in steps, and it starts at the optimizer's learning rate."""

    def build(self, learning_rate: float, *, steps_per_epoch: int, total_steps: int) -> Any:  # noqa: ARG002
        """Build the Keras schedule."""
        if self.type_name != "piecewise_constant_decay":
            return keras_object(self, initial_learning_rate=learning_rate)
        values = {name: list(getattr(self, name)) for name in ("boundaries", "values")}
        return keras_object(self, boundaries=values["boundaries"], values=[learning_rate, *values["values"]])

    def problems(self) -> Iterator[FieldProblem]:
        """Yield mistakes that Keras detects only when the schedule is built, or not at all."""
        if getattr(self, "warmup_steps", 0) and getattr(self, "warmup_target", None) is None:
            what = "warmup_steps has no effect without warmup_target"
            yield FieldProblem(
                ("warmup_steps",), what, expected="warmup_target, the learning rate at the end of the warm-up"
            )
        boundaries = getattr(self, "boundaries", None)
        if boundaries is None:
            return
        if not boundaries or list(boundaries) != sorted(set(boundaries)):
            yield FieldProblem(
                ("boundaries",), "the boundaries do not increase", expected="one or more increasing steps"
            )
        values = getattr(self, "values", ())
        if len(values) != len(boundaries):
            what = f"{len(values)} values for {len(boundaries)} boundaries"
            expected = (
                "one learning rate for each boundary, which applies after it; the optimizer's applies before the first"
            )
            yield FieldProblem(("values",), what, expected=expected)


def _between(start: float, end: float, part: Any) -> Any:
    return start + (end - start) * part


def _keras_schedule(formula: Callable[[Any, Any], Any], component: Schedule) -> Any:
    """Return a Keras schedule that computes `formula(keras.ops, step)` in float32.

    Shape:
        step: an integer scalar. Result: a float32 scalar.
    """
    import keras

    class FormulaSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
        def __call__(self, step: Any) -> Any:
            return formula(keras.ops, step)

        def get_config(self) -> dict[str, Any]:
            return component.plain()

    return FormulaSchedule()


@functools.cache
def _keras_decay(name: str) -> type[Schedule]:
    return component_class(find_entry("schedules", name), KerasSchedule)


schedules.register_lazily(entry_names("schedules"), _keras_decay, origin=str(TABLE_PATH))


@dataclass(frozen=True)
class PlateauState:
    """The state of `reduce_on_plateau`, in JSON-serializable values.

    Args:
        learning_rate: Current learning rate.
        best: Best score so far; None before the first.
        wait: Number of epochs without improvement.
        cooldown: Number of epochs left that do not count.
    """

    learning_rate: float
    best: float | None = None
    wait: int = 0
    cooldown: int = 0


def plateau_step(
    schedule: ReduceOnPlateau, state: PlateauState, value: float, *, larger_is_better: bool
) -> PlateauState:
    """Return the state after an epoch with the score `value`, as in `keras.callbacks.ReduceLROnPlateau`.

    An undefined score leaves the state unchanged, whereas Keras counts it as an epoch without improvement.
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
