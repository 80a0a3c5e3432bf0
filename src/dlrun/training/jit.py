"""Whether XLA compiles the training steps: tried both ways on the real step, and remembered for the next run.

XLA makes one model several times as fast and another several times as slow, and no rule tells which. So a few steps are
run both ways, their variables put back, and both times kept in the user's cache folder under everything they depend on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import keras
import tensorflow as tf

from dlrun.runs.record import Choice
from dlrun.spec.types import Spec
from dlrun.training.device import has_convolutions
from dlrun.training.feed import Order, Stretch
from dlrun.training.steps import Steps
from dlrun.training.variables import assign_arrays, read_arrays
from dlrun.user_folders import cache_folder

LARGEST_PART = 0.06
"""Of the expected time of the run: what trying XLA may cost at the most."""
_SECONDS_PER_NODE = 0.0015
"""Of tracing once more and compiling, for each operation of the graph: 0.42 s for the 276 of a small MLP, 1.5 s for the
687 of a CNN, 0.87 s for the 516 of an LSTM, on two cores of a Sapphire Rapids."""
_CALL_SECONDS = 0.02
"""Of a timed call at the least: shorter ones tell too little."""
_ROUNDS = 4
"""How often each way is timed, in turns; the fastest counts, since whatever else the machine does only adds time."""
_HOPELESS = 3.0
"""A first call with XLA that takes so many times as long as one without ends the trial."""
_FASTER = 0.95
"""XLA is taken if its step takes less than this part of the plain step's time; closer ones are noise."""


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Args:
        plain_seconds: Of one step without XLA.
        jit_seconds: Of one step with XLA; None if XLA cannot compile it.
        compile_seconds: What XLA took to compile it.
    """

    plain_seconds: float
    jit_seconds: float | None
    compile_seconds: float

    def choice(self, steps: int) -> Choice:
        """What is faster for a run of so many steps."""
        plain = f"{1e3 * self.plain_seconds:.2f} ms a step"
        if self.jit_seconds is None:
            return Choice(value="off", reason="XLA cannot compile this step")
        both = f"{1e3 * self.jit_seconds:.2f} ms a step with XLA, {plain} without"
        if self.jit_seconds > _FASTER * self.plain_seconds:
            return Choice(value="off", reason=both)
        if steps * (self.plain_seconds - self.jit_seconds) < self.compile_seconds:
            return Choice(value="off", reason=f"{both}, but the run is over before that makes up for compiling")
        return Choice(value="on", reason=both)


def choose_jit(steps: Steps, spec: Spec, order: Order, *, total_steps: int, key: str) -> tuple[Choice, Steps]:
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
        choice, jitted = _tried(steps, order, total_steps=total_steps, key=key)
        return choice, jitted if jitted is not None and choice.value == "on" else steps
    return choice, steps.jitted() if choice.value == "on" else steps


def _tried(steps: Steps, order: Order, *, total_steps: int, key: str) -> tuple[Choice, Steps | None]:
    whole_steps = min(steps.feed.examples // steps.batch_size, total_steps)
    stretch = next(iter(steps.feed.stretches(order, batch_size=steps.batch_size, last_step=whole_steps)))
    with _put_back(steps.model):
        steps(stretch, 0, 1)  # traces
        count, plain_seconds = _enough_steps(steps, stretch)
        cost = expected_compile_seconds(steps.graph_nodes())
        if cost > LARGEST_PART * plain_seconds * total_steps:
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
    write_measured(key, measured)
    return measured.choice(total_steps), jitted


def _enough_steps(steps: Steps, stretch: Stretch) -> tuple[int, float]:
    """How many steps make a call that is long enough to be timed, and the seconds of one step in it."""
    count = 1
    while True:
        seconds = _seconds_of_step(steps, stretch, count)
        done = min(count, stretch.last_step)
        if seconds * done >= _CALL_SECONDS or done < count:
            return done, seconds
        count *= 4


def _compared(plain: Steps, jitted: Steps, stretch: Stretch, *, count: int) -> tuple[float, float]:
    """Seconds of one step without and with XLA: the fastest of several calls, in turns."""
    plain_seconds, jit_seconds = _seconds_of_step(plain, stretch, count), _seconds_of_step(jitted, stretch, 1)
    if jit_seconds > _HOPELESS * plain_seconds * count:
        return plain_seconds, jit_seconds
    count, jit_seconds = _enough_steps(jitted, stretch)
    for _ in range(_ROUNDS):
        plain_seconds = min(plain_seconds, _seconds_of_step(plain, stretch, count))
        jit_seconds = min(jit_seconds, _seconds_of_step(jitted, stretch, count))
    return plain_seconds, jit_seconds


def _seconds_of_step(steps: Steps, stretch: Stretch, count: int) -> float:
    started = time.perf_counter()
    done = steps(stretch, 0, count)
    return (time.perf_counter() - started) / done


class _put_back:  # noqa: N801  reads as a statement
    """Gives a model the variables back that it had before."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def __enter__(self) -> None:
        self._arrays = {name: array.copy() for name, array in read_arrays(self._model).items()}

    def __exit__(self, *error: object) -> None:
        assign_arrays(self._model, self._arrays, parts=("model", "optimizer", "metrics"))


def expected_compile_seconds(nodes: int) -> float:
    """What XLA will take to compile a graph of so many operations, tracing included."""
    return _SECONDS_PER_NODE * nodes


def measurement_key(spec: Spec, environment: Mapping[str, str], *, features: object, target: object) -> str:
    """A digest of everything that the times depend on: model, batch, precision, device, versions."""
    plain = spec.plain()
    training = {name: plain["training"][name] for name in ("batch_size", "precision", "cpu_shares", "class_weight")}
    parts = {name: plain[name] for name in ("model", "optimizer", "loss", "metrics")}
    plugins = [sha256(Path(plugin).read_bytes()).hexdigest() for plugin in spec.plugins]
    told = {**parts, **training, "environment": dict(environment), "data": f"{features} {target}", "plugins": plugins}
    return sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def read_measured(key: str) -> Measured | None:
    """What an earlier run has measured; None if nothing, or nothing that can be read."""
    with suppress(OSError, ValueError, TypeError):
        measured = Measured(**json.loads(_path(key).read_text("utf-8")))
        if all(isinstance(value, float) and value >= 0 for value in asdict(measured).values() if value is not None):
            return measured
    return None


def write_measured(key: str, measured: Measured) -> None:
    """Keep what was measured; without a folder to write to it is measured again next time."""
    path = _path(key)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_suffix(f".{time.time_ns()}")
        staged.write_text(json.dumps(asdict(measured)), "utf-8")
        staged.replace(path)


def _path(key: str) -> Path:
    return cache_folder() / "jit" / f"{key[:32]}.json"
