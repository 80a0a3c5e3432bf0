"""Decide whether XLA compiles the training steps, by timing the real step with and without it.

XLA makes one model several times as fast and another several times as slow, and no simple rule predicts which. So a few
steps run both ways, after which the variables are restored. Both times are stored in the user's cache folder, under a
key of everything they depend on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from dlrun.runs.record import Choice
from dlrun.spec.types import Spec
from dlrun.system.keras_internals import all_layers
from dlrun.training.devices.device import has_convolutions, is_dense
from dlrun.training.devices.jit_cache import Measured, has_measured, read_measured, write_measured
from dlrun.training.step.feed import Order, StepRange
from dlrun.training.step.steps import StepRunner
from dlrun.training.variables import assign_arrays, read_arrays

LARGEST_PART = 0.06
"""The largest fraction of the run's expected time that trying XLA may take."""
LARGEST_PART_OF_DENSE = 0.15
"""The same for dense layers, where XLA nearly always pays off: it won at every size that was tried, from 16 % faster
(512 x 512, batches of 256) to three times as fast (128, batches of 32), on two cores of an AMD EPYC. So it was for the
members of a TabM: 6.4 instead of 15.3 ms a step (192 x 192, 8 members, batches of 256)."""
_SECONDS_PER_NODE = 0.0015
"""The time to trace and compile, per operation of the graph: 0.42 s for the 276 of a small MLP, 1.5 s for the 687 of a
CNN, 0.87 s for the 516 of an LSTM, on two cores of a Sapphire Rapids."""
_CALL_SECONDS = 0.02
"""The shortest duration of a timed call; shorter ones are too noisy."""
_ROUNDS = 4
"""How often each way is timed, alternating; the fastest time counts, since other load can only add time."""
_HOPELESS = 3.0
"""If a first call with XLA takes more than this multiple of one without, the trial ends."""


def choose_jit(steps: StepRunner, spec: Spec, order: Order, *, total_steps: int, key: str) -> tuple[Choice, StepRunner]:
    """Decide whether XLA compiles the steps.

    Args:
        steps: The steps without XLA.
        spec: The spec, whose `training.jit` may leave the choice to dlrun.
        order: The order of the examples in the first epoch.
        total_steps: The number of steps of the run.
        key: A digest of everything that the times depend on, from `measurement_key`.

    Returns:
        The choice with its reason, and the steps to train with.
    """
    if spec.training.jit != "auto":
        choice = Choice(value=spec.training.jit, reason="asked for")
    elif (known := read_measured(key)) is not None:
        choice = known.choice(total_steps)
        choice = choice.model_copy(update={"reason": f"{choice.reason} (measured in an earlier run)"})
    elif not steps.feed.is_on_gpu and has_convolutions(all_layers(steps.model)):
        # Measured on two cores of a Sapphire Rapids: 59 ms a step instead of 1.3 (digits_cnn), 870 instead of 3
        # (mnist_cnn). A single call with XLA would take longer than the whole trial may.
        choice = Choice(value="off", reason="XLA computes convolutions on a CPU many times more slowly")
    else:
        again = "; the measurement of an earlier run was damaged" if has_measured(key) else ""
        what = f"{spec.plain()['model']['type']} of {spec.name}, batches of {spec.training.batch_size}"
        choice, jitted = _try_jit(steps, order, total_steps=total_steps, key=key, what=what)
        choice = choice.model_copy(update={"reason": choice.reason + again})
        return choice, jitted if jitted is not None and choice.value == "on" else steps
    return choice, steps.with_jit() if choice.value == "on" else steps


def measure_step(steps: StepRunner, order: Order) -> float:
    """Return the seconds of a training step: the fastest of a few. The variables are as before afterwards.

    Args:
        steps: The steps to train with.
        order: The order of the examples in the first epoch.
    """
    whole_steps = steps.feed.examples // steps.batch_size
    step_range = next(iter(steps.feed.step_ranges(order, batch_size=steps.batch_size, last_step=whole_steps)))
    with _variables_put_back(steps.model):
        steps(step_range, 0, 1)  # the first call traces, and is not timed
        count, seconds = _enough_steps(steps, step_range)
        return min(seconds, *(_seconds_of_step(steps, step_range, count) for _ in range(_ROUNDS)))


def _try_jit(
    steps: StepRunner, order: Order, *, total_steps: int, key: str, what: str
) -> tuple[Choice, StepRunner | None]:
    whole_steps = min(steps.feed.examples // steps.batch_size, total_steps)
    step_range = next(iter(steps.feed.step_ranges(order, batch_size=steps.batch_size, last_step=whole_steps)))
    with _variables_put_back(steps.model):
        steps(step_range, 0, 1)  # the first call traces, and is not timed
        count, plain_seconds = _enough_steps(steps, step_range)
        cost = expected_compile_seconds(steps.graph_nodes())
        part = LARGEST_PART_OF_DENSE if is_dense(all_layers(steps.model)) else LARGEST_PART
        if cost > part * plain_seconds * total_steps:
            message = f"the run is too short ({plain_seconds * total_steps:.0f} s) to try XLA (about {cost:.1f} s)"
            return Choice(value="off", reason=message), None
        jitted = steps.with_jit()
        started = time.perf_counter()
        try:
            jitted(step_range, 0, 1)
        except tf.errors.OpError:
            measured = Measured(plain_seconds, None, time.perf_counter() - started)
        else:
            compile_seconds = time.perf_counter() - started
            plain_seconds, jit_seconds = _compare(steps, jitted, step_range, count=count)
            measured = Measured(plain_seconds, jit_seconds, compile_seconds)
    write_measured(key, measured, what=what)
    return measured.choice(total_steps), jitted


def _enough_steps(steps: StepRunner, step_range: StepRange) -> tuple[int, float]:
    """Return the number of steps in a call that is long enough to be timed, and the seconds per step in it."""
    count = 1
    while True:
        seconds = _seconds_of_step(steps, step_range, count)
        done = min(count, step_range.last_step)
        if seconds * done >= _CALL_SECONDS or done < count:
            return done, seconds
        count *= 4


def _compare(plain: StepRunner, jitted: StepRunner, step_range: StepRange, *, count: int) -> tuple[float, float]:
    """Return the seconds per step without and with XLA: the fastest of several alternating calls."""
    plain_seconds, jit_seconds = _seconds_of_step(plain, step_range, count), _seconds_of_step(jitted, step_range, 1)
    # One step with XLA took several times as long as `count` steps without: measuring more would waste time.
    if jit_seconds > _HOPELESS * plain_seconds * count:
        return plain_seconds, jit_seconds
    count, jit_seconds = _enough_steps(jitted, step_range)
    for _ in range(_ROUNDS):
        plain_seconds = min(plain_seconds, _seconds_of_step(plain, step_range, count))
        jit_seconds = min(jit_seconds, _seconds_of_step(jitted, step_range, count))
    return plain_seconds, jit_seconds


def _seconds_of_step(steps: StepRunner, step_range: StepRange, count: int) -> float:
    started = time.perf_counter()
    done = steps(step_range, 0, count)
    return (time.perf_counter() - started) / done


@contextmanager
def _variables_put_back(model: keras.Model) -> Iterator[None]:
    arrays = {name: array.copy() for name, array in read_arrays(model).items()}
    try:
        yield
    finally:
        assign_arrays(model, arrays, parts=("model", "optimizer", "metrics"))


def expected_compile_seconds(nodes: int) -> float:
    """Return the expected time for XLA to trace and compile a graph.

    Args:
        nodes: The number of operations in the graph.
    """
    return _SECONDS_PER_NODE * nodes
