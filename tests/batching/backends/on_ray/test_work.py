import signal
from collections.abc import Sequence
from typing import Any

import pytest

from dlrun.batching.backends.on_ray import work
from dlrun.batching.backends.on_ray.mailbox import MOST_MESSAGES, Mailbox
from dlrun.batching.backends.on_ray.work import Link, follow, unstarted
from dlrun.batching.messages import Request
from fake_crew import FakeCrew, begun, ended, gone

REQUEST = Request(7, "small.yaml", (), "runs", {})


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_EXCHANGE_SECONDS", -1)
    monkeypatch.setattr(work, "_SILENT_SECONDS", -1)


def linked(mailbox: Mailbox) -> Link:
    return Link(mailbox.exchange, lambda promise, _seconds: promise, attempt=3)


def test_the_driver_hears_progress_and_the_task_keeps_what_must_not_be_lost() -> None:
    mailbox = Mailbox()
    progress = {"number": 7, "event": "progress", "epoch": 2}
    crew = FakeCrew(lambda request: [begun(request), progress, ended(request, "completed"), gone(request)])
    kept = follow(crew, REQUEST, linked(mailbox))  # type: ignore[arg-type]
    assert [message["event"] for message in kept] == ["run", "ended", "gone"]
    heard = mailbox.take(())
    assert [(message["event"], message["attempt"]) for message in heard] == [("run", 3), ("progress", 3)]
    assert not mailbox.take(())


def test_each_signal_reaches_the_run_once() -> None:
    mailbox = Mailbox()

    def stops(number: int, request: Request) -> list[dict[str, Any]]:
        mailbox.take((signal.SIGINT, signal.SIGKILL))
        return [gone(request, -9)] if number == signal.SIGKILL else []

    crew = FakeCrew(lambda request: [begun(request)], on_signal=stops)
    mailbox.take((signal.SIGINT,))
    kept = follow(crew, REQUEST, linked(mailbox))  # type: ignore[arg-type]
    assert crew.signals == [signal.SIGINT, signal.SIGKILL]
    assert kept[-1]["code"] == -9


def test_a_cancelled_task_stops_its_run_with_a_checkpoint() -> None:
    calls = []

    def asleep() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt

    crew = FakeCrew(
        lambda request: [begun(request)],
        asleep,
        lambda _number, request: [ended(request, "interrupted"), gone(request, 130)],
    )
    kept = follow(crew, REQUEST, linked(Mailbox()))  # type: ignore[arg-type]
    assert crew.signals == [signal.SIGTERM]
    assert kept[-2]["how"] == "interrupted"


def test_a_run_that_ends_before_it_can_say_a_word_is_the_fault_of_its_node() -> None:
    silent = FakeCrew(lambda request: [gone(request, 1)])
    assert "could not be started" in unstarted(follow(silent, REQUEST, linked(Mailbox())))  # type: ignore[arg-type]
    for last in ([gone(REQUEST, -9)], [begun(REQUEST), gone(REQUEST, 1)], [ended(REQUEST, "failed"), gone(REQUEST, 3)]):
        assert not unstarted(last)


def test_an_answer_that_is_late_is_waited_for_without_more_questions() -> None:
    asked: list[list[Any]] = []
    answers: list[Sequence[int] | None] = [None, None, (15,)]

    def exchange(messages: list[Any]) -> str:
        asked.append(messages)
        return "promise"

    link = Link(exchange, lambda *_: answers.pop(0), 1)
    assert [link.signals() for _ in range(3)] == [[], [], [15]]
    assert len(asked) == 1


def test_a_mailbox_that_nobody_empties_keeps_the_newest_messages() -> None:
    mailbox = Mailbox()
    mailbox.exchange([{"epoch": number} for number in range(MOST_MESSAGES + 5)])
    taken = mailbox.take(())
    assert (len(taken), taken[-1]) == (MOST_MESSAGES, {"epoch": MOST_MESSAGES + 4})
