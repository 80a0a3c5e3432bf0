"""Carry out a batch: which runs wait, train and have ended, and how to react to each message and signal."""

from __future__ import annotations

import shlex
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from dlrun.batching.claim import claimed
from dlrun.batching.crew import Crew
from dlrun.batching.grid import Combination
from dlrun.batching.known import complete, like, runs_of, same_files
from dlrun.batching.messages import Request
from dlrun.batching.plan import Planned
from dlrun.batching.record import BatchFile
from dlrun.batching.slots import Slot, Slots
from dlrun.batching.state import GOOD, BatchListener, BatchStarted, RunChanged, RunState, RunWarned, Stopping
from dlrun.errors import Interrupted, RunError
from dlrun.launch.workers import signal_name
from dlrun.runs import RUNS_DIR
from dlrun.runs.folder import RunFolder, now
from dlrun.training.stop import handled_signals


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
    """

    combinations: tuple[Combination, ...]
    runs_dir: Path = RUNS_DIR
    jobs: int | None = None
    retries: int = 0
    again: bool = False
    metric: str = ""
    trust_plugins: bool = False
    command: tuple[str, ...] = ()


_LOOK_SECONDS = 0.1
_HELD_SECONDS = 0.5
"""How often to check whether another batch has finished or given up a run."""


@dataclass(frozen=True)
class _Going:
    """A run that has a process: its slot, when it started, and its last message about its end."""

    slot: Slot
    began: float
    end: Mapping[str, Any] | None = None


class Work:
    """The runs of a batch.

    Args:
        wanted: The options of the batch.
        planned: Its runs.
        slots: The slots of this machine.
        listener: Receives every change.
    """

    def __init__(
        self, wanted: BatchOptions, planned: Sequence[Planned], *, slots: Slots, listener: BatchListener
    ) -> None:
        self.states = {each.number: RunState(each) for each in planned}
        self._wanted = wanted
        self._slots = slots
        self._listener = listener
        self._file = BatchFile(wanted.runs_dir, planned, command=wanted.command, again=wanted.again)
        self._skip_complete()
        self._queue = deque(number for number, state in self.states.items() if state.stage == "waiting")
        self._held: dict[int, float] = {}
        self._anew: set[int] = set()
        self._going: dict[int, _Going] = {}
        self._signal: int | None = None
        self._signals_sent = 0
        self._signals_heard = 0
        self._file.write(self.states, finished=False)
        listener(BatchStarted(tuple(self.states.values()), str(slots)))

    @property
    def is_over(self) -> bool:
        """Whether all runs have ended."""
        return not (self._going or ((self._queue or self._held) and self._signal is None))

    def go_on(self, crew: Crew) -> None:
        """Work until all runs have ended, or a signal has stopped those that had started.

        Args:
            crew: The process that forks the runs.

        Raises:
            RunError: TensorFlow cannot be imported, or the batch's record cannot be written.
        """
        with self._listening():
            while not self.is_over:
                self._pass_signals(crew)
                if self._signal is None:
                    self._look_at_held()
                    self._start_runs(crew)
                for message in crew.messages(seconds=_LOOK_SECONDS):
                    self._hear(message)

    def close(self) -> None:
        """Record how the batch has ended.

        Raises:
            Interrupted: A signal has stopped it.
        """
        self._file.write(self.states, finished=self._signal is None)
        if self._signal is not None:
            done = sum(state.stage in GOOD for state in self.states.values())
            message = f"stopped; {done} of {len(self.states)} runs are complete"
            command = shlex.join(self._wanted.command) or "the same batch"
            error = Interrupted(
                message, hint=f"{command} continues the batch; interrupted runs resume at their next step"
            )
            error.exit_code = 128 + self._signal
            raise error

    def _skip_complete(self) -> None:
        identities = [state.planned.identity for state in self.states.values()]
        known = complete(runs_of(identities, runs_dir=self._wanted.runs_dir, since=self._file.since))
        for number, state in self.states.items():
            identity = state.planned.identity
            found = same_files(like(known, identity), identity)
            if found is not None:
                self.states[number] = replace(state, stage="skipped", folder=found.folder.path)

    def _start_runs(self, crew: Crew) -> None:
        for number in list(self._queue):
            planned = self.states[number].planned
            slot = self._slots.take(planned.spec)
            if slot is None:
                continue  # the next run may need a slot of the other kind
            self._queue.remove(number)
            self._going[number] = _Going(slot, time.monotonic())
            crew.start(
                Request(
                    number,
                    str(planned.combination.config),
                    planned.combination.overrides,
                    str(self._wanted.runs_dir),
                    planned.identity.model_dump(),
                    self._file.since,
                    slot.gpu,
                    number in self._anew,
                    self._wanted.trust_plugins,
                )
            )

    def _hear(self, message: Mapping[str, Any]) -> None:
        number = message["number"]
        state, going = self.states[number], self._going[number]
        match message["event"]:
            case "run":
                self._going[number] = replace(going, began=time.monotonic())
                folder = self._wanted.runs_dir / message["folder"]
                begun = replace(state, stage="running", folder=folder, resumed=message["resumed"], reason="")
                self._change(begun, noteworthy=True)
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
                self._end(replace(state, seconds=time.monotonic() - going.began), going.end, code=message["code"])

    def _end(self, state: RunState, end: Mapping[str, Any] | None, *, code: int) -> None:
        """Record how a run has ended whose process is gone; `end` is the run's own message about it."""
        if end is not None and end["how"] == "held":
            self._held[state.planned.number] = time.monotonic() + _HELD_SECONDS
            if state.stage != "held":
                self._change(replace(state, stage="held", seconds=None), noteworthy=True)
            return
        if end is not None and end["how"] == "anew":
            self._anew.add(state.planned.number)
            self._queue.appendleft(state.planned.number)
            self._change(replace(state, stage="waiting", reason=end["reason"], seconds=None), noteworthy=True)
            return
        # The second signal is SIGKILL, after which a run cannot report its own end.
        if end is None and self._signals_sent > 1:
            end = {"how": "interrupted"}
        if end is None:
            reason = f"was killed by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
            end = {"how": "failed", "reason": reason}
            _record_failure(state.folder, reason)
        if "folder" in end:
            state = replace(state, folder=self._wanted.runs_dir / end["folder"])
        ended = replace(state, stage=end["how"], reason=end.get("reason", ""), seconds_left=None)
        ended = replace(ended, attempts=state.attempts + 1)
        if ended.stage == "failed" and self._signal is None and ended.attempts <= self._wanted.retries:
            self._queue.appendleft(state.planned.number)
        self._change(ended, noteworthy=True)
        self._file.write(self.states, finished=False)

    def _look_at_held(self) -> None:
        """Queue a run again that no other batch has a claim on any more."""
        for number, when in list(self._held.items()):
            if time.monotonic() < when:
                continue
            with claimed(self.states[number].planned.identity, runs_dir=self._wanted.runs_dir) as is_free:
                if is_free:
                    del self._held[number]
                    self._queue.append(number)
                else:
                    self._held[number] = time.monotonic() + _HELD_SECONDS

    def _change(self, state: RunState, *, noteworthy: bool = False) -> None:
        self.states[state.planned.number] = state
        self._listener(RunChanged(state, noteworthy=noteworthy))

    def _pass_signals(self, crew: Crew) -> None:
        """Pass on signals: the first one stops the runs with a checkpoint, the second one kills them."""
        while self._signals_sent < self._signals_heard and self._signal is not None:
            self._signals_sent += 1
            crew.signal(self._signal if self._signals_sent == 1 else signal.SIGKILL)
            if self._signals_sent == 1:
                self._listener(Stopping(len(self._going)))

    @contextmanager
    def _listening(self) -> Iterator[None]:
        def heard(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signal module passes it
            # The handler only counts: it can interrupt any line, such as one that is writing a request to the crew.
            self._signal = self._signal or number
            self._signals_heard += 1

        # Python allows handlers in the main thread only, and a batch may run in another.
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
