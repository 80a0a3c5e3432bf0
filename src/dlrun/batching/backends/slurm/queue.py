"""Watch the tasks of a driver in Slurm's queue, with few requests to its controller."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dlrun.batching.backends.slurm.client import Call, QueuedTask, Reply, parse_squeue, start_squeue
from dlrun.batching.backends.slurm.tasks import TaskPlace

_SECONDS, _HURRIED_SECONDS, _LONGEST_SECONDS = 5.0, 1.0, 60.0
"""How long to wait after an answer: usually, while runs are being stopped, and at most if no answer comes."""
_ENDED = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
        "REVOKED", "TIMEOUT",
    }
)  # fmt: skip
_PLACE = re.compile(r"(?P<name>.+)/(?P<array>\d+)")


@dataclass(frozen=True)
class Snapshot:
    """What was in the queue at some time.

    Args:
        asked: When the controller was asked, by the clock of the watch.
        tasks: The tasks; what is missing is no longer known to Slurm.
        cancelled: By array, its tasks that were cancelled before they started.
    """

    asked: float
    tasks: Mapping[TaskPlace, QueuedTask]
    cancelled: Mapping[int, QueuedTask] = field(default_factory=dict)

    def live(self, place: TaskPlace) -> QueuedTask | None:
        """Return a task if it waits or runs."""
        found = self.tasks.get(place)
        return found if found is not None and found.state not in _ENDED else None


class QueueWatch:
    """Asks squeue about all arrays at once, every few seconds; less often while no answer comes.

    Args:
        name: The name of the jobs.
        warn: Tells the user something.
        clock: Returns the time in seconds.
    """

    def __init__(self, name: str, *, warn: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._name = name
        self._warn = warn
        self._clock = clock
        self._call: Call | None = None
        self._asked = 0.0
        self._due = clock()
        self._failures = 0

    @property
    def is_answered(self) -> bool:
        """Whether the last request was answered."""
        return not self._failures

    def hurry(self) -> None:
        """Ask again soon."""
        self._due = min(self._due, self._clock())

    def look(self, *, hurried: bool = False) -> Snapshot | None:
        """Return what is in the queue if an answer has just come; ask again when it is time.

        Args:
            hurried: Whether to ask more often, because the user waits for the answer.
        """
        if self._call is None:
            if self._clock() >= self._due:
                self._call, self._asked = start_squeue(self._name), self._clock()
            return None
        if (reply := self._call.reply()) is None:
            return None
        self._call = None
        if not reply.is_good:
            self._failed(reply)
            return None
        if self._failures > 1:
            self._warn("Slurm's controller answers again")
        self._failures = 0
        self._due = self._clock() + (_HURRIED_SECONDS if hurried else _SECONDS)
        tasks = self._by_place(parse_squeue(reply.out))
        cancelled = {place.array: task for place, task in tasks.items() if place.index < 0}
        return Snapshot(self._asked, {place: task for place, task in tasks.items() if place.index >= 0}, cancelled)

    def _failed(self, reply: Reply) -> None:
        self._failures += 1
        self._due = self._clock() + min(_SECONDS * 2 ** (self._failures - 1), _LONGEST_SECONDS)
        if self._failures == 2:  # one answer may get lost on a busy controller
            self._warn(f"Slurm's controller does not answer ({reply.reason}); jobs go on, and dlrun asks again")

    def _by_place(self, tasks: list[QueuedTask]) -> dict[TaskPlace, QueuedTask]:
        found: dict[TaskPlace, QueuedTask] = {}
        for task in tasks:
            match = _PLACE.fullmatch(task.comment)
            if match is None or match["name"] != self._name:
                continue
            place = TaskPlace(int(match["array"]), task.index)
            # A script that was submitted twice has two tasks in one place; what counts is the one that is alive.
            if place not in found or found[place].state in _ENDED:
                found[place] = task
        return found
