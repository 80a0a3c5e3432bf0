"""Train the runs of a batch, each in a process of its own, with as many at a time as there are slots."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlrun.batching.backends.backend import LOCAL, BackendRequest, Placement
from dlrun.batching.backends.choose import check_placement, open_backend
from dlrun.batching.engine import Engine, EngineOptions, Order
from dlrun.batching.folds.write import write_complete_folds
from dlrun.batching.grid import Combination
from dlrun.batching.known import complete, like, runs_of, same_files
from dlrun.batching.plan import Planned, check_metric, plan_batch
from dlrun.batching.record import BatchFile
from dlrun.batching.state import GOOD, BatchEvent, BatchListener, BatchStarted, RunChanged, RunState, unheard
from dlrun.batching.table import BatchTable, make_table
from dlrun.errors import Interrupted, UsageError
from dlrun.experiment.resume import lacks_scores
from dlrun.runs import RUNS_DIR
from dlrun.spec.types import Spec
from dlrun.training.devices.cluster import read_cluster


@dataclass(frozen=True)
class BatchOptions:
    """The options of a batch.

    Args:
        combinations: Its runs.
        runs_dir: The folder for runs.
        jobs: How many runs train at a time; None for what suits the machine.
        retries: How often to try a failed run again.
        again: Whether to train runs again that are complete already.
        metric: The score to sort the table by, perhaps with a sign; empty for the score that the runs monitored.
        trust_plugins: Whether to load the plugins in the folders of runs made elsewhere, if configs are there.
        command: The command line, which continues a stopped batch.
        placement: Where the runs are trained.
    """

    combinations: tuple[Combination, ...]
    runs_dir: Path = RUNS_DIR
    jobs: int | None = None
    retries: int = 0
    again: bool = False
    metric: str = ""
    trust_plugins: bool = False
    command: tuple[str, ...] = ()
    placement: Placement = LOCAL


def run_batch(wanted: BatchOptions, *, listener: BatchListener = unheard) -> BatchTable:
    """Train every combination that is not complete already, even if others fail.

    Args:
        wanted: The runs, and how to train them.
        listener: Receives every change.

    Returns:
        The table of all runs with their scores, or the reason why a run failed.

    Raises:
        SpecError: A config is wrong; nothing was trained.
        UsageError: The command line is wrong; nothing was trained.
        RunError: The folder for runs is not writable, or TensorFlow cannot be imported; a cluster cannot be used.
        Interrupted: The user stopped the batch; each run has a checkpoint to resume from.
    """
    refuse_workers("batch")
    check_placement(wanted.placement, jobs=wanted.jobs)
    planned = plan_batch(wanted.combinations, trust_plugins=wanted.trust_plugins)
    specs = [each.spec for each in planned]
    if wanted.metric:
        check_metric(wanted.metric, specs)
    batch = BatchSource(wanted, planned, listener=listener)
    batch.close(signal=_train(batch, wanted, planned, listener=listener))
    states = tuple(batch.states.values())
    folds = write_complete_folds(states, runs_dir=wanted.runs_dir)
    return make_table(states, metric=wanted.metric, folds=folds)


def _train(
    batch: BatchSource, wanted: BatchOptions, planned: Sequence[Planned], *, listener: BatchListener
) -> int | None:
    """Train the runs that are not complete; return the signal that has stopped them, None if none has."""
    total = len(planned)
    if batch.is_over:  # a cluster may be gone by now, and is not needed
        listener(BatchStarted(tuple(batch.states.values()), total=total))
        return None
    configs = tuple(dict.fromkeys(each.combination.config for each in planned))
    specs = [each.spec for each in planned]
    request = BackendRequest(
        wanted.placement,
        specs,
        configs,
        wanted.jobs,
        wanted.runs_dir,
        since=batch.since,
        listener=listener,
        folder=batch.folder,
    )
    options = EngineOptions(wanted.runs_dir, wanted.retries, batch.since, wanted.trust_plugins)
    with open_backend(request) as backend:
        engine = Engine(batch, options, slots=backend.slots, listener=batch.hear)
        listener(BatchStarted(tuple(batch.states.values()), str(backend.slots), str(backend), total=total))
        with backend.crew() as crew:
            engine.go_on(crew)
    return engine.signal


def refuse_workers(what: str) -> None:
    """Raise an error in a process that is one of several that train together, because each run trains in one.

    Args:
        what: What trains several runs, for the message: `batch` or `search`.

    Raises:
        UsageError: The environment names several workers.
    """
    if read_cluster().workers > 1:
        message = f"the environment names several workers, but each run of a {what} trains in one process"
        raise UsageError(message, hint="unset TF_CONFIG, or start the command in a single task of srun")


class BatchSource:
    """Orders the runs of a batch, in the order of the command line, and records how far it has come.

    Args:
        wanted: The options of the batch.
        planned: Its runs.
        listener: Receives every change.
    """

    def __init__(self, wanted: BatchOptions, planned: Sequence[Planned], *, listener: BatchListener) -> None:
        self.states = {each.number: RunState(each) for each in planned}
        """The states of all runs by number."""
        self._wanted = wanted
        self._listener = listener
        self._file = BatchFile(
            wanted.runs_dir, planned, command=wanted.command, again=wanted.again, engine=str(wanted.placement)
        )
        self._skip_complete()
        self._queue = deque(number for number, state in self.states.items() if state.stage == "waiting")
        self._file.write(self.states, finished=False)

    @property
    def since(self) -> float:
        """When a run must have started to count as one of this batch, in seconds since 1970."""
        return self._file.since

    @property
    def folder(self) -> Path:
        """The folder for what belongs to the batch besides its record."""
        return self._file.path.with_suffix("")

    @property
    def is_over(self) -> bool:
        """Whether every run was ordered."""
        return not self._queue

    def next_order(self, fits: Callable[[Spec], bool]) -> Order | None:
        """Return the first run of the queue that fits; see `RunSource`."""
        number = next((each for each in self._queue if fits(self.states[each].planned.spec)), None)
        if number is None:
            return None
        self._queue.remove(number)
        return Order(self.states[number].planned)

    def ended(self, state: RunState) -> None:
        """Record how a run has ended.

        Raises:
            RunError: The record cannot be written.
        """
        self.states[state.planned.number] = state
        self._file.update(self.states)

    def hear(self, event: BatchEvent) -> None:
        """Keep the states up to date, and pass the event on."""
        if isinstance(event, RunChanged):
            self.states[event.state.planned.number] = event.state
        self._listener(event)

    def close(self, *, signal: int | None) -> None:
        """Record how the batch has ended.

        Args:
            signal: The signal that has stopped it; None if none has.

        Raises:
            Interrupted: A signal has stopped it.
        """
        self._file.write(self.states, finished=signal is None)
        if signal is not None:
            done = sum(state.stage in GOOD for state in self.states.values())
            message = f"stopped; {done} of {len(self.states)} runs are complete"
            command = shlex.join(self._wanted.command) or "the same batch"
            hint = f"{command} continues the batch; interrupted runs resume at their next step"
            error = Interrupted(message, hint=hint)
            error.exit_code = 128 + signal
            raise error

    def _skip_complete(self) -> None:
        identities = [state.planned.identity for state in self.states.values()]
        runs = runs_of(identities, runs_dir=self._wanted.runs_dir, since=self._file.since)
        known = complete(runs, moved=self._wanted.placement.is_cluster)
        for number, state in self.states.items():
            identity = state.planned.identity
            found = same_files(like(known, identity), identity)
            # A run that a search has trained may lack its test scores: a process of its own adds them.
            if found is not None and not lacks_scores(found.record):
                self.states[number] = replace(state, stage="skipped", folder=found.folder.path)
