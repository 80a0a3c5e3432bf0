"""Train the runs that a source orders, as many at a time as there are slots, and react to each message and signal.

A batch and a search are sources: each decides which run comes next and hears how it has ended. The engine does what
they have in common. It asks for an order whenever a slot is free, has the run trained by a crew, tries failed runs
again, waits for runs that another process has claimed, passes on signals, and stops everything when its time is up. It
forgets a run once it has ended, so that thousands of them need no more memory than a few.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from dlrun.batching.backends.backend import Crew, Slot, Slots
from dlrun.batching.claim import claimed
from dlrun.batching.messages import Request
from dlrun.batching.plan import Planned
from dlrun.batching.state import BatchListener, RunChanged, RunState, RunWarned, Stopping
from dlrun.errors import RunError
from dlrun.experiment.trial import Trial
from dlrun.launch.workers import signal_name
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder, now
from dlrun.spec.types import Spec
from dlrun.training.stop import handled_signals

_LOOK_SECONDS = 0.1
_MOST_LOSSES = 5
"""A run that loses more machines has failed: it may be what brings them down."""
_HELD_SECONDS = 0.5
"""How often to check whether another process has finished or given up a run."""


@dataclass(frozen=True)
class Order:
    """A run to train now.

    Args:
        planned: The run. Its number distinguishes it from all others that are not yet over.
        trial: Its role as a trial of a search; None for a run of a batch.
    """

    planned: Planned
    trial: Trial | None = None


class RunSource(Protocol):
    """Decides which runs an engine trains."""

    def next_order(self, fits: Callable[[Spec], bool]) -> Order | None:
        """Return the run to train next; None if there is none now.

        Args:
            fits: Returns whether a slot is free for a run with a spec. The run of the order must fit.
        """

    def ended(self, state: RunState) -> None:
        """Take note of how a run has ended; called exactly once for each order.

        Args:
            state: Its state, with the stage `completed`, `skipped`, `paused`, `failed` or `interrupted`.
        """

    @property
    def is_over(self) -> bool:
        """Whether there will be no more orders, whatever happens."""


@dataclass(frozen=True)
class EngineOptions:
    """How an engine trains runs.

    Args:
        runs_dir: The folder for runs.
        retries: How often to try a failed run again.
        since: When a run must have started to be reused for an order, in seconds since 1970.
        trust_plugins: Whether to load the plugins in the folders of runs made elsewhere, if configs are there.
    """

    runs_dir: Path = RUNS_DIR
    retries: int = 0
    since: float = 0.0
    trust_plugins: bool = False

    def request(self, order: Order, *, gpu: str | None = None, anew: bool = False) -> Request:
        """Return the request for an order.

        Args:
            order: The order.
            gpu: The GPU that the run may see; None for what its process sees.
            anew: Whether to train it from the start although there is an interrupted run.
        """
        return Request(
            number=order.planned.number,
            config=str(order.planned.combination.config),
            overrides=order.planned.combination.overrides,
            runs_dir=str(self.runs_dir),
            identity=order.planned.identity.model_dump(),
            since=self.since,
            gpu=gpu,
            anew=anew,
            trust_plugins=self.trust_plugins,
            trial=order.trial,
        )


@dataclass(frozen=True)
class _Going:
    """A run that has a process: its slot, when it started, and its last message about its end."""

    slot: Slot
    began: float
    end: Mapping[str, Any] | None = None


class Engine:
    """Trains the runs of a source.

    Args:
        source: Orders the runs.
        options: How to train them.
        slots: Where runs can be trained at the same time.
        listener: Receives every change.
        clock: Returns the time in seconds, as `stop_at` takes it.
    """

    def __init__(
        self,
        source: RunSource,
        options: EngineOptions,
        *,
        slots: Slots,
        listener: BatchListener,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.signal: int | None = None
        """The signal that has stopped the runs; None if none has."""
        self._source = source
        self._options = options
        self._slots = slots
        self._listener = listener
        self._clock = clock
        self._orders: dict[int, Order] = {}
        self._states: dict[int, RunState] = {}
        self._queue: deque[int] = deque()  # ordered before, and to be started again
        self._held: dict[int, float] = {}
        self._anew: set[int] = set()
        self._going: dict[int, _Going] = {}
        self._deadline = math.inf
        self._stops = False
        self._signals_passed = 0
        self._signals_heard = 0

    @property
    def is_over(self) -> bool:
        """Whether no run has a process, and none will get one."""
        has_more = bool(self._queue or self._held) or not self._source.is_over
        return not self._going and (self._is_stopping or not has_more)

    @property
    def is_late(self) -> bool:
        """Whether the time of `stop_at` has come."""
        return self._clock() >= self._deadline

    def stop_at(self, moment: float) -> None:
        """Stop all runs at some time as a signal does: each ends at its next step, with a checkpoint.

        Args:
            moment: The time by the clock of the engine, which is `time.monotonic` unless a test has another.
        """
        self._deadline = moment

    def go_on(self, crew: Crew) -> None:
        """Work until all runs have ended, or until they were stopped.

        Args:
            crew: Trains the runs.

        Raises:
            RunError: The runs can no longer be heard of, or the source cannot record how a run has ended.
        """
        with self._listening():
            while not self.is_over:
                self._stop_if_asked(crew)
                if not self._is_stopping:
                    self._look_at_held()
                    self._start_runs(crew)
                for message in crew.messages(seconds=_LOOK_SECONDS):
                    self._hear(message)
        self._drop_unstarted()

    @property
    def _is_stopping(self) -> bool:
        return self._stops or self.signal is not None or self.is_late

    def _start_runs(self, crew: Crew) -> None:
        for number in list(self._queue):
            # The next run may need a slot of the other kind.
            if (slot := self._slots.take(self._orders[number].planned.spec)) is not None:
                self._queue.remove(number)
                self._start(number, slot, crew)
        while self._slots.is_any_free and (order := self._source.next_order(self._slots.fits)) is not None:
            number = order.planned.number
            if number in self._orders:
                raise ValueError(f"run {number} is ordered again before it has ended")
            if (slot := self._slots.take(order.planned.spec)) is None:
                raise ValueError(f"run {number} is ordered without a free slot")
            self._orders[number], self._states[number] = order, RunState(order.planned)
            self._start(number, slot, crew)

    def _start(self, number: int, slot: Slot, crew: Crew) -> None:
        self._going[number] = _Going(slot, self._clock())
        crew.start(self._options.request(self._orders[number], gpu=slot.gpu, anew=number in self._anew))

    def _hear(self, message: Mapping[str, Any]) -> None:
        number = message["number"]
        state, going = self._states[number], self._going[number]
        match message["event"]:
            case "run":
                self._going[number] = replace(going, began=self._clock())
                folder = self._options.runs_dir / message["folder"]
                begun = replace(state, stage="running", folder=folder, resumed=message["resumed"], reason="")
                self._change(begun, noteworthy=True)
            case "waiting":
                self._change(replace(state, stage="waiting", reason=message["reason"], seconds_left=None))
            case "progress":
                shown = {key: value for key, value in message.items() if key not in ("number", "event")}
                self._change(replace(state, **shown))
            case "warning":
                self._listener(RunWarned(state, message["text"]))
            case "ended":
                self._going[number] = replace(going, end=message)
            case "gone":
                self._slots.give_back(going.slot)
                del self._going[number]
                self._gone(replace(state, seconds=self._clock() - going.began), going.end, code=message["code"])

    def _gone(self, state: RunState, end: Mapping[str, Any] | None, *, code: int) -> None:
        """Decide what follows for a run whose process is gone; `end` is the run's own message about its end."""
        number = state.planned.number
        if end is not None and end["how"] == "held":
            self._held[number] = self._clock() + _HELD_SECONDS
            if state.stage != "held":
                self._change(replace(state, stage="held", seconds=None), noteworthy=True)
            return
        if end is not None and end["how"] in ("anew", "lost"):
            self._again(state, end)
            return
        # The second signal is SIGKILL, after which a run cannot report its own end.
        if end is None and self._signals_passed > 1:
            end = {"how": "interrupted"}
        if end is None:
            reason = f"was killed by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
            end = {"how": "failed", "reason": reason}
            _record_failure(state.folder, reason)
        if "folder" in end:
            state = replace(state, folder=self._options.runs_dir / end["folder"])
        ended = replace(state, stage=end["how"], reason=end.get("reason", ""), seconds_left=None)
        ended = replace(ended, attempts=state.attempts + 1)
        self._change(ended, noteworthy=True)
        if ended.stage == "failed" and ended.attempts <= self._options.retries:
            self._queue.appendleft(number)
        else:
            self._report(ended)

    def _again(self, state: RunState, end: Mapping[str, Any]) -> None:
        """Queue a run once more that has not failed: it cannot be resumed, or its machine was lost."""
        number, losses = state.planned.number, state.losses
        if end["how"] == "anew":
            self._anew.add(number)
        else:
            losses += 1
        if losses > _MOST_LOSSES:
            reason = f"it lost {losses} machines, the last one because {end['reason']}"
            failed = replace(state, stage="failed", reason=reason, losses=losses, seconds_left=None)
            self._change(failed, noteworthy=True)
            self._report(failed)
            return
        self._queue.appendleft(number)
        waiting = replace(state, stage="waiting", reason=end["reason"], losses=losses, seconds=None, seconds_left=None)
        self._change(waiting, noteworthy=True)

    def _report(self, state: RunState) -> None:
        """Hand a run over to the source, and forget it."""
        number = state.planned.number
        del self._orders[number], self._states[number]
        self._anew.discard(number)
        self._source.ended(state)

    def _drop_unstarted(self) -> None:
        """Report the runs that were ordered and now will not be started any more."""
        for number in (*self._queue, *self._held):
            state = self._states[number]
            self._report(state if state.stage == "failed" else replace(state, stage="interrupted"))
        self._queue.clear()
        self._held.clear()

    def _look_at_held(self) -> None:
        """Queue a run again that no other process has a claim on any more."""
        for number, when in list(self._held.items()):
            if self._clock() < when:
                continue
            with claimed(self._orders[number].planned.identity, runs_dir=self._options.runs_dir) as is_free:
                if is_free:
                    del self._held[number]
                    self._queue.append(number)
                else:
                    self._held[number] = self._clock() + _HELD_SECONDS

    def _change(self, state: RunState, *, noteworthy: bool = False) -> None:
        self._states[state.planned.number] = state
        self._listener(RunChanged(state, noteworthy=noteworthy))

    def _stop_if_asked(self, crew: Crew) -> None:
        """Stop the runs at the deadline or after a signal, with a checkpoint; a second signal kills them."""
        if self.is_late and not self._stops:
            self._stop(crew, signal.SIGINT)
        while self._signals_passed < self._signals_heard and self.signal is not None:
            self._signals_passed += 1
            if self._signals_passed > 1:
                crew.signal(signal.SIGKILL)
            elif not self._stops:
                self._stop(crew, self.signal)

    def _stop(self, crew: Crew, number: int) -> None:
        self._stops = True
        crew.signal(number)
        self._listener(Stopping(len(self._going), is_late=self.signal is None))

    @contextmanager
    def _listening(self) -> Iterator[None]:
        def heard(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signal module passes it
            # The handler only counts: it can interrupt any line, such as one that is writing a request to the crew.
            self.signal = self.signal or number
            self._signals_heard += 1

        # Python allows handlers in the main thread only, and an engine may work in another.
        can_listen = threading.current_thread() is threading.main_thread()
        before = {number: signal.signal(number, heard) for number in (handled_signals() if can_listen else ())}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _record_failure(folder: Path | None, reason: str) -> None:
    """Record in run.json how a run failed whose process could not do so itself."""
    if folder is not None:
        with suppress(RunError):
            run = RunFolder.open(folder)
            with run.lock():
                run.update_record(status="failed", reason=reason, finished=now())
