"""Measure how fast a spec trains in each precision, with and without XLA, at each batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from dlrun.benchmark.process import measured_by
from dlrun.errors import UsageError
from dlrun.spec.parse import override_list, read_config
from dlrun.training.progress.events import Listener, Note, silent

MEASURE = "dlrun.benchmark.measure"
_PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Candidate:
    """One way to train: a row of the table.

    Args:
        batch_size: Number of examples in one step.
        precision: Float32, bfloat16 or float16.
        jit: On or off.
        examples_per_second: None if it failed.
        seconds_per_step: None if it failed.
        compile_seconds: Time until the end of the first step.
        peak_bytes: The most memory that was used: on the GPU, or by the whole process on a CPU.
        error: Why it failed; empty otherwise.
    """

    batch_size: int
    precision: str
    jit: str
    examples_per_second: float | None = None
    seconds_per_step: float | None = None
    compile_seconds: float | None = None
    peak_bytes: int | None = None
    error: str = ""

    @property
    def overrides(self) -> tuple[str, ...]:
        """What to give to `--set` to select it."""
        return (f"training.precision={self.precision}", f"training.jit={self.jit}")


@dataclass(frozen=True)
class Benchmark:
    """How fast each combination trains.

    Args:
        device: The device that trained.
        batch_size: The spec's own.
        candidates: In the order in which they were measured.
        winner: The fastest; None if all failed.
    """

    device: str
    batch_size: int
    candidates: tuple[Candidate, ...]
    winner: Candidate | None

    def selection(self) -> tuple[str, ...]:
        """What to give to `--set` to select the winner; the batch size only if it is not the spec's."""
        if self.winner is None:
            return ()
        other = self.winner.batch_size != self.batch_size
        return (*self.winner.overrides, *((f"training.batch_size={self.winner.batch_size}",) if other else ()))

    def plain(self) -> dict[str, Any]:
        """Return the table in a form that JSON can hold."""
        return {**asdict(self), "set": list(self.selection())}


def bench(
    config: str | Path | Mapping[str, Any],
    *,
    overrides: str | Sequence[str] = (),
    batch_sizes: Sequence[int] = (),
    trust_plugins: bool = False,
    listener: Listener = silent,
) -> Benchmark:
    """Measure how fast a spec trains, in every precision that the device has, with and without XLA.

    Args:
        config: A YAML file, or a dict of the same keys.
        overrides: `key=value` each, as `--set` takes them.
        batch_sizes: The batch sizes to compare; empty: the spec's own.
        trust_plugins: Whether to load the plugins, which are code, of a run that was made elsewhere, if the
            config is in its folder.
        listener: Called before each measurement.

    Returns:
        A row for each combination, and the fastest.

    Raises:
        SpecError: The spec is wrong.
        DataError: The data is missing or wrong.
        UsageError: A batch size is not positive, or an override sets what is to be compared.
    """
    overrides = override_list(overrides)
    training = read_config(config, overrides, trust_plugins=trust_plugins).spec.training
    for key in ("precision", "jit"):
        if any(override.startswith(f"training.{key}=") for override in overrides):
            raise UsageError(f"--set training.{key} is given, which bench compares", hint=f"leave training.{key} out")
    if bad := [size for size in batch_sizes if size < 1]:
        raise UsageError(f"a batch of {bad[0]} examples", expected="batch sizes of at least 1")
    device, candidates = "", list[Candidate]()
    for batch_size, precision, jit in product(batch_sizes or (training.batch_size,), _PRECISIONS, ("off", "on")):
        # float16 is for GPUs only. It comes after the other precisions, whose measurements have named the device.
        if precision == "float16" and not device.startswith("gpu"):
            continue
        candidate = Candidate(batch_size, precision, jit)
        listener(Note("measuring", f"batch {batch_size}, {precision}, jit {jit}"))
        chosen = (*overrides, *candidate.overrides, f"training.batch_size={batch_size}")
        found = measured_by(MEASURE, config, overrides=chosen, trust_plugins=trust_plugins)
        device = found.get("device", device)
        candidates.append(_complete(candidate, found))
    done = [candidate for candidate in candidates if candidate.examples_per_second]
    winner = max(done, key=lambda candidate: candidate.examples_per_second or 0, default=None)
    return Benchmark(device, training.batch_size, tuple(candidates), winner)


def _complete(candidate: Candidate, found: dict[str, Any]) -> Candidate:
    if "error" in found:
        return Candidate(candidate.batch_size, candidate.precision, candidate.jit, error=found["error"])
    seconds = found["seconds_per_step"]
    return Candidate(
        candidate.batch_size,
        candidate.precision,
        candidate.jit,
        examples_per_second=round(candidate.batch_size / seconds, 1),
        seconds_per_step=seconds,
        compile_seconds=round(found["compile_seconds"], 2),
        peak_bytes=found["peak_bytes"],
    )
