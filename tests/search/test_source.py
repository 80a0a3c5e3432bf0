"""The decisions of a search, with runs that exist only as numbers: what is proposed, promoted, recorded and resumed."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dlrun.batching.engine import Order
from dlrun.batching.grid import Combination
from dlrun.batching.plan import Planned
from dlrun.batching.state import RunState
from dlrun.errors import Problem, RunError, SpecError, UsageError
from dlrun.runs.record import IdentityRecord
from dlrun.search.halving import Ladder
from dlrun.search.ledger import Ledger
from dlrun.search.measure import MeasuredRun
from dlrun.search.outcome import Objective, read_outcome
from dlrun.search.plan import SearchPlan
from dlrun.search.runs import TrialRuns
from dlrun.search.samplers.sampler import KnownPoint
from dlrun.search.source import TrialSource
from dlrun.search.track import SearchTracking
from dlrun.search.trials import Trials
from dlrun.spec.search.space import Number, Point, Space
from dlrun.spec.types import Spec

EPOCHS = (1, 3, 9)
BASE = SimpleNamespace(spec=SimpleNamespace(training=SimpleNamespace(epochs=9)))
TRAINING_OF_900 = SimpleNamespace(epochs=900)


class RandomPoints:
    """Proposes points that depend on the number and on how many are known, as a sampler that learns."""

    def __init__(self) -> None:
        self.heard: list[Sequence[KnownPoint]] = []
        self.script: Iterator[float] | None = None

    def propose(self, number: int, known: Sequence[KnownPoint]) -> Point | None:
        self.heard.append(known)
        if self.script is not None:
            return {"x": x} if (x := next(self.script, None)) else None
        best = max((each.values[0] for each in known if each.values), default=0.0)
        return {"x": round(random.Random(f"{number} {best}").random(), 6)}


@dataclass
class Disk:
    """The runs of a search as far as they are trained: epochs by id."""

    epochs: dict[str, int] = field(default_factory=dict)
    started: list[tuple[str, int | None]] = field(default_factory=list)


class NumberRuns(TrialRuns):
    """Runs whose score is their point, a little worse before they are trained to the end."""

    def __init__(self, plan: SearchPlan, disk: Disk) -> None:
        self.plan = plan
        self.disk = disk
        self.lost: set[int] = set()

    def planned(self, number: int, point: Point) -> list[Planned]:
        if point["x"] < 0.05:
            raise SpecError([Problem("too small")])
        found = []
        for index, seed in enumerate(self.plan.seeds):
            name = f"{point['x']}-{seed}"
            identity = IdentityRecord(spec=name, code="", data="")
            combination = Combination(Path("c.yaml"), (), (("x", str(point["x"])),))
            number_of_all = (number - 1) * len(self.plan.seeds) + index + 1
            found.append(Planned(number_of_all, combination, cast("Spec", None), identity, label=f"trial {number}"))
        return found

    def measure(self, path: Path) -> MeasuredRun:
        epochs = self.disk.epochs[path.name]
        value = float(path.name.split("-")[0]) - 0.01 / epochs
        return MeasuredRun(path.name, epochs == EPOCHS[-1], (value,), epochs, epochs * 1.0, "data")

    def complete(self, run: str) -> MeasuredRun | None:
        found = self.measure(Path(run))
        return found if found.is_complete else None

    def drop_losers(self, trials: Trials, out_of_reach: Collection[int]) -> None:
        assert trials.head
        self.lost |= set(out_of_reach)


class Killed(BaseException):
    """The search is killed here."""


class Bench:
    """A search on a folder, with an engine that trains by counting."""

    def __init__(self, folder: Path, *, trials: int = 20, seeds: int = 1, halving: bool = True) -> None:
        ladder = Ladder(EPOCHS, 3, larger_is_better=True) if halving else None
        self.plan = SearchPlan(
            "s", Path("c.yaml"), (), cast("Any", BASE), Space((Number("x", "x", 0.0, 1.0),)),
            (Objective("val_accuracy", larger_is_better=True),), ladder, tuple(range(seeds)), folder, trials,
        )  # fmt: skip
        self.folder = folder
        self.disk = Disk()
        self.sampler = RandomPoints()
        self.tracking: SearchTracking | None = None
        self.fails: set[str] = set()

    def begin(self) -> TrialSource:
        ledger = Ledger(self.folder / "ledger.jsonl")
        trials = Trials(ledger.entries)
        if not trials.head:
            head = {"name": "s", "started": "", "space": [], "sampler": "random", "seeds": 1, "rungs": list(EPOCHS)}
            objectives = [{"name": "val_accuracy", "larger_is_better": True}]
            trials.add(ledger.append("search", objectives=objectives, factor=3, epochs=9, seconds=0.0, **head))
        trials.add(ledger.append("session", seconds=0.0, trials=self.plan.trials))
        self.runs = NumberRuns(self.plan, self.disk)
        return TrialSource(trials, ledger, self.sampler, runs=self.runs, tracking=self.tracking, clock=lambda: 0.0)

    def work(self, source: TrialSource, *, jobs: int = 1, kill_after: int = 10**9) -> None:
        """Train until the source is over; with several jobs, the run that began first ends first."""
        going: list[Order] = []
        for step in range(10_000):
            while len(going) < jobs and (order := source.next_order(lambda _: True)) is not None:
                going.append(order)
            if not going:
                assert source.is_over
                return
            if step == kill_after:
                raise Killed
            source.ended(self.train(going.pop(0)))

    def train(self, order: Order) -> RunState:
        name = order.planned.identity.spec
        pause = order.trial.pause_after if order.trial else None
        self.disk.started.append((name, pause))
        if name in self.fails:
            return RunState(order.planned, "failed", reason="the loss became NaN in step 12")
        epochs = min(pause or EPOCHS[-1], EPOCHS[-1])
        assert self.disk.epochs.get(name, 0) <= epochs
        self.disk.epochs[name] = epochs
        return RunState(order.planned, "paused" if epochs < EPOCHS[-1] else "completed", self.folder / name)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class LoggedBest(SearchTracking):
    """A journal that keeps the numbers of complete trials each time that it is asked to log the best."""

    def __init__(self) -> None:
        super().__init__(None)
        self.parent = "the search"
        self.complete: list[int] = []

    def log_best(self, trials: Trials) -> None:
        self.complete.append(len(trials.at("completed")))


def test_every_trial_knows_its_parent_in_the_tracker_which_logs_the_best_when_a_trial_is_complete(bench: Bench) -> None:
    bench.tracking = tracking = LoggedBest()
    source, parents = bench.begin(), []
    while (order := source.next_order(lambda _: True)) is not None:
        assert order.trial is not None
        parents.append(order.trial.parent)
        source.ended(bench.train(order))
    assert set(parents) == {"the search"}
    assert tracking.complete == list(range(1, len(source.trials.at("completed")) + 1))
    assert tracking.complete


def test_without_halving_every_trial_trains_to_its_end_and_the_best_wins(tmp_path: Path) -> None:
    bench = Bench(tmp_path, halving=False)
    source = bench.begin()
    bench.work(source)
    outcome = read_outcome(source.trials, tmp_path)
    assert [trial.stage for trial in outcome.trials] == ["completed"] * 20
    assert outcome.best is not None
    assert outcome.best.point["x"] == max(trial.point["x"] for trial in outcome.trials)


def test_halving_trains_few_trials_to_the_end_and_the_best_point_is_among_them(bench: Bench) -> None:
    source = bench.begin()
    bench.work(source)
    outcome = read_outcome(source.trials, bench.folder)
    stages = [trial.stage for trial in outcome.trials]
    assert stages.count("completed") < 5
    assert stages.count("paused") > 10
    assert outcome.best is not None
    assert outcome.best.point["x"] == max(trial.point["x"] for trial in outcome.trials)
    assert outcome.saved_epochs == 20 * 9 - outcome.trained_epochs


@pytest.mark.parametrize("trials", [1, 2, 3])
def test_even_a_search_too_small_for_its_rungs_trains_one_trial_to_the_end(tmp_path: Path, trials: int) -> None:
    bench = Bench(tmp_path, trials=trials)
    source = bench.begin()
    bench.work(source)
    assert len(source.trials.at("completed")) == 1


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_search_killed_anywhere_goes_on_without_losing_or_repeating_a_trial(tmp_path: Path, jobs: int) -> None:
    plain = Bench(tmp_path / "plain")
    (tmp_path / "plain").mkdir()
    undisturbed = plain.begin()
    plain.work(undisturbed)
    killed = Bench(tmp_path / "killed")
    (tmp_path / "killed").mkdir()
    for step in (0, 1, 5, 2, 0, 9):
        with pytest.raises(Killed):
            killed.work(killed.begin(), jobs=jobs, kill_after=step)
    source = killed.begin()
    killed.work(source, jobs=jobs)
    assert source.trials.counted == 20
    assert not source.trials.at("running")
    if jobs == 1:  # decisions depend on nothing but the ledger
        assert source.trials.by_number == undisturbed.trials.by_number


def test_more_trials_go_on_where_the_search_ended(bench: Bench) -> None:
    bench.work(bench.begin())
    bench.plan = replace(bench.plan, trials=30)
    source = bench.begin()
    bench.work(source)
    assert source.trials.counted == 30
    assert len({trial.spec for trial in source.trials.by_number.values() if trial.counts}) == 30


def test_invalid_and_equal_points_cost_nothing_and_are_counted_apart(bench: Bench) -> None:
    bench.sampler.script = iter([0.01, 0.5, 0.5, 0.7])
    source = bench.begin()
    bench.work(source)
    stages = {number: trial.stage for number, trial in source.trials.by_number.items()}
    assert (stages[1], stages[3]) == ("rejected", "equal")
    assert source.trials.counted == 2
    assert source.is_exhausted
    assert {name for name, _ in bench.disk.started} == {"0.5-0", "0.7-0"}


def test_a_space_of_invalid_points_ends_the_search(bench: Bench) -> None:
    bench.sampler.script = (0.01 + number * 1e-6 for number in range(1000))
    with pytest.raises(UsageError, match="200 points in a row"):
        bench.begin().next_order(lambda _: True)


def test_a_trial_that_fails_is_recorded_with_its_reason_and_is_worst_to_the_sampler(bench: Bench) -> None:
    first = bench.sampler.propose(2, ())
    source = bench.begin()
    order = source.next_order(lambda _: True)
    assert order is not None
    source.ended(bench.train(order))
    assert first is not None
    order = source.next_order(lambda _: True)
    assert order is not None
    bench.fails.add(order.planned.identity.spec)
    source.ended(bench.train(order))
    assert source.trials.by_number[2].stage == "failed"
    assert source.trials.by_number[2].reason == "the loss became NaN in step 12"
    source.next_order(lambda _: True)
    assert bench.sampler.heard[-1][1].state == "failed"
    assert bench.sampler.heard[-1][1].values is None


def test_a_search_whose_first_three_trials_fail_alike_stops(bench: Bench) -> None:
    bench.train = lambda order: RunState(order.planned, "failed", reason="no memory for 3 arrays")  # type: ignore[method-assign]
    with pytest.raises(RunError, match="the first 3 trials all failed: no memory"):
        bench.work(bench.begin())


def test_failed_trials_are_tried_again_only_when_asked(bench: Bench) -> None:
    source = bench.begin()
    bench.work(source)
    loser = source.trials.at("paused")[0]
    source.append("ended", trial=loser.number, how="failed", reason="x", runs=[], trained=1, spent=1.0)
    again = bench.begin()
    assert again.is_over
    again.retry_failed(0)
    assert again.is_over
    again.retry_failed(1)
    bench.work(again)
    assert again.trials.by_number[loser.number].stage in ("paused", "completed")


def test_with_several_seeds_a_trial_is_judged_by_their_mean(tmp_path: Path) -> None:
    bench = Bench(tmp_path, trials=4, seeds=3)
    source = bench.begin()
    bench.work(source, jobs=2)
    best = read_outcome(source.trials, tmp_path).best
    assert best is not None
    assert len(best.runs) == len(best.results[0]) == 3
    assert best.deviation == pytest.approx(0)
    assert len(bench.disk.started) > 12


def test_losers_are_out_of_reach_and_winners_are_not(bench: Bench) -> None:
    source = bench.begin()
    bench.work(source)
    completed = {trial.number for trial in source.trials.at("completed")}
    assert bench.runs.lost
    assert not bench.runs.lost & completed


def test_data_that_changes_during_a_search_stops_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    source = bench.begin()
    fingerprints: Iterator[str] = iter(["a", "b"])
    measure = bench.runs.measure
    monkeypatch.setattr(bench.runs, "measure", lambda path: replace(measure(path), fingerprint=next(fingerprints)))
    with pytest.raises(RunError, match="the data has changed"):
        bench.work(source)


def test_with_little_time_left_no_trial_begins_and_the_best_is_trained_to_its_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path, trials=1000)
    source = bench.begin()
    for _ in range(4):  # a trial takes 9 seconds to its end
        order = source.next_order(lambda _: True)
        assert order is not None
        source.ended(bench.train(order))
    trained = sum(trial.epochs for trial in source.trials.by_number.values())
    left = 10.0
    source.seconds_left = lambda: left - sum(trial.epochs for trial in source.trials.by_number.values()) + trained
    before = source.trials.counted
    bench.work(source)
    assert source.trials.counted == before
    # The best one needs up to 8 of the 10 seconds; then nothing fits any more.
    assert len(source.trials.at("completed")) == 1
    left = 100.0
    assert not source.is_over
    left = 0.0
    assert source.is_over


def test_trials_that_early_stopping_ends_tell_how_long_the_next_one_takes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, trials=1000, halving=False)
    bench.plan = replace(bench.plan, base=cast("Any", SimpleNamespace(spec=SimpleNamespace(training=TRAINING_OF_900))))
    source = bench.begin()
    for _ in range(2):
        order = source.next_order(lambda _: True)
        assert order is not None
        source.ended(bench.train(order))  # it stops after 9 epochs of 900, a second each
    source.seconds_left = lambda: 20.0
    assert source.next_order(lambda _: True) is not None
    source.seconds_left = lambda: 10.0
    assert source.next_order(lambda _: True) is None


def test_the_reference_is_trained_to_its_end_and_takes_no_promotion_from_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path, trials=20)
    bench.plan = replace(bench.plan, first={"x": 0.999}, trains_first=True)
    source = bench.begin()
    bench.work(source)
    assert bench.disk.started[0] == ("0.999-0", None)
    completed = {trial.number for trial in source.trials.at("completed")}
    assert completed > {1}
