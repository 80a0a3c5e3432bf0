import json
import os
import signal
import tracemalloc
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from dlrun.batching import engine
from dlrun.batching.backends.slots import LocalSlots
from dlrun.batching.engine import Engine, EngineOptions, Order
from dlrun.batching.grid import Combination
from dlrun.batching.messages import Request
from dlrun.batching.plan import Planned, plan_batch
from dlrun.batching.state import BatchEvent, RunChanged, RunState, Stopping
from dlrun.experiment.trial import Trial
from dlrun.spec.types import Spec
from fake_crew import FakeCrew, begun, completes, ended, gone

SPEC = "dataset: {type: builtin, name: digits}\nmodel: linear\nloss: sparse_categorical_crossentropy\n"


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    (tmp_path / "small.yaml").write_text(SPEC)
    return plan_batch([Combination(tmp_path / "small.yaml", (), ())])[0]


@dataclass
class Source:
    """Gives the orders of a list, and keeps how they have ended; `more` may order again when a run has ended."""

    orders: deque[Order]
    more: Callable[[RunState], Sequence[Order]] = lambda _state: ()
    stages: list[tuple[int, str]] = field(default_factory=list)
    last: RunState | None = None

    @property
    def is_over(self) -> bool:
        return not self.orders

    def next_order(self, fits: Callable[[Spec], bool]) -> Order | None:
        return self.orders.popleft() if self.orders and fits(self.orders[0].planned.spec) else None

    def ended(self, state: RunState) -> None:
        self.stages.append((state.planned.number, state.stage))
        self.last = state
        self.orders.extend(self.more(state))


@dataclass
class Watch:
    """The events of an engine, and a clock that only a test moves."""

    runs_dir: Path
    events: list[BatchEvent] = field(default_factory=list)
    now: float = 0.0

    def engine(self, source: Source, *, jobs: int = 1, **options: Any) -> Engine:
        wanted = EngineOptions(self.runs_dir, **options)
        slots = LocalSlots([], cpu=jobs)
        return Engine(source, wanted, slots=slots, listener=self.events.append, clock=lambda: self.now)

    @property
    def stages(self) -> list[tuple[int, str]]:
        return [
            (event.state.planned.number, event.state.stage)
            for event in self.events
            if isinstance(event, RunChanged) and event.noteworthy
        ]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path / "runs")


def runs(planned: Planned, count: int) -> Source:
    return Source(deque(Order(replace(planned, number=number)) for number in range(1, count + 1)))


def test_every_order_is_trained_with_as_many_at_a_time_as_there_are_slots(planned: Planned, watch: Watch) -> None:
    source, crew = runs(planned, 5), FakeCrew()
    watch.engine(source, jobs=2).go_on(crew)
    assert source.stages == [(number, "completed") for number in range(1, 6)]
    assert crew.most == 2
    assert watch.stages == [(number, stage) for number in range(1, 6) for stage in ("running", "completed")]
    assert source.last is not None
    assert source.last.folder == watch.runs_dir / "run-5"


def test_the_request_has_what_the_order_and_the_options_say(planned: Planned, watch: Watch) -> None:
    trial = Trial("s", 7, pause_after=2)
    crew = FakeCrew()
    watch.engine(Source(deque([Order(replace(planned, number=7), trial)])), since=5.0, trust_plugins=True).go_on(crew)
    (request,) = crew.requests
    assert (request.number, request.trial, request.since, request.trust_plugins) == (7, trial, 5.0, True)
    assert request.identity_record() == planned.identity
    assert Request.read(json.loads(request.line())) == request


def test_a_paused_run_can_be_ordered_again_at_once(planned: Planned, watch: Watch) -> None:
    def script(request: Request) -> list[dict[str, Any]]:
        how = "paused" if request.trial and request.trial.pause_after else "completed"
        return [begun(request, resumed=how == "completed"), ended(request, how), gone(request)]

    def more(state: RunState) -> list[Order]:
        return [Order(state.planned, Trial("s", 1))] if state.stage == "paused" else []

    source = Source(deque([Order(planned, Trial("s", 1, pause_after=2))]), more)
    watch.engine(source).go_on(FakeCrew(script))
    assert source.stages == [(1, "paused"), (1, "completed")]
    assert source.last is not None
    assert source.last.resumed


