"""The interface of a place where runs are trained: its slots, and the crew that trains a run in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dlrun.batching.messages import Request
from dlrun.batching.state import BatchListener, unheard
from dlrun.runs import RUNS_DIR
from dlrun.spec.types import Spec


@dataclass(frozen=True)
class Placement:
    """Where the user wants the runs to be trained, and what each of them needs.

    Args:
        on: The backend, perhaps with an address: `local`, or `ray://head:10001`.
        gpus_per_run: GPUs for each run, also a part of one; None for the default of the backend.
        cpus_per_run: CPU cores for each run; None for the default of the backend.
        origin: The file that chose the backend; empty if the command line did, or nobody.
        slurm: Options of sbatch, as `--slurm` takes them.
    """

    on: str = "local"
    gpus_per_run: float | None = None
    cpus_per_run: float | None = None
    origin: str = ""
    slurm: tuple[str, ...] = ()

    @property
    def is_cluster(self) -> bool:
        """Whether it has several machines, between which a run may move."""
        return self.on != "local"

    def __str__(self) -> str:
        """Return the backend, and the reason if it was chosen by a file."""
        return f"{self.on} ({self.origin})" if self.origin else self.on


LOCAL = Placement()
"""This machine, as if nobody had said anything."""


@dataclass(frozen=True)
class BackendRequest:
    """What a backend has to know before the first run.

    Args:
        placement: Where to train, and what each run needs.
        specs: The specs of the runs; of a search, the one that its points change.
        configs: The config files, which the runs read again where they are trained.
        jobs: How many runs train at a time; None for what suits the backend.
        runs_dir: The folder for runs.
        since: When a run must have started to count as one of these, in seconds since 1970; 0: any time.
        listener: Receives warnings of the backend itself.
        folder: Where a backend may keep what it has to know later: the folder of the batch or the search.
        is_open: Whether what comes next depends on how runs end, as in a search; otherwise all are ordered at once.
    """

    placement: Placement
    specs: Sequence[Spec]
    configs: Sequence[Path] = ()
    jobs: int | None = None
    runs_dir: Path = RUNS_DIR
    since: float = 0.0
    listener: BatchListener = unheard
    folder: Path = Path()
    is_open: bool = False


ANY_GPU = "any"
"""The GPU of a slot whose run may use a GPU that a cluster chooses."""


@dataclass(frozen=True)
class Slot:
    """A place for one run at a time.

    Args:
        gpu: The GPU that the run may see, as in CUDA_VISIBLE_DEVICES; None for the CPU; `ANY_GPU` to leave that to the
            cluster.
    """

    gpu: str | None = None


class Slots(Protocol):
    """The slots of a backend; their number may change while runs train. `str` describes them."""

    @property
    def is_any_free(self) -> bool:
        """Whether there is a free slot of any kind."""

    def fits(self, spec: Spec) -> bool:
        """Return whether there is a free slot for a run with this spec."""

    def take(self, spec: Spec) -> Slot | None:
        """Take a free slot for a run with this spec, until `give_back`; None if there is none."""

    def give_back(self, slot: Slot) -> None:
        """Return a slot after its run has ended."""


class Crew(Protocol):
    """Trains runs somewhere, each in a process of its own, and reports how they go.

    A run that was started sends `run` once it has a folder, `progress` and `warning` while it trains, and `ended` with
    how it ended. Last, and always, comes `gone` with the exit code of its process; see `batching/job.py`. A crew whose
    machines may be lost sends `ended` with `how` set to `lost` for a run that was on such a machine: it is then started
    again, and resumes from its last checkpoint.
    """

    def start(self, request: Request) -> None:
        """Request a run; its progress and its end arrive as messages."""

    def signal(self, number: int) -> None:
        """Send a signal to every run that was started and is not gone.

        SIGINT asks them to stop with a checkpoint, and SIGKILL ends them. SIGTERM and SIGHUP come when this machine
        shuts down or its user leaves: runs that need neither may go on, and count as interrupted.
        """

    def messages(self, *, seconds: float) -> list[dict[str, Any]]:
        """Return the messages that arrive within some time.

        Args:
            seconds: How long to wait for a message.

        Raises:
            RunError: The runs can no longer be heard of.
        """


class Backend(Protocol):
    """A place where runs are trained, which was checked and is ready. `str` describes it in one line."""

    @property
    def slots(self) -> Slots:
        """Where runs can be trained at the same time."""

    def crew(self) -> AbstractContextManager[Crew]:
        """Start what trains the runs; after the block none of them is alive."""
