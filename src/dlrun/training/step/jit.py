"""Whether XLA compiles the training steps: tried both ways on the real step, and remembered for the next run.

XLA makes one model several times as fast and another several times as slow, and no rule tells which. So a few steps are
run both ways, their variables put back, and both times kept in the user's cache folder under everything they depend on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

from dlrun.runs.record import Choice
from dlrun.spec.types import Spec
from dlrun.training.devices.device import has_convolutions, is_dense
from dlrun.training.devices.jit_cache import Measured, has_measured, read_measured, write_measured
from dlrun.training.step.feed import Order, StepRange
from dlrun.training.step.steps import StepRunner
from dlrun.training.variables import assign_arrays, read_arrays

LARGEST_PART = 0.06
"""Of the expected time of the run: what trying XLA may cost at the most."""
LARGEST_PART_OF_DENSE = 0.15
"""The same where it is nearly sure to pay: of dense layers, XLA won at every size that was tried, by 16 % (512 x 512,
batches of 256) to three times (128, batches of 32), on two cores of an AMD EPYC."""
_SECONDS_PER_NODE = 0.0015
"""Of tracing once more and compiling, for each operation of the graph: 0.42 s for the 276 of a small MLP, 1.5 s for the
687 of a CNN, 0.87 s for the 516 of an LSTM, on two cores of a Sapphire Rapids."""
_CALL_SECONDS = 0.02
"""Of a timed call at the least: shorter ones tell too little."""
_ROUNDS = 4
"""How often each way is timed, in turns; the fastest counts, since whatever else the machine does only adds time."""
_HOPELESS = 3.0
"""A first call with XLA that takes so many times as long as one without ends the trial."""


def choose_jit(steps: StepRunner, spec: Spec, order: Order, *, total_steps: int, key: str) -> tuple[Choice, StepRunner]:
    """Decide whether XLA compiles the steps.

    Args:
        steps: Without XLA.
        spec: With the wish.
        order: Of the first epoch.
        total_steps: Of the run.
        key: Everything that the times depend on, from `measurement_key`.

    Returns:
        The choice, and the steps to train with.
    """
    if spec.training.jit != "auto":
        choice = Choice(value=spec.training.jit, reason="asked for")
    elif (known := read_measured(key)) is not None:
        choice = known.choice(total_steps)
        choice = choice.model_copy(update={"reason": f"{choice.reason} (measured in an earlier run)"})
    elif not steps.feed.is_on_gpu and has_convolutions(steps.model._flatten_layers()):  # noqa: SLF001
        # Measured on two cores of a Sapphire Rapids: 59 ms a step against 1.3 (digits_cnn), 870 against 3 (mnist_cnn).
        # One call with XLA would take longer than the trial may.
        choice = Choice(value="off", reason="XLA computes convolutions on a CPU many times more slowly")
    else:
        again = "; what an earlier run had measured was damaged" if has_measured(key) else ""
        what = f"{spec.plain()['model']['type']} of {spec.name}, batches of {spec.training.batch_size}"
        choice, jitted = _tried(steps, order, total_steps=total_steps, key=key, what=what)
        choice = choice.model_copy(update={"reason": choice.reason + again})
        return choice, jitted if jitted is not None and choice.value == "on" else steps
    return choice, steps.jitted() if choice.value == "on" else steps


def _tried(
    steps: StepRunner, order: Order, *, total_steps: int, key: str, what: str
) -> tuple[Choice, StepRunner | None]:
    whole_steps = min(steps.feed.examples // steps.batch_size, total_steps)
    stretch = next(iter(steps.feed.stretches(order, batch_size=steps.batch_size, last_step=whole_steps)))
    with _variables_put_back(steps.model):
        steps(stretch, 0, 1)  # traces
        count, plain_seconds = _enough_steps(steps, stretch)
        cost = expected_compile_seconds(steps.graph_nodes())
        part = LARGEST_PART_OF_DENSE if is_dense(steps.model._flatten_layers()) else LARGEST_PART  # noqa: SLF001
        if cost > part * plain_seconds * total_steps:
            said = f"the run is too short ({plain_seconds * total_steps:.0f} s) to try XLA (about {cost:.1f} s)"
            return Choice(value="off", reason=said), None
        jitted = steps.jitted()
        started = time.perf_counter()
        try:
            jitted(stretch, 0, 1)
        except tf.errors.OpError:
            measured = Measured(plain_seconds, None, time.perf_counter() - started)
        else:
            compile_seconds = time.perf_counter() - started
            plain_seconds, jit_seconds = _compared(steps, jitted, stretch, count=count)
            measured = Measured(plain_seconds, jit_seconds, compile_seconds)
    write_measured(key, measured, what=what)
    return measured.choice(total_steps), jitted


def _enough_steps(steps: StepRunner, stretch: StepRange) -> tuple[int, float]:
    """How many steps make a call that is long enough to be timed, and the seconds of one step in it."""
    count = 1
    while True:
        seconds = _seconds_of_step(steps, stretch, count)
        done = min(count, stretch.last_step)
        if seconds * done >= _CALL_SECONDS or done < count:
            return done, seconds
        count *= 4


def _compared(plain: StepRunner, jitted: StepRunner, stretch: StepRange, *, count: int) -> tuple[float, float]:
    """Seconds of one step without and with XLA: the fastest of several calls, in turns."""
    plain_seconds, jit_seconds = _seconds_of_step(plain, stretch, count), _seconds_of_step(jitted, stretch, 1)
    if jit_seconds > _HOPELESS * plain_seconds * count:
        return plain_seconds, jit_seconds
    count, jit_seconds = _enough_steps(jitted, stretch)
    for _ in range(_ROUNDS):
        plain_seconds = min(plain_seconds, _seconds_of_step(plain, stretch, count))
        jit_seconds = min(jit_seconds, _seconds_of_step(jitted, stretch, count))
    return plain_seconds, jit_seconds


def _seconds_of_step(steps: StepRunner, stretch: StepRange, count: int) -> float:
    started = time.perf_counter()
    done = steps(stretch, 0, count)
    return (time.perf_counter() - started) / done


@contextmanager
def _variables_put_back(model: keras.Model) -> Iterator[None]:
    arrays = {name: array.copy() for name, array in read_arrays(model).items()}
    try:
        yield
    finally:
        assign_arrays(model, arrays, parts=("model", "optimizer", "metrics"))


def expected_compile_seconds(nodes: int) -> float:
    """What XLA will take to compile a graph of so many operations, tracing included."""
    return _SECONDS_PER_NODE * nodes