def test_a_failed_run_is_tried_again_and_reported_once(planned: Planned, watch: Watch) -> None:
    def script(request: Request) -> list[dict[str, Any]]:
        how = "failed" if request.number == 1 or len(crew.requests) < 3 else "completed"
        return [begun(request), ended(request, how, reason="no luck"), gone(request, 1)]

    crew = FakeCrew(script)
    source = runs(planned, 1)
    watch.engine(source, retries=2).go_on(crew)
    assert source.stages == [(1, "failed")]
    assert len(crew.requests) == 3
    assert source.last is not None
    assert (source.last.attempts, source.last.reason) == (3, "no luck")


def test_a_process_that_dies_without_a_word_has_failed(planned: Planned, watch: Watch) -> None:
    source = runs(planned, 2)
    codes = {1: -9, 2: 3}
    watch.engine(source).go_on(FakeCrew(lambda request: [gone(request, codes[request.number])]))
    assert source.stages == [(1, "failed"), (2, "failed")]
    reasons = [event.state.reason for event in watch.events if isinstance(event, RunChanged)]
    assert reasons == ["was killed by signal 9 (SIGKILL)", "ended with exit code 3"]


def test_a_run_that_cannot_be_resumed_is_started_anew(planned: Planned, watch: Watch) -> None:
    def script(request: Request) -> list[dict[str, Any]]:
        return completes(request) if request.anew else [ended(request, "anew", reason="another CPU"), gone(request)]

    source, crew = runs(planned, 1), FakeCrew(script)
    watch.engine(source).go_on(crew)
    assert [request.anew for request in crew.requests] == [False, True]
    assert source.stages == [(1, "completed")]


def test_a_run_whose_machine_is_lost_starts_again_and_has_not_failed(planned: Planned, watch: Watch) -> None:
    def script(request: Request) -> list[dict[str, Any]]:
        if len(crew.requests) < 3:
            return [begun(request), ended(request, "lost", reason="node 7 died"), gone(request, 1)]
        return [begun(request, resumed=True), ended(request, "completed"), gone(request)]

    source, crew = runs(planned, 1), FakeCrew(script)
    watch.engine(source).go_on(crew)
    assert watch.stages == [(1, "running"), (1, "waiting")] * 2 + [(1, "running"), (1, "completed")]
    assert source.last is not None
    assert (source.last.attempts, source.last.losses) == (1, 2)
    assert not any(request.anew for request in crew.requests)


def test_a_run_that_brings_down_every_machine_fails_in_the_end(planned: Planned, watch: Watch) -> None:
    source = runs(planned, 1)
    crew = FakeCrew(lambda request: [ended(request, "lost", reason="node 7 died"), gone(request, 1)])
    watch.engine(source, retries=3).go_on(crew)
    assert source.stages == [(1, "failed")]
    assert len(crew.requests) == 6
    assert source.last is not None
    assert source.last.reason == "it lost 6 machines, the last one because node 7 died"


