"""How many runs go on at a time, and where: each GPU is a slot; on a CPU a few runs share all cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from dlrun.errors import UsageError
from dlrun.launch.workers import visible_gpus
from dlrun.runs.provenance.machine import usable_cores
from dlrun.spec.types import Spec

LARGEST_NUMBER = 256
_CORES_PER_RUN = 4
"""How many a batch of 32 examples keeps busy, at the most: one for each part of 8."""


@dataclass(frozen=True)
class Slot:
    """A place for one run at a time.

    Args:
        gpu: The one that the run sees, as CUDA_VISIBLE_DEVICES names it; None: it runs on the CPU.
    """

    gpu: str | None = None


class Slots:
    """The places of this machine that are free.

    A run sees every core, as it would alone: the number of threads decides bits of its result. So runs on a CPU share
    the cores by the system's scheduling, and not by a part of them for each.

    Args:
        gpus: One for each run at a time that takes a GPU.
        cpu: How many runs at a time take the CPU.
    """

    def __init__(self, gpus: Sequence[str], *, cpu: int) -> None:
        self._gpus, self._cpu = len(gpus), cpu
        self._free = {True: deque(map(Slot, gpus)), False: deque([Slot()] * cpu)}

    def take(self, spec: Spec) -> Slot | None:
        """A free slot for a run of this spec, or None; `give_back` returns it."""
        free = self._free[self._gpus > 0 and spec.training.device.partition(":")[0] != "cpu"]
        return free.popleft() if free else None

    def give_back(self, slot: Slot) -> None:
        """The run has ended."""
        self._free[slot.gpu is not None].append(slot)

    def __str__(self) -> str:
        """In words."""
        return f"{self._gpus} on GPUs" if self._gpus else f"{self._cpu} on the CPU"


def make_slots(specs: Sequence[Spec], *, jobs: int | None) -> Slots:
    """The slots of this machine.

    Args:
        specs: Of the runs.
        jobs: How many runs go on at a time; None: one on each GPU, or what `default_jobs` says on a CPU.

    Raises:
        UsageError: The number makes no sense.
    """
    if jobs is not None and not 1 <= jobs <= LARGEST_NUMBER:
        raise UsageError(f"--jobs is {jobs}", expected=f"1 to {LARGEST_NUMBER} runs at a time")
    gpus = visible_gpus() if any(spec.training.device in ("auto", "gpu") for spec in specs) else []
    shared = [gpus[index % len(gpus)] for index in range(jobs or len(gpus))] if gpus else []
    return Slots(shared, cpu=jobs or default_jobs(usable_cores()))


def default_jobs(cores: int) -> int:
    """How many runs share a CPU.

    Measured on two otherwise idle cores, six runs of configs/digits_cnn.yaml: 10.3 s one at a time, 6.6 s two, 6.3 s
    three. Building, tracing and saving use one core, and two runs that want both take turns. For more cores it is an
    estimate: a run keeps about four busy.
    """
    return min(cores, max(2, cores // _CORES_PER_RUN))
