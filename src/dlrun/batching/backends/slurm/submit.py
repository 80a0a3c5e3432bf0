"""Submit runs as job arrays: as few as the limits of the site permit, and none of them twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dlrun.batching.backends.slurm.client import Call, Reply
from dlrun.batching.backends.slurm.queue import Snapshot
from dlrun.batching.backends.slurm.script import ArrayScript
from dlrun.batching.messages import Request
from dlrun.errors import RunError

_LATER_SECONDS = 30.0
"""How long to wait after a refusal because of how many jobs there are."""


@dataclass(frozen=True)
class Submission:
    """An array, from the moment that sbatch was called.

    Args:
        array: Its number.
        requests: What its tasks train.
        began: When sbatch was called, or when it has ended without an answer.
    """

    array: int
    requests: tuple[Request, ...]
    began: float


class Submitter:
    """Submits what is waiting, one array at a time.

    If the controller does not answer, an array may have been submitted or not. The queue tells which, once it answers
    again: a task carries the number of its array.

    Args:
        script: What is the same for all arrays.
        largest: How many tasks one array may have.
        warn: Tells the user something.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, script: ArrayScript, *, largest: int, warn: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self.waiting: deque[Request] = deque()
        """What is not submitted yet."""
        self._script = script
        self._most = largest
        self._warn = warn
        self._clock = clock
        self._call: Call | None = None
        self._submission: Submission | None = None
        self._is_unsure = False
        self._due = 0.0
        self._after = ""

    @property
    def is_busy(self) -> bool:
        """Whether an array is being submitted."""
        return self._submission is not None

    def drop(self) -> list[Request]:
        """Forget everything, and return what was not submitted, as far as is known."""
        submitting = self._submission.requests if self._submission is not None else ()
        self._submission, self._call, self._is_unsure = None, None, False
        dropped = [*submitting, *self.waiting]
        self.waiting.clear()
        return dropped

    def advance(self, snapshot: Snapshot | None, *, has_jobs: bool) -> Submission | None:
        """Go on submitting, and return an array that has just been submitted.

        Args:
            snapshot: What is in the queue, if an answer has just come.
            has_jobs: Whether there are jobs whose end makes room for others.

        Raises:
            RunError: Slurm refuses the array, or its files cannot be written.
        """
        if self._call is not None:
            reply = self._call.reply()
            return self._answered(reply, has_jobs=has_jobs) if reply is not None else None
        if self._is_unsure:
            return self._checked(snapshot)
        if self.waiting and self._clock() >= self._due:
            self._submit()
        return None

    def _submit(self) -> None:
        requests = tuple(self.waiting.popleft() for _ in range(min(self._most, len(self.waiting))))
        array = self._script.folder.add_array(requests)
        path = self._script.write(array, requests, after=self._after)
        self._submission = Submission(array, requests, self._clock())
        self._call = Call("sbatch", "--parsable", str(path))

    def _answered(self, reply: Reply, *, has_jobs: bool) -> Submission | None:
        self._call = None
        submission = self._submission
        if submission is None:
            raise ValueError("an answer without a submission")
        if reply.is_good:
            # With a limit of runs at a time, the next part of what does not fit into one array has to wait.
            job = reply.out.strip().partition(";")[0]
            self._after = job if self.waiting and self._script.at_once is not None else ""
            self._submission = None
            return submission
        if reply.is_unanswered:
            self._is_unsure = True
            self._submission = replace(submission, began=self._clock())
            return None
        self._submission = None
        self._script.folder.drop_array(submission.array)
        size = len(submission.requests)
        if not reply.exceeds_limit or (size == 1 and not has_jobs):
            raise _refused(reply, submission.requests)
        # Half of them at a time, and if there is no room for a single one, when others have ended.
        self.waiting.extendleft(reversed(submission.requests))
        self._most = max(1, size // 2)
        if size == 1:
            self._warn(f"Slurm takes no more jobs now ({reply.reason}); the rest is submitted as jobs end")
            self._due = self._clock() + _LATER_SECONDS
        return None

    def _checked(self, snapshot: Snapshot | None) -> Submission | None:
        submission = self._submission
        if submission is None or snapshot is None or snapshot.asked <= submission.began:
            return None
        self._is_unsure = False
        if any(place.array == submission.array for place in snapshot.tasks):
            self._submission = None
            return submission
        self._call = Call("sbatch", "--parsable", str(self._script.folder.script(submission.array)))
        return None


def _refused(reply: Reply, requests: Sequence[Request]) -> RunError:
    what = f"Slurm refuses an array of {len(requests)} runs: {reply.reason}"
    return RunError(what, hint="sinfo lists the partitions; --slurm sets options of sbatch, --dry-run shows the script")
