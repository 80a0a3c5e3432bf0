from typing import Any

import pytest

from dlrun.batching.backends.slurm.client import QueuedTask
from dlrun.batching.backends.slurm.ends import explain_end


def queued(state: str, status: int = 0) -> QueuedTask:
    return QueuedTask("12", 3, state, status, 0, "n1", "", "")


@pytest.mark.parametrize(
    ("ended", "left", "task", "how", "reason", "code"),
    [
        ({"how": "completed"}, {"code": 0}, None, "completed", "", 0),
        ({"how": "interrupted"}, {"code": 130}, queued("CANCELLED"), "interrupted", "", 130),
        ({"how": "interrupted"}, {"code": 130, "late": True}, queued("FAILED"), "lost", "at its time limit", 130),
        ({"how": "interrupted"}, {"code": 130}, queued("PREEMPTED"), "lost", "preempted", 1),
        ({"how": "interrupted"}, {"code": 130}, queued("TIMEOUT"), "lost", "at its time limit", 1),
        ({"how": "completed"}, {"code": 0}, queued("PREEMPTED"), "completed", "", 0),
        (None, None, queued("TIMEOUT", 15), "failed", "time limit", 1),
        (None, None, queued("OUT_OF_MEMORY", 9), "failed", "memory of its job", 1),
        (None, None, queued("NODE_FAIL"), "lost", "its node has failed", 1),
        (None, None, queued("PREEMPTED"), "lost", "preempted", 1),
        (None, None, queued("CANCELLED", 15), "interrupted", "job 12_3 was cancelled", 1),
        (None, None, queued("FAILED", 66 << 8), "failed", "n1 does not see /home/runs", 66),
        (None, None, queued("FAILED", 127 << 8), "failed", "n1 does not have this Python", 127),
        (None, None, queued("FAILED", 5 << 8), None, "", 5),
        (None, None, queued("FAILED", 11), None, "", -11),
        (None, {"code": -9}, queued("FAILED", 137 << 8), None, "", -9),
        (None, None, None, "lost", "it has left the queue", 1),
    ],
)
def test_an_end_is_explained_by_the_run_or_else_by_slurm(
    ended: Any, left: Any, task: QueuedTask | None, how: str | None, reason: str, code: int
) -> None:
    message, found = explain_end(ended, left, task, runs_dir="/home/runs")
    assert found == code
    assert (message["how"] if message else None) == how
    assert reason in (message.get("reason", "") if message else "")
