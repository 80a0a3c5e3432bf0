"""Train runs as tasks of job arrays, and follow them through the queue and through what they report."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from dlrun.batching.backends.slurm.client import Call, QueuedTask
from dlrun.batching.backends.slurm.earlier import EarlierTasks
from dlrun.batching.backends.slurm.ends import Accounting, explain_end, never_began
from dlrun.batching.backends.slurm.queue import QueueWatch, Snapshot
from dlrun.batching.backends.slurm.script import UNSEEN, ArrayScript
from dlrun.batching.backends.slurm.submit import Submission, Submitter
from dlrun.batching.backends.slurm.tasks import MessageTail, TaskFolder, TaskPlace
from dlrun.batching.messages import Request
from dlrun.errors import RunError

_READ_SECONDS = 1.0
"""How often to read what the tasks report; less often if there are many."""
_READ_SECONDS_PER_TASK = 0.005
_LATE_SECONDS = 15.0
"""How long the last message of a task may take to become visible: NFS shows new files to others some seconds later."""
_MOST_IDS = 500
"""How many tasks one command names."""
_STUCK = {
    "BadConstraints", "DependencyNeverSatisfied", "InvalidAccount", "InvalidQOS", "JobHeldAdmin", "JobHeldUser",
    "launch failed requeued held", "PartitionDown", "PartitionInactive", "PartitionNodeLimit", "PartitionTimeLimit",
    "ReqNodeNotAvail",
}  # fmt: skip
"""Reasons for which a task may wait for ever."""


@dataclass
class _FollowedTask:
    """A task that the engine waits for.

    Args:
        request: What it trains.
        place: Where it is.
        since: Only what the queue says later counts.
        tail: Follows what it reports.
        ended: The message of its run about its end.
        left: The message of its process as it exited.
        gone_at: When it was first seen not to be in the queue; None while it is.
        id: Its id for Slurm's commands, once that is known.
        queued: What Slurm says of it; None if that has forgotten it.
        asked_to_stop: The attempt that was asked to stop, from 0; -1 if none was.
        is_waiting_again: Whether it was requeued, and has not begun since.
    """

    request: Request
    place: TaskPlace
    since: float
    tail: MessageTail
    ended: dict[str, Any] | None = None
    left: dict[str, Any] | None = None
    gone_at: float | None = None
    id: str = ""
    queued: QueuedTask | None = None
    asked_to_stop: int = -1
    is_waiting_again: bool = False


class SlurmCrew:
    """The tasks of one driver.

    Args:
        script: What is the same for all of its arrays.
        largest: How many tasks one array may have.
        runs_dir: The folder for runs, as the user gave it.
        warn: Tells the user something.
        clock: Returns the time in seconds.
        pause: Waits for some seconds.
    """

    def __init__(
        self,
        script: ArrayScript,
        *,
        largest: int,
        runs_dir: str,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._script = script
        self._folder: TaskFolder = script.folder
        self._runs_dir = runs_dir
        self._warn = warn
        self._clock = clock
        self._pause = pause
        self._watch = QueueWatch(script.job_name, warn=warn, clock=clock)
        self._submitter = Submitter(script, largest=largest, warn=warn, clock=clock)
        self._earlier = EarlierTasks(script.folder)
        self._accounting = Accounting()
        self._new: list[Request] = []
        self._tasks: dict[TaskPlace, _FollowedTask] = {}
        self._found: list[dict[str, Any]] = []
        self._read_at = clock()
        self._signals = 0
        self._is_leaving = False
        self._is_heard = False
        self._calls: list[Call] = []
        self._cancelling: Call | None = None

    def start(self, request: Request) -> None:
        """Request a run; its progress and its end arrive as messages."""
        # Slurm chooses the node, and another one when a task comes back.
        self._new.append(replace(request, moves=True))

    def signal(self, number: int) -> None:
        """Stop the runs, with a checkpoint; after SIGHUP or SIGTERM leave them to the queue; after SIGKILL end them.

        What is not submitted yet is dropped.
        """
        if number in (signal.SIGHUP, signal.SIGTERM):
            self._is_leaving = True
            if self._tasks:
                name = self._script.job_name
                self._warn(
                    f"the jobs stay in Slurm's queue: the same command follows them, scancel --name={name} ends them"
                )
            for task in self._tasks.values():
                self._interrupted(task.request.number, "its job goes on in the queue")
            self._tasks.clear()
        elif number == signal.SIGKILL:
            self._cancelling = self._cancel_all()
        self._signals += 1
        self._drop_waiting()
        self._watch.hurry()

    def messages(self, *, seconds: float) -> list[dict[str, Any]]:
        """Return the messages that arrive within some time.

        Raises:
            RunError: Slurm refuses the runs, or no node sees the folder for runs.
        """
        snapshot = self._watch.look(hurried=self._signals > 0)
        self._place_new(snapshot)
        submission = self._submitter.advance(snapshot, has_jobs=bool(self._tasks))
        if submission is not None:
            self._take_over(submission)
        if snapshot is not None:
            self._compare(snapshot)
        if self._clock() >= self._read_at:
            self._read()
            often = _READ_SECONDS_PER_TASK * len(self._tasks)
            self._read_at = self._clock() + max(_READ_SECONDS, often)
        self._give_up_if_unanswered()
        found, self._found = self._found, []
        if not found:
            self._pause(seconds)
        return found

    def close(self) -> None:
        """End the tasks, unless they were left to the queue."""
        if self._is_leaving or not (self._tasks or self._submitter.is_busy):
            return
        self._cancel_all().wait()

    def _place_new(self, snapshot: Snapshot | None) -> None:
        """Take up what an earlier driver has submitted, and submit the rest."""
        if self._signals:
            self._drop_waiting()
            return
        if not self._new or (self._earlier and not self._earlier.is_compared and snapshot is None):
            return
        if snapshot is not None:
            self._earlier.compare(snapshot)
        for request in self._new:
            place = None if request.anew else self._earlier.take(request)
            if place is None:
                self._submitter.waiting.append(request)
            else:
                self._follow(request, place, since=-1.0)
        self._new.clear()

    def _drop_waiting(self) -> None:
        """Forget what is not submitted; what is just being submitted only if the user does not wait for it."""
        dropped = self._submitter.drop() if self._is_leaving else [*self._submitter.waiting]
        self._submitter.waiting.clear()
        for request in (*self._new, *dropped):
            self._interrupted(request.number, "")
        self._new.clear()

    def _take_over(self, submission: Submission) -> None:
        for index, request in enumerate(submission.requests):
            self._follow(request, TaskPlace(submission.array, index), since=self._clock())
        self._watch.hurry()

    def _follow(self, request: Request, place: TaskPlace, *, since: float) -> None:
        self._tasks[place] = _FollowedTask(request, place, since, MessageTail(self._folder, place))

    def _compare(self, snapshot: Snapshot) -> None:
        """Take note of which tasks are in the queue, and stop those that are if the user wants it."""
        for task in self._tasks.values():
            if snapshot.asked <= task.since:
                continue
            live = snapshot.live(task.place)
            task.queued = snapshot.tasks.get(task.place)
            if live is None:
                if task.queued is None and task.tail.restart < 0:
                    task.queued = snapshot.cancelled.get(task.place.array)
                task.gone_at = self._clock() if task.gone_at is None else task.gone_at
                continue
            task.gone_at, task.id = None, live.id
            is_requeued = live.state == "PENDING" and live.restarts > task.tail.restart >= 0
            if is_requeued and not task.is_waiting_again:
                task.is_waiting_again = True
                self._tell(task, "waiting", reason="requeued by Slurm")
            reason = live.reason.strip("()")
            if reason in _STUCK:
                self._warn(f"job {live.id} waits in Slurm's queue: {reason}")
        if self._signals:
            self._stop(snapshot)

    def _stop(self, snapshot: Snapshot) -> None:
        """Cancel what waits in the queue, and ask what runs to write a checkpoint; each attempt is asked once."""
        waiting, running = [], []
        for task in self._tasks.values():
            live = snapshot.live(task.place)
            if live is not None and live.state == "PENDING":
                waiting.append(live.id)
            elif live is not None and live.state == "RUNNING" and live.restarts > task.asked_to_stop:
                task.asked_to_stop = live.restarts
                running.append(live.id)
        self._calls = [call for call in self._calls if call.reply() is None]
        for ids, command in ((waiting, ("--state=PENDING",)), (running, ("--batch", "--signal=TERM"))):
            for start in range(0, len(ids), _MOST_IDS):
                self._calls.append(Call("scancel", *command, *ids[start : start + _MOST_IDS]))

    def _cancel_all(self) -> Call:
        return Call("scancel", "--me", f"--name={self._script.job_name}")

    def _give_up_if_unanswered(self) -> None:
        """Leave the tasks to the queue if the user wants them to end at once, and the controller does not answer."""
        reply = self._cancelling.reply() if self._cancelling is not None else None
        if reply is None:
            return
        self._cancelling = None
        if not reply.is_good:
            self._warn(f"the jobs may go on: {reply.reason}; scancel --name={self._script.job_name} ends them")
            self.signal(signal.SIGTERM)

    def _read(self) -> None:
        """Read what the tasks have reported, and hand over those that have ended."""
        for array in {place.array for place in self._tasks}:
            attempts = self._folder.attempts(array)
            for task in [each for each in self._tasks.values() if each.place.array == array]:
                self._hear(task, task.tail.read(attempts.get(task.place.index, -1)))
                self._conclude(task)

    def _hear(self, task: _FollowedTask, messages: Iterable[dict[str, Any]]) -> None:
        for message in messages:
            match message["event"]:
                case "attempt":
                    task.ended = task.left = None
                    task.is_waiting_again = False
                case "begun":
                    self._is_heard = True
                case "ended":
                    task.ended = message
                case "exit":
                    task.left = message
                case _:
                    self._found.append({**message, "number": task.request.number})

    def _conclude(self, task: _FollowedTask) -> None:
        """Hand over a task that has ended; one that was interrupted has not while it is in the queue."""
        how = task.ended["how"] if task.ended is not None else ""
        if task.left is not None and how not in ("", "interrupted"):
            self._hand_over(task)
        elif task.gone_at is not None:
            is_patient = task.ended is None and task.left is None
            is_patient &= task.queued is None or not never_began(task.queued)
            if not is_patient or self._clock() - task.gone_at >= _LATE_SECONDS:
                self._hand_over(task)

    def _hand_over(self, task: _FollowedTask) -> None:
        queued = task.queued
        if task.ended is None and task.left is None and queued is None and task.id:
            queued = self._accounting.ask(task.id)
        ended, code = explain_end(task.ended, task.left, queued, runs_dir=self._runs_dir)
        if self._signals and (ended is None or ended["how"] == "lost"):
            ended = {"how": "interrupted"}
        if ended is not None and code == UNSEEN and task.left is None and not self._is_heard:
            raise RunError(ended["reason"])
        self._folder.mark_heard(task.place)
        del self._tasks[task.place]
        if ended is not None:
            self._tell(task, "ended", **{key: value for key, value in ended.items() if key not in ("event", "number")})
        self._tell(task, "gone", code=code)

    def _interrupted(self, number: int, reason: str) -> None:
        self._found.append({"event": "ended", "number": number, "how": "interrupted", "reason": reason})
        self._found.append({"event": "gone", "number": number, "code": 0})

    def _tell(self, task: _FollowedTask, event: str, **content: Any) -> None:
        self._found.append({"event": event, "number": task.request.number, **content})
