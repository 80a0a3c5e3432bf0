"""A spec in, how fast it trains in each precision, with and without XLA, at each batch size out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from dlrun.errors import DataError, UsageError
from dlrun.spec.parse import read_spec
from dlrun.system.interpreter import answer_pipe, python_command, python_environment
from dlrun.training.progress.events import Listener, Note, silent

_PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Candidate:
    """One way to train: a row of the table.

    Args:
        batch_size: Examples in one step.
        precision: float32, bfloat16 or float16.
        jit: on or off.
        examples_per_second: None if it failed.
        seconds_per_step: None if it failed.
        compile_seconds: Until the end of the first step.
        peak_bytes: Of the GPU's memory, or of the whole process on a CPU.
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
        """What `--set` has to say to select it."""
        return (f"training.precision={self.precision}", f"training.jit={self.jit}")


@dataclass(frozen=True)
class Bench:
    """The table.

    Args:
        device: Where it was measured.
        batch_size: The spec's own.
        candidates: In the order in which they were measured.
        winner: The fastest; None if all failed.
    """

    device: str
    batch_size: int
    candidates: tuple[Candidate, ...]
    winner: Candidate | None

    def selection(self) -> tuple[str, ...]:
        """What `--set` has to say to select the winner; the batch size only where it is another."""
        if self.winner is None:
            return ()
        other = self.winner.batch_size != self.batch_size
        return (*self.winner.overrides, *((f"training.batch_size={self.winner.batch_size}",) if other else ()))

    def plain(self) -> dict[str, Any]:
        """The table as JSON has it."""
        return {**asdict(self), "set": list(self.selection())}


def bench(
    config: str | Path,
    *,
    overrides: tuple[str, ...] = (),
    batch_sizes: Sequence[int] = (),
    listener: Listener = silent,
    trust_plugins: bool = False,
) -> Bench:
    """Measure every precision that the device has, with and without XLA, at each batch size.

    Args:
        config: The file.
        overrides: `key=value` each, as `--set` takes them.
        batch_sizes: Instead of the spec's own.
        listener: Told what is measured.
        trust_plugins: Whether to load the plugins of a run that was not made here, in whose folder the file lies.

    Raises:
        SpecError: The spec is wrong.
        DataError: The data is missing or wrong.
        UsageError: A batch size is none, or the spec says already what is to be compared.
    """
    training = read_spec(Path(config), overrides, trust_plugins=trust_plugins).spec.training
    for key in ("precision", "jit"):
        if any(override.startswith(f"training.{key}=") for override in overrides):
            raise UsageError(f"--set training.{key} is given, which bench compares", hint=f"leave training.{key} out")
    if bad := [size for size in batch_sizes if size < 1]:
        raise UsageError(f"a batch of {bad[0]} examples", expected="batch sizes of at least 1")
    device, candidates = "", list[Candidate]()
    for batch_size, precision, jit in product(batch_sizes or (training.batch_size,), _PRECISIONS, ("off", "on")):
        if precision == "float16" and not device.startswith("gpu"):
            continue
        candidate = Candidate(batch_size, precision, jit)
        listener(Note("measuring", f"batch {batch_size}, {precision}, jit {jit}"))
        chosen = (*overrides, *candidate.overrides, f"training.batch_size={batch_size}")
        found = _measured(Path(config), chosen, trust_plugins=trust_plugins)
        device = found.get("device", device)
        candidates.append(_filled(candidate, found))
    done = [candidate for candidate in candidates if candidate.examples_per_second]
    winner = max(done, key=lambda candidate: candidate.examples_per_second or 0, default=None)
    return Bench(device, training.batch_size, tuple(candidates), winner)


def _measured(config: Path, overrides: tuple[str, ...], *, trust_plugins: bool = False) -> dict[str, Any]:
    asked = json.dumps({"config": str(config), "overrides": overrides, "trust_plugins": trust_plugins})
    with answer_pipe() as answer:
        done = subprocess.run(  # noqa: S603  dlrun itself, without a shell
            python_command("-m", "dlrun.benchmark.measure", answer.argument),
            env=python_environment(),
            input=asked,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            pass_fds=answer.inherited,
        )
        said = answer.read()
    if done.returncode or not isinstance(said, dict):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return {"error": f"ended with exit code {done.returncode}: {last}"}
    if "data_error" in said:  # no other precision will find the data
        raise DataError(**said["data_error"])
    return said


def _filled(candidate: Candidate, found: dict[str, Any]) -> Candidate:
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
