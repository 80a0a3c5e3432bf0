"""Find a batch size for a config: the smallest that is nearly as fast as any that fits into memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dlrun.benchmark.bench import MEASURE
from dlrun.benchmark.process import Config, measured_by
from dlrun.benchmark.valley import rounded
from dlrun.errors import DataError, RunError
from dlrun.runs.provenance.machine import memory_bytes
from dlrun.spec.parse import override_list, read_config
from dlrun.spec.types import Spec
from dlrun.training.progress.events import Listener, Note, silent

SMALLEST = 8
NEARLY = 0.95
"""A batch size is nearly as fast as the best if it has this part of its throughput."""
_MEMORY_PART = 0.8
_NO_FASTER = 2
"""The measurement ends after so many sizes in a row that are not faster by 5 %."""
_BY_GRADIENT_SIZE = ("sgd",)
"""Optimizers whose steps are proportional to the gradient."""


@dataclass(frozen=True)
class SizeMeasured:
    """How fast a batch size trains.

    Args:
        batch_size: The number of examples in one step.
        examples_per_second: None if it failed.
        peak_bytes: The most memory: on the GPU, or of the whole process on a CPU; None if it failed.
        error: Why it failed; empty otherwise.
    """

    batch_size: int
    examples_per_second: float | None = None
    peak_bytes: int | None = None
    error: str = ""


@dataclass(frozen=True)
class SizeFound:
    """A batch size, and what it was found by.

    Args:
        own: The batch size of the config.
        batch_size: The proposed one.
        learning_rate: The learning rate scaled to it.
        reason: Why.
        scaling: How the learning rate was scaled, and why.
        measured: The batch sizes in the order in which they were measured.
    """

    own: int
    batch_size: int
    learning_rate: float
    reason: str
    scaling: str
    measured: tuple[SizeMeasured, ...]

    @property
    def overrides(self) -> tuple[str, ...]:
        """What to give to `--set` to use it; nothing if it is the config's own."""
        if self.batch_size == self.own:
            return ()
        return (f"training.batch_size={self.batch_size}", f"optimizer.learning_rate={self.learning_rate:g}")

    def plain(self) -> dict[str, Any]:
        """Return the result in a form that JSON can hold."""
        return {**asdict(self), "set": list(self.overrides)}


def find_batch_size(
    config: Config,
    *,
    overrides: str | Sequence[str] = (),
    trust_plugins: bool = False,
    listener: Listener = silent,
) -> SizeFound:
    """Measure throughput and memory of doubling batch sizes, and propose one.

    Args:
        config: A YAML file, or a dict of the same keys.
        overrides: `key=value` each, as `--set` takes them.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere.
        listener: Called before each measurement.

    Raises:
        SpecError: The spec is wrong.
        DataError: The data is missing or wrong.
        RunError: No batch size could be measured.
    """
    overrides = override_list(overrides)
    file = read_config(config, overrides, trust_plugins=trust_plugins)

    def measure(size: int) -> SizeMeasured:
        listener(Note("measuring", f"batch {size}"))
        chosen = (*overrides, f"training.batch_size={size}")
        try:
            found = measured_by(MEASURE, config, overrides=chosen, trust_plugins=trust_plugins)
        except DataError as error:
            if size == SMALLEST:
                raise
            return SizeMeasured(size, error=error.what)  # the training split is smaller than this batch
        if "error" in found:
            return SizeMeasured(size, error=found["error"])
        return SizeMeasured(size, round(size / found["seconds_per_step"], 1), found["peak_bytes"])

    measured, why = measure_sizes(measure, limit=memory_bytes())
    return propose(measured, file.spec, why=why)


def measure_sizes(measure: Callable[[int], SizeMeasured], *, limit: int) -> tuple[tuple[SizeMeasured, ...], str]:
    """Measure doubling batch sizes until they fail, would not fit, or are no faster any more.

    Args:
        measure: Measures a batch size.
        limit: The bytes of memory of the machine. On a GPU the allocation itself fails.

    Returns:
        The measurements, and why they ended.
    """
    found: list[SizeMeasured] = []
    size, slower, best = SMALLEST, 0, 0.0
    while True:
        now = measure(size)
        found.append(now)
        if now.examples_per_second is None:
            return tuple(found), f"a batch of {size} failed"
        slower = 0 if now.examples_per_second * NEARLY > best else slower + 1
        best = max(best, now.examples_per_second)
        if slower >= _NO_FASTER:
            return tuple(found), "larger ones are no faster"
        if _next_peak(found) > _MEMORY_PART * limit:
            return tuple(found), f"a batch of {2 * size} would need most of the memory"
        size *= 2


def _next_peak(found: Sequence[SizeMeasured]) -> float:
    """Return the memory that the next batch size will need, if it grows with the batch as before."""
    peaks = [each.peak_bytes or 0 for each in found[-2:]]
    return peaks[-1] + 2 * max(0, peaks[-1] - peaks[0])


def propose(measured: Sequence[SizeMeasured], spec: Spec, *, why: str) -> SizeFound:
    """Return the smallest batch size that is nearly as fast as the fastest.

    Args:
        measured: The measurements.
        spec: The spec, for its own batch size and learning rate.
        why: Why no larger ones were measured.

    Raises:
        RunError: All measurements failed.
    """
    done = [each for each in measured if each.examples_per_second is not None]
    if not done:
        raise RunError(f"no batch size could be measured: {measured[0].error}", hint="dlrun train tells more")
    best = max(done, key=lambda each: each.examples_per_second or 0.0)
    fastest = best.examples_per_second or 0.0
    chosen = next(each for each in done if (each.examples_per_second or 0.0) >= NEARLY * fastest)
    reason = f"{chosen.examples_per_second:,.0f} examples/s, within 5 % of the best, batch {best.batch_size}; {why}"
    rate, scaling = scaled_rate(spec, chosen.batch_size)
    return SizeFound(spec.training.batch_size, chosen.batch_size, rate, reason, scaling, tuple(measured))


def scaled_rate(spec: Spec, batch_size: int) -> tuple[float, str]:
    """Return the learning rate for another batch size, and how it was scaled.

    Steps of SGD are proportional to the gradient: the rate grows with the batch size. The steps of optimizers that
    divide by the size of the gradient grow with the root of it.

    Args:
        spec: The spec with its own batch size and learning rate.
        batch_size: The other batch size.

    Reference:
        Goyal et al. (2017), "Accurate, Large Minibatch SGD", section 2.1. https://arxiv.org/abs/1706.02677
        Malladi, Lyu, Panigrahi and Arora (2022), "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms",
        NeurIPS. https://arxiv.org/abs/2205.10287
    """
    ratio = batch_size / spec.training.batch_size
    name, rate = spec.optimizer.type_name, float(spec.optimizer.learning_rate)
    is_linear = name in _BY_GRADIENT_SIZE
    found = rounded(rate * (ratio if is_linear else math.sqrt(ratio)))
    rule = "in proportion to the batch" if is_linear else "with the square root of the batch"
    return found, f"from {rate:g}, {rule}, as for {name}"