def test_a_run_that_another_process_has_claimed_waits_until_it_is_free(
    planned: Planned, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [False, True]
    monkeypatch.setattr(engine, "claimed", lambda *_args, **_options: FakeClaim(free.pop(0)))

    def script(request: Request) -> list[dict[str, Any]]:
        return completes(request) if len(crew.requests) > 1 else [ended(request, "held"), gone(request)]

    def asleep() -> None:
        watch.now += 0.3

    source, crew = runs(planned, 1), FakeCrew(script, asleep)
    watch.engine(source).go_on(crew)
    assert watch.stages == [(1, "held"), (1, "running"), (1, "completed")]
    assert not free
    assert watch.now >= 1


@dataclass
class FakeClaim:
    is_mine: bool

    def __enter__(self) -> bool:
        return self.is_mine

    def __exit__(self, *_error: object) -> None:
        pass


def stops(number: int, request: Request) -> list[dict[str, Any]]:
    how = [ended(request, "interrupted")] if number != signal.SIGKILL else []
    return [*how, gone(request, 130 if how else -9)]


def test_at_the_deadline_runs_stop_and_nothing_new_starts(planned: Planned, watch: Watch) -> None:
    def asleep() -> None:
        watch.now += 1

    source, crew = runs(planned, 3), FakeCrew(lambda request: [begun(request)], asleep, stops)
    work = watch.engine(source, jobs=2)
    work.stop_at(10)
    work.go_on(crew)
    assert watch.now == 10
    assert crew.signals == [signal.SIGINT]
    assert source.stages == [(1, "interrupted"), (2, "interrupted")]
    assert [event for event in watch.events if isinstance(event, Stopping)] == [Stopping(2, is_late=True)]
    assert work.signal is None
    assert work.is_over
    assert not source.is_over


def test_the_first_signal_stops_and_the_second_kills(planned: Planned, watch: Watch) -> None:
    source = runs(planned, 2)
    kill = FakeCrew(
        lambda request: [begun(request)],
        lambda: os.kill(os.getpid(), signal.SIGINT),
        lambda number, request: stops(number, request) if number == signal.SIGKILL else [],
    )
    work = watch.engine(source)
    work.go_on(kill)
    assert kill.signals[:2] == [signal.SIGINT, signal.SIGKILL]
    assert source.stages == [(1, "interrupted")]
    assert work.signal == signal.SIGINT


def test_a_signal_after_the_deadline_does_not_stop_the_runs_twice(planned: Planned, watch: Watch) -> None:
    def asleep() -> None:
        watch.now += 1
        if watch.now > 1:
            os.kill(os.getpid(), signal.SIGINT)

    source = runs(planned, 1)
    crew = FakeCrew(
        lambda request: [begun(request)],
        asleep,
        lambda number, request: stops(number, request) if number == signal.SIGKILL else [],
    )
    work = watch.engine(source)
    work.stop_at(1)
    work.go_on(crew)
    assert crew.signals[:2] == [signal.SIGINT, signal.SIGKILL]
    assert work.signal == signal.SIGINT


def test_runs_that_wait_when_everything_stops_are_reported(planned: Planned, watch: Watch) -> None:
    def script(request: Request) -> list[dict[str, Any]]:
        watch.now = 5
        return [ended(request, "held"), gone(request)]

    source = runs(planned, 1)
    work = watch.engine(source)
    work.stop_at(5)
    work.go_on(FakeCrew(script))
    assert source.stages == [(1, "interrupted")]


def test_an_order_that_does_not_fit_or_is_going_already_is_a_bug_of_its_source(planned: Planned, watch: Watch) -> None:
    twice = Source(deque([Order(planned), Order(planned)]))
    with pytest.raises(ValueError, match="ordered again"):
        watch.engine(twice, jobs=2).go_on(FakeCrew(lambda _request: []))


def test_the_engine_forgets_runs_that_have_ended(planned: Planned, watch: Watch) -> None:
    def peak(count: int) -> int:
        source = Source(
            deque(), lambda state: [fresh(state.planned.number + 1)] if state.planned.number < count else []
        )
        source.orders.append(fresh(1))
        work = Engine(source, EngineOptions(watch.runs_dir), slots=LocalSlots([], cpu=1), listener=lambda _event: None)
        crew = FakeCrew()
        crew.requests = deque(maxlen=1)  # type: ignore[assignment]
        source.stages = deque(maxlen=1)  # type: ignore[assignment]
        tracemalloc.start()
        work.go_on(crew)
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found

    def fresh(number: int) -> Order:
        return Order(replace(planned, number=number, label="x" * 1000 + str(number)))

    assert peak(300) < peak(30) + 30_000


def test_a_run_that_waits_again_for_a_machine_is_shown_as_waiting(planned: Planned, watch: Watch) -> None:
    waits = {"number": 1, "event": "waiting", "reason": "requeued by Slurm"}
    source = runs(planned, 1)
    watch.engine(source).go_on(FakeCrew(lambda request: [begun(request), waits, *completes(request)]))
    states = [event.state for event in watch.events if isinstance(event, RunChanged)]
    assert [(state.stage, state.reason) for state in states] == [
        ("running", ""), ("waiting", "requeued by Slurm"), ("running", ""), ("completed", ""),
    ]  # fmt: skip
