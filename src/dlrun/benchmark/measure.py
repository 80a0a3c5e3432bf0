"""Measure how fast one spec trains, in a process of its own so that its memory can be measured, too.

echo '{"config": "x.yaml", "overrides": ["training.jit=on"]}' | python -P -m dlrun.benchmark.measure 3 3>answer
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import tensorflow as tf

from dlrun.benchmark.process import answer_of
from dlrun.errors import DlrunError
from dlrun.spec.parse import read_config
from dlrun.system.interpreter import answer, taken_over
from dlrun.training.failures import step_failures
from dlrun.training.progress.events import silent
from dlrun.training.setup import TrainingSetup, assemble
from dlrun.training.step.feed import epoch_order
from dlrun.training.step.steps import StepRunner

_CALL_SECONDS = 0.3
_CALLS = 5


def measure(
    config: str | Mapping[str, Any], overrides: tuple[str, ...], *, trust_plugins: bool = False
) -> dict[str, Any]:
    """Time the training steps of a spec, for about two seconds.

    Returns:
        The device, precision and jit that were used; seconds_per_step, the median of several calls; compile_seconds,
        until the end of the first step; peak_bytes, of the GPU's memory, or of the process on a CPU.
    """
    file = read_config(config, overrides, trust_plugins=trust_plugins).first_fold()
    setup = assemble(file, listener=silent)
    started = time.perf_counter()
    steps = setup.choose_steps()
    with step_failures("training.batch_size", file.spec.training.batch_size):
        seconds, compile_seconds = _timed(setup, steps.steps, started)
    return {
        "device": setup.device.choice.value,
        "precision": setup.compiled.precision.value,
        "jit": steps.jit.value,
        "seconds_per_step": seconds,
        "compile_seconds": compile_seconds,
        "peak_bytes": _peak_bytes(setup),
    }


def _timed(setup: TrainingSetup, steps: StepRunner, started: float) -> tuple[float, float]:
    whole_steps = steps.feed.examples // steps.batch_size
    order = epoch_order(steps.feed.examples, seed=setup.spec.seed, epoch=0, shuffle=True)
    step_range = next(iter(steps.feed.step_ranges(order, batch_size=steps.batch_size, last_step=whole_steps)))
    steps(step_range, 0, 1)
    compile_seconds = time.perf_counter() - started
    count, seconds = 1, list[float]()
    while len(seconds) < _CALLS:
        began = time.perf_counter()
        done = steps(step_range, 0, count)
        spent = time.perf_counter() - began
        # A short call measures mostly its own overhead. Fewer steps than asked for: the epoch has no more.
        if spent >= _CALL_SECONDS or done < count:
            seconds.append(spent / done)
        else:
            count *= 4
    return median(seconds), compile_seconds


def _peak_bytes(setup: TrainingSetup) -> int:
    if setup.device.is_gpu:
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # getrusage counts in bytes on macOS, and in KiB on Linux.
    return kilobytes if sys.platform == "darwin" else kilobytes * 1024


def main() -> None:
    """Read what to measure from standard input, and answer with the measurement or the error as one line of JSON."""
    pipe = taken_over(sys.argv[1])
    asked = json.load(sys.stdin)
    try:
        found = measure(asked["config"], tuple(asked["overrides"]), trust_plugins=asked.get("trust_plugins", False))
    except DlrunError as error:
        found = answer_of(error)
    answer(pipe, found)


if __name__ == "__main__":
    main()
