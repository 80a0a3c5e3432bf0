"""Decide how many runs train at a time, and where: one per GPU, or a few that share all cores of the CPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from dlrun.batching.backends.backend import Slot
from dlrun.errors import UsageError
from dlrun.runs.provenance.machine import usable_cores
from dlrun.spec.types import Spec
from dlrun.training.devices.gpus import visible_gpus

LARGEST_NUMBER = 256
_CORES_PER_RUN = 4
"""The number of cores that a batch of 32 examples keeps busy at most: one for each part of 8 examples."""


class LocalSlots:
    """The free slots of this machine.

    Each run sees all cores, as it would alone, because the number of threads affects the bits of its result. So runs on
    the CPU share the cores through the operating system's scheduler, instead of getting some cores each.

    Args:
        gpus: The GPU of each run that may use a GPU at the same time.
        cpu: The number of runs that may use the CPU at the same time.
    """

    def __init__(self, gpus: Sequence[str], *, cpu: int) -> None:
        self._gpus, self._cpu = len(gpus), cpu
        self._free = {True: deque(map(Slot, gpus)), False: deque([Slot()] * cpu)}

    @property
    def is_any_free(self) -> bool:
        """Whether there is a free slot of either kind."""
        return any(self._free.values()) if self._gpus else bool(self._free[False])

    def fits(self, spec: Spec) -> bool:
        """Return whether there is a free slot for a run with this spec."""
        return bool(self._free_for(spec))

    def take(self, spec: Spec) -> Slot | None:
        """Take a free slot for a run with this spec, until `give_back`; None if there is none."""
        free = self._free_for(spec)
        return free.popleft() if free else None

    def _free_for(self, spec: Spec) -> deque[Slot]:
        return self._free[self._gpus > 0 and spec.training.device.partition(":")[0] != "cpu"]

    def give_back(self, slot: Slot) -> None:
        """Return a slot after its run has ended."""
        self._free[slot.gpu is not None].append(slot)

    def __str__(self) -> str:
        """Return a description."""
        return f"{self._gpus} on GPUs" if self._gpus else f"{self._cpu} on the CPU"


def make_slots(specs: Sequence[Spec], *, jobs: int | None) -> LocalSlots:
    """Return the slots of this machine.

    Args:
        specs: The specs of the runs.
        jobs: How many runs train at a time; None for one per GPU, or `default_jobs` on a CPU.

    Raises:
        UsageError: The number is out of range.
    """
    check_jobs(jobs)
    gpus = visible_gpus() if any(spec.training.device in ("auto", "gpu") for spec in specs) else []
    # With more jobs than GPUs, the jobs are spread evenly over the GPUs.
    shared = [gpus[index % len(gpus)] for index in range(jobs or len(gpus))] if gpus else []
    return LocalSlots(shared, cpu=jobs or default_jobs(usable_cores()))


def check_jobs(jobs: int | None) -> None:
    """Check how many runs train at a time on this machine.

    Args:
        jobs: The number; None for the default.

    Raises:
        UsageError: The number is out of range.
    """
    if jobs is not None and not 1 <= jobs <= LARGEST_NUMBER:
        raise UsageError(f"--jobs is {jobs}", expected=f"1 to {LARGEST_NUMBER} runs at a time")


def default_jobs(cores: int) -> int:
    """Return how many runs should share a CPU.

    Measured on two idle cores, six runs of configs/digits_cnn.yaml took 10.3 s one at a time, 6.6 s two at a time, and
    6.3 s three at a time. Building, tracing and saving use one core, which two runs do alternately. The value for more
    cores is an estimate: a run keeps about four of them busy.

    Args:
        cores: The number of usable cores.
    """
    return min(cores, max(2, cores // _CORES_PER_RUN))
