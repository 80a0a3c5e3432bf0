"""Find the tasks of a driver that has ended, so that no run is submitted again that waits, runs, or has ended well."""

from __future__ import annotations

from pathlib import Path

from dlrun.batching.backends.slurm.queue import Snapshot
from dlrun.batching.backends.slurm.tasks import MessageTail, TaskFolder, TaskPlace, request_key
from dlrun.batching.messages import Request

_GOOD = ("completed", "skipped", "paused")


class EarlierTasks:
    """The tasks of earlier drivers of a folder whose ends nobody has heard of.

    Args:
        folder: The folder.

    Raises:
        RunError: Its files are damaged.
    """

    def __init__(self, folder: TaskFolder) -> None:
        self._folder = folder
        self._snapshot: Snapshot | None = None
        heard = folder.heard()
        self._places: dict[str, TaskPlace] = {}
        for array in folder.arrays():
            for index, request in enumerate(folder.requests(array)):
                place = TaskPlace(array, index)
                if place not in heard:
                    self._places[request_key(request)] = place  # of two, the latest

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._places)

    @property
    def is_compared(self) -> bool:
        """Whether it is known which of them are in the queue."""
        return self._snapshot is not None

    def compare(self, snapshot: Snapshot) -> None:
        """Find out which of them are in the queue."""
        self._snapshot = self._snapshot or snapshot

    def take(self, request: Request) -> TaskPlace | None:
        """Return the task that trains what a request asks for, or has; None if there is none.

        Args:
            request: The request.
        """
        if self._snapshot is None:
            return None
        place = self._places.pop(request_key(request), None)
        if place is None or self._snapshot.live(place) is not None or self._has_ended_well(place, request):
            return place
        return None

    def _has_ended_well(self, place: TaskPlace, request: Request) -> bool:
        how, run, has_left = "", "", False
        restart = self._folder.attempts(place.array).get(place.index, -1)
        for message in MessageTail(self._folder, place).read(restart):
            how = str(message["how"]) if message["event"] == "ended" else how
            run = str(message.get("folder", run))
            has_left = has_left or message["event"] == "exit"
        # Somebody may have removed the run since.
        return has_left and how in _GOOD and bool(run) and Path(request.runs_dir, run, "run.json").exists()
