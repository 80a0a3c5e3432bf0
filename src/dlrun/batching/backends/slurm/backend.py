"""Slurm as a place to train runs: check what the user asks for, and provide the crew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dlrun.batching.backends.backend import BackendRequest, Placement, Slot
from dlrun.batching.backends.slurm.client import check_commands, largest_array
from dlrun.batching.backends.slurm.crew import SlurmCrew
from dlrun.batching.backends.slurm.options import SbatchOptions, parse_options, time_limit_seconds
from dlrun.batching.backends.slurm.script import ArrayScript
from dlrun.batching.backends.slurm.tasks import TaskFolder
from dlrun.batching.state import RunWarned
from dlrun.errors import UsageError
from dlrun.spec.types import Spec

_TRIALS = 8
"""How many trials of a search are in the queue at a time: more would be proposed from too little."""


class QueueSlots:
    """The slots of a queue: any number, or a few.

    Args:
        most: How many runs may be submitted at a time; None for any number.
        text: What to tell the user.
    """

    def __init__(self, most: int | None, *, text: str) -> None:
        self._most = most
        self._taken = 0
        self._text = text

    @property
    def is_any_free(self) -> bool:
        """Whether there is a free slot."""
        return self._most is None or self._taken < self._most

    def fits(self, spec: Spec) -> bool:  # noqa: ARG002  Slurm finds a node for it, or says that there is none
        """Return whether there is a free slot."""
        return self.is_any_free

    def take(self, spec: Spec) -> Slot | None:  # noqa: ARG002
        """Take a free slot until `give_back`; None if there is none."""
        if not self.is_any_free:
            return None
        self._taken += 1
        return Slot()

    def give_back(self, slot: Slot) -> None:  # noqa: ARG002
        """Return a slot after its run has ended."""
        self._taken -= 1

    def __str__(self) -> str:
        """Return a description."""
        return self._text


@dataclass(frozen=True)
class SlurmBackend:
    """A queue that answers.

    Args:
        slots: How many runs may be in it.
        script: What is the same for all arrays.
        largest: How many tasks one array may have.
        request: What the backend was asked for.
    """

    slots: QueueSlots
    script: ArrayScript
    largest: int
    request: BackendRequest

    def __str__(self) -> str:
        """Return its name."""
        return str(self.request.placement)

    @contextmanager
    def crew(self) -> Iterator[SlurmCrew]:
        """Provide the crew; after the block no run of it is in the queue, unless it was left there."""
        listener = self.request.listener
        crew = SlurmCrew(
            self.script,
            largest=self.largest,
            runs_dir=str(self.request.runs_dir),
            warn=lambda text: listener(RunWarned(None, text)),
        )
        try:
            yield crew
        finally:
            crew.close()


def check_slurm(placement: Placement, *, jobs: int | None) -> None:
    """Check the options for Slurm, and that its commands are there.

    Args:
        placement: Where to train, and what each run needs.
        jobs: How many runs train at a time.

    Raises:
        UsageError: An option is wrong, or the commands are not installed.
    """
    check_options(placement, jobs=jobs)
    check_commands()


def check_options(placement: Placement, *, jobs: int | None) -> None:
    """Check the options for Slurm.

    Args:
        placement: Where to train, and what each run needs.
        jobs: How many runs train at a time.

    Raises:
        UsageError: An option is wrong.
    """
    sbatch_options(placement)
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs is {jobs}", expected="the number of runs that train at a time")


def sbatch_options(placement: Placement) -> SbatchOptions:
    """Return the options of sbatch that a placement asks for.

    Args:
        placement: Where to train, and what each run needs.

    Raises:
        UsageError: One of them is wrong.
    """
    given = parse_options(placement.slurm)
    time_limit_seconds(given)
    needs = (
        ("--gpus-per-run", placement.gpus_per_run, ("gres", "gpu:{}"), {"gpus", "gpus-per-node", "gpus-per-task"}),
        ("--cpus-per-run", placement.cpus_per_run, ("cpus-per-task", "{}"), {"cpus-per-gpu"}),
    )
    added = []
    for option, value, (key, text), others in needs:
        if not value:
            continue
        if value != int(value):
            raise UsageError(f"{option} is {value:g}, but Slurm gives whole ones", expected="a whole number")
        if clash := {key, *others} & dict(given).keys():
            raise UsageError(f"{option} and --slurm {min(clash)} ask for the same", expected="one of them")
        added.append((key, text.format(int(value))))
    return (*given, *added)


@contextmanager
def open_slurm(request: BackendRequest) -> Iterator[SlurmBackend]:
    """Provide a queue that answers.

    Raises:
        RunError: It does not answer, or the folder for runs cannot be written.
    """
    largest = largest_array()
    script = array_script(request)
    jobs = request.jobs
    if request.is_open:
        slots = QueueSlots(jobs or _TRIALS, text=f"{jobs or _TRIALS} in Slurm's queue")
    else:
        slots = QueueSlots(None, text="as many as Slurm starts" if jobs is None else f"at most {jobs} of Slurm's queue")
    yield SlurmBackend(slots, script, largest, request)


def array_script(request: BackendRequest) -> ArrayScript:
    """Return what is the same for all arrays, with the folder of the driver made.

    Args:
        request: What the backend has to know.

    Raises:
        RunError: The folder cannot be made.
    """
    folder = TaskFolder((request.folder / "slurm").absolute())
    token = folder.begin()
    # All runs of a batch are in the queue, so Slurm holds them back; of a search only as many are as there are slots.
    at_once = None if request.is_open else request.jobs
    return ArrayScript(folder, token, sbatch_options(request.placement), at_once, workdir=Path.cwd())
