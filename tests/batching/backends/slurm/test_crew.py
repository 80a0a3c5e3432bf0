"""What becomes of tasks: reported, requeued, killed, cancelled, left by one driver and taken up by the next."""

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlrun.errors import RunError
from fake_slurm import Driven, request_for

Make = Callable[..., Driven]
BEGUN: dict[str, Any] = {"event": "begun", "host": "n1"}
RUN: dict[str, Any] = {"event": "run", "folder": "run-a", "resumed": False}
COMPLETED: dict[str, Any] = {"event": "ended", "how": "completed"}
STOPPED: dict[str, Any] = {"event": "ended", "how": "interrupted"}


def left(code: int = 0, **content: Any) -> dict[str, Any]:
    return {"event": "exit", "code": code, **content}


def submitted(driven: Make, *numbers: int, **options: Any) -> Driven:
    work = driven(**options)
    for number in numbers:
        work.crew.start(request_for(number))
    work.until(lambda: len(work.crew._tasks) == len(numbers))
    return work


def test_all_runs_are_one_array_and_what_they_report_comes_in_order(driven: Make) -> None:
    work = submitted(driven, 7, 8)
    (script,) = work.fake.scripts
    assert '#SBATCH --array="0-1"' in script
    work.report(1, 1, BEGUN, {**RUN, "number": 99}, {"event": "progress", "epoch": 1}, '{"event": "war')
    work.until(lambda: len(work.told) == 2)
    assert work.events == [(8, "run"), (8, "progress")]
    work.report(1, 1, 'ning", "text": "slow"}\n', "not JSON\n\0\0\n[1]\n", COMPLETED, left())
    work.until(lambda: len(work.told) == 5)
    assert work.events[2:] == [(8, "warning"), (8, "completed"), (8, "gone")]
    assert list(work.crew._tasks) == [place for place in work.crew._tasks if place.index == 0]


def test_a_requeued_task_is_not_over_and_its_next_attempt_counts(driven: Make) -> None:
    work = submitted(driven, 1)
    work.queue(1, 0, "RUNNING")
    work.report(1, 0, BEGUN, RUN, STOPPED, left(130), '{"event": "pro')
    work.go(30)
    work.queue(1, 0, "PENDING", reason="BeginTime", restarts=1)
    work.go(30)
    assert work.events == [(1, "run"), (1, "waiting")]
    work.queue(1, 0, "RUNNING")
    work.report(1, 0, BEGUN, {**RUN, "resumed": True}, COMPLETED, left(), restart=1)
    work.until(lambda: "gone" in {event for _, event in work.events})
    assert work.events[2:] == [(1, "run"), (1, "completed"), (1, "gone")]
    assert work.told[2]["resumed"]


def test_a_task_that_left_the_queue_without_a_word_is_waited_for_and_then_explained(driven: Make) -> None:
    work = submitted(driven, 1)
    work.report(1, 0, BEGUN, RUN)
    work.queue(1, 0, "OUT_OF_MEMORY", status=9, node="n1")
    work.go(10)
    assert work.events == [(1, "run")]  # its last message may still be on its way
    work.go(20)
    assert work.events[1:] == [(1, "failed"), (1, "gone")]
    assert "ran out of the memory of its job" in work.told[1]["reason"]


def test_a_crash_is_reported_with_its_signal(driven: Make) -> None:
    work = submitted(driven, 1)
    work.report(1, 0, BEGUN, RUN, left(-11))
    work.queue(1, 0, "FAILED", status=139 << 8, node="n1")
    work.until(lambda: "gone" in {event for _, event in work.events})
    assert work.told[-1] == {"event": "gone", "number": 1, "code": -11}


def test_accounting_is_asked_about_a_task_that_the_controller_has_forgotten(driven: Make) -> None:
    work = submitted(driven, 1)
    work.queue(1, 0, "RUNNING", node="n1")
    work.go(10)
    (work.fake.folder / "sacct").write_text("TIMEOUT|0:15|n1\n")
    work.queue(1, 0, "")
    work.until(lambda: work.events and work.events[-1][1] == "gone")
    assert "did not stop before the time limit" in work.told[0]["reason"]
    assert "-j 1_0" in (work.fake.folder / "accounting").read_text()


def test_a_folder_that_no_node_sees_ends_everything_and_one_bad_node_ends_its_run(driven: Make) -> None:
    work = submitted(driven, 1, 2)
    work.queue(1, 0, "FAILED", status=66 << 8, node="n7")
    with pytest.raises(RunError, match=r"n7 does not see runs .* --runs-dir"):
        work.go(60)
    work.crew.close()
    assert work.fake.cancelled == [f"--me --name={work.script.job_name}"]

    work = submitted(driven, 3, 4)
    work.report(2, 1, BEGUN, RUN, COMPLETED, left())
    work.until(lambda: len(work.events) == 3)
    work.queue(2, 0, "FAILED", status=66 << 8, node="n7")
    work.until(lambda: len(work.events) == 5)
    assert work.events[-2:] == [(3, "failed"), (3, "gone")]


