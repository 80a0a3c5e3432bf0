"""Explain how a task has ended: by what its run has reported, or else by what Slurm says of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dlrun.batching.backends.slurm.client import Call, QueuedTask
from dlrun.batching.backends.slurm.script import UNSEEN

_NO_PROGRAM = (126, 127)
"""The exit codes of bash for a program that it cannot start."""
_LOST = {
    "BOOT_FAIL": "its node did not start",
    "NODE_FAIL": "its node has failed",
    "PREEMPTED": "it was preempted",
    "REVOKED": "its job was revoked",
}
_MOVED = {**_LOST, "TIMEOUT": "it was at its time limit"}
"""The states of a task that was stopped, and not because somebody wanted its run to stop."""
_FAILED = {
    "DEADLINE": "reached the deadline of its job",
    "OUT_OF_MEMORY": "ran out of the memory of its job; ask for more: --slurm mem=...",
    "TIMEOUT": "did not stop before the time limit of its job; ask for more: --slurm time=..., or try again: --retry",
}

End = tuple[dict[str, Any] | None, int]
"""The message `ended`, None if nothing is known beyond the exit code, and the exit code; negative for a signal."""


def explain_end(
    ended: Mapping[str, Any] | None, left: Mapping[str, Any] | None, queued: QueuedTask | None, *, runs_dir: str
) -> End:
    """Return how a task has ended that is no longer in the queue.

    Args:
        ended: The message of its run about its end; None if it has sent none.
        left: The message of its process as it exited; None if it has sent none.
        queued: What Slurm says of it; None if it is no longer known to Slurm.
        runs_dir: The folder for runs, for the message to a user whose node does not see it.
    """
    if left is not None and left.get("late"):
        return _ended("lost", "it was at its time limit"), left["code"]
    if ended is not None and ended["how"] == "interrupted" and queued is not None and queued.state in _MOVED:
        return _ended("lost", _MOVED[queued.state]), 1
    if ended is not None:
        return dict(ended), left["code"] if left is not None else 0
    if queued is None:
        return _ended("lost", "it has left the queue"), 1
    if queued.state in _LOST:
        return _ended("lost", _LOST[queued.state]), 1
    if queued.state in _FAILED:
        return _ended("failed", _FAILED[queued.state]), 1
    if queued.state == "CANCELLED":
        return _ended("interrupted", f"job {queued.id} was cancelled"), 1
    code = left["code"] if left is not None else _exit_code(queued.status)
    return _exited(code, queued, runs_dir=runs_dir), code


def never_began(queued: QueuedTask) -> bool:
    """Return whether a task has ended before its program could report anything.

    Args:
        queued: What Slurm says of it.
    """
    return queued.state == "FAILED" and _exit_code(queued.status) in (UNSEEN, *_NO_PROGRAM)


def _exited(code: int, queued: QueuedTask, *, runs_dir: str) -> dict[str, Any] | None:
    if code == UNSEEN:
        hint = "put the runs on storage that every node sees: --runs-dir"
        return _ended("failed", f"{queued.node} does not see {runs_dir} or the folder of this command; {hint}")
    if code in _NO_PROGRAM:
        return _ended("failed", f"{queued.node} does not have this Python; install dlrun where every node sees it")
    return None


def _exit_code(status: int) -> int:
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) or os.WIFSIGNALED(status) else 1


def _ended(how: str, reason: str) -> dict[str, Any]:
    return {"event": "ended", "how": how, "reason": reason}


class Accounting:
    """What sacct knows of tasks that the controller has forgotten, at sites that keep such records."""

    def __init__(self) -> None:
        self._is_there = True

    def ask(self, name: str) -> QueuedTask | None:
        """Return what is known of a task; None if nothing is.

        Args:
            name: The id of the task.
        """
        if not self._is_there:
            return None
        reply = Call("sacct", "-X", "-n", "-P", "-o", "State,ExitCode,NodeList", "-j", name).wait()
        # Without accounting, or without an answer, the next question would only take time.
        self._is_there = reply.is_good
        fields = reply.out.strip().split("\n")[-1].split("|")
        if not reply.is_good or len(fields) != 3:
            return None
        state, code, node = fields
        exited, _, killed = code.partition(":")
        job, _, index = name.partition("_")
        status = (int(exited) << 8 if exited.isdecimal() else 0) | (int(killed) if killed.isdecimal() else 0)
        # A cancelled job has "CANCELLED by 1000".
        return QueuedTask(job, int(index or 0), state.split(" ")[0], status, 0, node, "", "")
