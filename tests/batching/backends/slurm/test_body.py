"""A task as its process: what it reports, passes on, and asks Slurm for. The run itself is a stand-in here."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlrun.batching.backends.slurm import body
from dlrun.batching.backends.slurm.body import TaskBody, requeue_job
from dlrun.batching.backends.slurm.tasks import TaskFolder, TaskPlace
from dlrun.batching.messages import send
from fake_slurm import request_for

Work = Callable[..., tuple[int, list[dict[str, Any]], list[int]]]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """Do a task whose run is a function, and return its exit code, its messages and its wishes to be requeued."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = [(number, signal.getsignal(number)) for number in numbers]

    def do(run: Callable[[int], int]) -> tuple[int, list[dict[str, Any]], list[int]]:
        monkeypatch.setattr(body, "run_job", lambda _request, pipe, **_: run(pipe))
        folder, wishes = TaskFolder(tmp_path / "slurm"), []
        folder.begin()
        place = TaskPlace(folder.add_array([request_for(1), request_for(7)]), 1)

        def requeue() -> bool:
            wishes.append(1)
            return True

        shown: Any = contextlib.nullcontext
        task = TaskBody(folder, place, restart=2, shown=shown, requeue=requeue, pause=lambda _: None)
        code = task.work()
        lines = folder.messages_file(place, restart=2).read_text().splitlines()
        return code, [json.loads(line) for line in lines if line], wishes

    yield do
    for number, handler in before:
        signal.signal(number, handler)


def interrupted(*, after: Callable[[], None], pipe: int) -> int:
    """Train until a signal comes, as `run_job` does."""
    try:
        after()
        time.sleep(10)
    except KeyboardInterrupt:
        send(pipe, number=7, event="ended", how="interrupted")
        return 130
    return 0


def test_a_run_reports_its_start_and_its_exit(work: Work) -> None:
    code, messages, wishes = work(lambda _: 0)
    assert code == 0
    assert [message["event"] for message in messages] == ["begun", "exit"]
    assert messages[1] == {"number": 7, "event": "exit", "code": 0, "late": False}
    assert not wishes


def test_before_its_time_limit_a_run_stops_and_is_requeued(work: Work) -> None:
    def run(pipe: int) -> int:
        send(pipe, number=7, event="progress", epoch=3)
        return interrupted(after=lambda: os.kill(os.getppid(), signal.SIGUSR1), pipe=pipe)

    code, messages, wishes = work(run)
    assert (code, wishes) == (130, [1])
    assert messages[-1] == {"number": 7, "event": "exit", "code": 130, "late": True}


def test_a_run_whose_time_is_up_before_its_first_steps_fails_instead_of_coming_back_for_ever(work: Work) -> None:
    def run(pipe: int) -> int:
        send(pipe, number=7, event="progress", epoch=0)
        return interrupted(after=lambda: os.kill(os.getppid(), signal.SIGUSR1), pipe=pipe)

    _, messages, wishes = work(run)
    assert not wishes
    assert messages[-2]["how"] == "failed"
    assert "--slurm time=" in messages[-2]["reason"]
    assert not messages[-1]["late"]


def test_a_signal_that_another_thread_gets_right_after_the_fork_is_passed_on(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main thread blocks signals then, others do not."""
    fork, rest = os.fork, threading.Event()
    other = threading.Thread(target=rest.wait)

    def forked() -> int:
        child = fork()
        if child:
            os.kill(os.getpid(), signal.SIGUSR1)
        return child

    signal.signal(signal.SIGUSR1, lambda *_: None)  # without any, a fault here would end this process
    monkeypatch.setattr(os, "fork", forked)
    other.start()
    try:
        code, messages, wishes = work(lambda pipe: interrupted(after=lambda: None, pipe=pipe))
    finally:
        rest.set()
        other.join()
    assert (code, wishes) == (130, [])
    assert "--slurm time=" in messages[-2]["reason"]  # its time was up before it trained


def test_a_run_that_completes_as_its_time_is_up_is_not_requeued(work: Work) -> None:
    def run(pipe: int) -> int:
        send(pipe, number=7, event="progress", epoch=3)
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getppid(), signal.SIGUSR1)
            time.sleep(10)
        return 0

    code, messages, wishes = work(run)
    assert (code, messages[-1]["late"], wishes) == (0, False, [])


def test_a_run_that_a_lost_machine_still_holds_is_waited_for(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_LEASE_SECONDS", "5")
    answers = [False, False, True]

    @contextlib.contextmanager
    def claimed(*_: Any, **__: Any) -> Iterator[object | None]:
        yield object() if answers.pop(0) else None

    monkeypatch.setattr(body, "claimed", claimed)

    def run(pipe: int) -> int:
        with (tmp_path / "attempts").open("a") as file:
            file.write("x")
        is_free = len((tmp_path / "attempts").read_text()) == 2
        send(pipe, number=7, event="ended", how="completed" if is_free else "held")
        return 0

    _, messages, _ = work(run)
    assert not answers
    assert [message.get("how") for message in messages] == [None, "held", "completed", None]


def test_a_run_that_somebody_trains_all_the_time_is_left_to_them(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLRUN_LEASE_SECONDS", "5")
    monkeypatch.setattr(body, "claimed", lambda *_, **__: contextlib.nullcontext())

    def run(pipe: int) -> int:
        send(pipe, number=7, event="ended", how="held")
        return 0

    _, messages, _ = work(run)
    assert [message.get("how") for message in messages] == [None, "held", None]


def test_a_signal_reaches_the_run_and_a_killed_run_is_reported(work: Work) -> None:
    code, messages, wishes = work(
        lambda pipe: interrupted(after=lambda: os.kill(os.getppid(), signal.SIGTERM), pipe=pipe)
    )
    assert (code, messages[-1]["code"], wishes) == (130, 130, [])

    def killed(_: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    code, messages, _ = work(killed)
    assert (code, messages[-1]["code"]) == (137, -9)


def test_requeueing_is_tried_again_while_the_controller_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n[ -e {tmp_path}/answers ]\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    pauses: list[float] = []
    assert not requeue_job("17", pause=pauses.append)
    assert (tmp_path / "asked").read_text() == "requeue 17\n" * 5
    assert len(pauses) == 4
    assert requeue_job("17", pause=lambda _: (tmp_path / "answers").touch())