def test_the_next_driver_follows_what_waits_and_replays_what_has_ended(driven: Make, tmp_path: Path) -> None:
    first = submitted(driven, *range(1, 7))
    for index, run in ((1, "good"), (2, "removed"), (3, "bad")):
        how = "failed" if run == "bad" else "completed"
        first.report(1, index, BEGUN, {**RUN, "folder": run}, {"event": "ended", "how": how}, left())
        first.queue(1, index, "COMPLETED")
    first.queue(1, 0, "RUNNING")
    first.queue(1, 5, "")

    (tmp_path / "runs" / "good").mkdir(parents=True)
    (tmp_path / "runs" / "good" / "run.json").touch()
    second = driven()
    for number, key in ((11, 1), (12, 2), (13, 3), (14, 4), (15, 5), (16, 6)):
        request = request_for(key)
        second.crew.start(type(request)(**{**vars(request), "number": number}))
    second.until(lambda: len(second.fake.scripts) == 2 and len(second.crew._tasks) == 5 and second.told)
    assert re.findall("# task .*", second.fake.scripts[1]) == [
        "# task 0: small.yaml seed=3", "# task 1: small.yaml seed=4", "# task 2: small.yaml seed=6",
    ]  # fmt: skip
    assert second.events == [(12, "run"), (12, "completed"), (12, "gone")]

    # What was heard of is not replayed, and a run that cannot be resumed is a new task.
    third = driven()
    third.crew.start(request_for(2))
    third.crew.start(type(request)(**{**vars(request_for(1)), "anew": True}))
    third.until(lambda: len(third.fake.scripts) == 3)
    assert third.fake.scripts[2].count("# task ") == 2


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_ctrl_c_cancels_what_waits_and_asks_each_attempt_once(driven: Make) -> None:
    work = submitted(driven, 1, 2)
    work.queue(1, 0, "RUNNING")
    work.queue(1, 1, "PENDING")
    work.go(10)
    work.crew.start(request_for(3))
    work.crew.signal(signal.SIGINT)
    work.until(lambda: len(work.fake.cancelled) == 2)
    assert sorted(work.fake.cancelled) == ["--batch --signal=TERM 1_0", "--state=PENDING 1_1"]
    assert work.events == [(3, "interrupted"), (3, "gone")]
    work.queue(1, 1, "")
    work.queue(1, -1, "CANCELLED")
    work.go(20)
    work.report(1, 0, BEGUN, RUN, STOPPED, left(130))
    work.queue(1, 0, "FAILED", status=130 << 8)
    work.until(lambda: len(work.events) == 7)
    assert work.fake.cancelled[2:] == []  # a second signal would end it without a checkpoint
    assert {(1, "interrupted"), (2, "interrupted")} < set(work.events)


def test_a_second_ctrl_c_ends_the_jobs_or_leaves_them_if_nobody_answers(driven: Make) -> None:
    work = submitted(driven, 1)
    work.queue(1, 0, "RUNNING")
    work.crew.signal(signal.SIGINT)
    work.fake.answers(yes=False)
    work.crew.signal(signal.SIGKILL)
    work.until(lambda: work.events)
    assert f"--me --name={work.script.job_name}" in work.fake.cancelled
    assert work.events == [(1, "interrupted"), (1, "gone")]
    assert any("the jobs may go on: Unable to contact" in each for each in work.warnings)


def test_a_shutdown_of_this_machine_leaves_the_jobs_in_the_queue(driven: Make) -> None:
    work = submitted(driven, 1)
    work.queue(1, 0, "RUNNING")
    work.crew.signal(signal.SIGTERM)
    work.go(1)
    work.crew.close()
    assert work.events == [(1, "interrupted"), (1, "gone")]
    assert work.fake.cancelled == []
    assert "the same command follows them" in work.warnings[0]


def test_a_task_that_may_wait_for_ever_is_reported(driven: Make) -> None:
    work = submitted(driven, 1)
    work.queue(1, 0, "PENDING", reason="launch failed requeued held")
    work.go(10)
    assert work.warnings[0] == "job 1_0 waits in Slurm's queue: launch failed requeued held"


def test_jobs_cancelled_by_somebody_are_interrupted_runs(driven: Make) -> None:
    work = submitted(driven, 1, 2)
    work.queue(1, 0, "")
    work.queue(1, 1, "")
    work.queue(1, -1, "CANCELLED")
    work.until(lambda: len(work.events) == 4)
    assert work.events == [(1, "interrupted"), (1, "gone"), (2, "interrupted"), (2, "gone")]
