"""Order the runs of a search: promote paused trials, propose new ones, and write what comes of them into the ledger.

The order of writing is what makes a search survive a kill:

1. A proposal or promotion is in the ledger before its runs are ordered. After a kill, the next command orders them
   again, and the runs themselves go on from their checkpoints.
2. A score is in the ledger after its run has ended, and before anything is decided from it.
3. What is decided next follows from the ledger alone: with one job, a killed search decides as an undisturbed one.
"""

from __future__ import annotations

import math
import re
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from dlrun.batching.engine import Order
from dlrun.batching.plan import Planned
from dlrun.batching.state import GOOD, RunState
from dlrun.errors import DlrunError, RunError, SpecError, UsageError
from dlrun.experiment.trial import Trial
from dlrun.search.halving import Ladder
from dlrun.search.ledger import Ledger
from dlrun.search.measure import MeasuredRun
from dlrun.search.runs import TrialRuns
from dlrun.search.samplers.sampler import KnownPoint, PointState, Sampler
from dlrun.search.track import SearchTracking
from dlrun.search.trials import Trials, TrialState
from dlrun.spec.search.section import COSTS
from dlrun.spec.search.space import overrides_of, shown_values
from dlrun.spec.types import Spec

_MOST_REFUSED = 200
"""So many proposals in a row that are not valid, or equal to earlier ones, end a search."""
_ALIKE_FAILURES = 3
_CLOSING = 1.25
"""No new trial begins in the last so many times of what a trial takes."""

Standings = list[Mapping[int, float | None]]
"""For each rung below the last the scores of the trials that have reached it."""
Gone = list[frozenset[int]]
"""For each of these rungs the trials that have left it."""


@dataclass
class _Attempt:
    """The runs of one trial on their way to its next rung, by seed index: those to order, and those that have ended."""

    orders: dict[int, Order]
    done: dict[int, MeasuredRun] = field(default_factory=dict)
    failure: str = ""
    interrupted: bool = False
    ordered: set[int] = field(default_factory=set)


class TrialSource:
    """Decides which trials train, and how far; see `RunSource`.

    Args:
        trials: What was tried so far.
        ledger: Where everything that follows is written.
        sampler: Proposes points.
        runs: Makes the runs of trials, and reads what they have reached.
        tracking: Logs the search to the tracker of its spec; None to log nothing.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        trials: Trials,
        ledger: Ledger,
        sampler: Sampler,
        *,
        runs: TrialRuns,
        tracking: SearchTracking | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trials = trials
        self.plan = runs.plan
        self.signal: int | None = None
        """The signal that has stopped the search; None if none has."""
        self.winner_failure = ""
        """Why the winner could not be scored on held-out data; empty if it was."""
        self.seconds_left: Callable[[], float] = lambda: math.inf
        """The time that the search has left; the front end knows it."""
        self._runs = runs
        self._tracking = tracking or SearchTracking(None)
        self._ledger = ledger
        self._sampler = sampler
        self._clock, self._began = clock, clock()
        self._going: dict[int, _Attempt] = {}
        self._queue: deque[tuple[int, int]] = deque()
        self._is_exhausted = False
        # The trial by the digest of its spec: two points may give the same.
        self._by_spec = {trial.spec: trial.number for trial in reversed(trials.by_number.values()) if trial.spec}
        for trial in trials.at("running"):
            self._begin(trial)

    @property
    def is_exhausted(self) -> bool:
        """Whether every point of the space was tried."""
        return self._is_exhausted

    @property
    def has_all_trials(self) -> bool:
        """Whether as many trials have ended as the search was given."""
        is_idle = not self.trials.at("running") and self._promotion() is None
        return is_idle and self.plan.trials is not None and self.trials.counted >= self.plan.trials

    def headline(self) -> str:
        """Return one line about the search, such as `trial 12 of 50, best val_accuracy 0.981 (trial 7)`."""
        wanted = f" of {self.plan.trials}" if self.plan.trials is not None else ""
        first, best = self.plan.objectives[0], self._best
        found = f"; best {first.name} {best.scores[0]:.4g} (trial {best.number})" if best else ""
        return f"trial {self.trials.counted}{wanted}{found}"

    @property
    def is_over(self) -> bool:
        """Whether there will be no more orders, whatever the runs that are training bring."""
        if self._queue or self._going:
            return False
        return self.seconds_left() <= 0 or (self._promotion() is None and not self._wants_more)

    def next_order(self, fits: Callable[[Spec], bool]) -> Order | None:
        """Return the run to train next; see `RunSource`."""
        if not self._queue:
            self._decide()
        for number, seed in self._queue:
            order = self._going[number].orders[seed]
            if fits(order.planned.spec):
                self._queue.remove((number, seed))
                self._going[number].ordered.add(seed)
                return order
        return None

    def ended(self, state: RunState) -> None:
        """Take note of how a run has ended, and of its trial if it was the last of its runs.

        Raises:
            RunError: The ledger cannot be written, the data has changed, or the first trials all failed alike.
        """
        before, seed = divmod(state.planned.number - 1, len(self.plan.seeds))
        number = before + 1
        attempt = self._going[number]
        attempt.ordered.discard(seed)
        if state.stage in (*GOOD, "paused") and state.folder is not None:
            attempt.done[seed] = self._checked(self._runs.measure(state.folder))
        elif state.stage == "interrupted":
            attempt.interrupted = True
        else:
            attempt.failure = attempt.failure or state.reason
            if state.folder is not None:
                with suppress(DlrunError):  # a run that failed may have no record of what it did
                    attempt.done[seed] = self._runs.measure(state.folder)
        if attempt.failure or attempt.interrupted:
            self._queue = deque(pair for pair in self._queue if pair[0] != number)
        if attempt.ordered or any(pair[0] == number for pair in self._queue):
            return
        del self._going[number]
        if not attempt.interrupted:
            self._conclude(number, attempt)

    def planned_runs(self, trial: TrialState) -> list[Planned]:
        """Return the runs of a trial, one for each seed."""
        return self._runs.planned(trial.number, trial.point)

    def append(self, event: str, **content: Any) -> None:
        """Write an entry into the ledger, with the time since this command began."""
        seconds = round(self._clock() - self._began, 3)
        self.trials.add(self._ledger.append(event, **content, seconds=seconds))

    def retry_failed(self, retries: int) -> None:
        """Let trials that failed at most so often train again."""
        for trial in self.trials.at("failed"):
            if trial.attempts <= retries:
                self.append("retried", trial=trial.number, to=trial.target)
                self._begin(self.trials.by_number[trial.number])

    def out_of_reach(self) -> frozenset[int]:
        """Return the paused trials that cannot be promoted any more; none if the number of trials has no limit."""
        if self.plan.ladder is None or self.plan.trials is None:
            return frozenset()
        more = max(0, self.plan.trials - self.trials.counted) + len(self.trials.at("running"))
        rungs, gone = self._standings()
        return self.plan.ladder.out_of_reach(rungs, gone, more=more)

    @property
    def _best(self) -> TrialState | None:
        """The trial with the best score so far, complete or not."""
        first = self.plan.objectives[0]
        known = [
            trial for trial in list(self.trials.by_number.values()) if trial.scores and trial.scores[0] is not None
        ]
        return min(known, key=lambda trial: first.badness(trial.scores[0]), default=None)

    @property
    def _first_rung(self) -> int | None:
        ladder = self.plan.ladder
        return ladder.epochs[0] if ladder is not None and len(ladder.epochs) > 1 else None

    @property
    def _wants_more(self) -> bool:
        wanted = self.plan.trials
        is_open = not self._is_exhausted and (wanted is None or self.trials.counted < wanted)
        return is_open and not self._is_closing

    @property
    def _is_closing(self) -> bool:
        """Whether there is too little time for another trial, and what is left belongs to those that have begun."""
        left = self.seconds_left()
        return left < math.inf and left < _CLOSING * self._trial_seconds

    @property
    def _trial_seconds(self) -> float:
        """The expected seconds of a trial that trains to its end; 0 if nothing is known yet."""
        paces = [trial.seconds / trial.epochs for trial in self.trials.at("paused", "completed") if trial.epochs]
        return statistics.median(paces) * self._expected_epochs if paces else 0.0

    @property
    def _expected_epochs(self) -> float:
        """The epochs of a whole trial: those of the complete ones, which early stopping may have ended before."""
        complete = [trial.epochs for trial in self.trials.at("completed") if trial.epochs]
        planned = (self.plan.base.spec.training.epochs or 0) * len(self.plan.seeds)
        return statistics.median(complete) if complete else planned

    def _decide(self) -> None:
        """Promote a trial, or else propose one, if that is to be."""
        if self.seconds_left() <= 0:
            return
        if (promotion := self._promotion()) is not None:
            number, rung = promotion
            # With little time left there may be none for another stop.
            to = None if self._is_closing else self._target_after(rung)
            self.append("promoted", trial=number, to=to)
            self._begin(self.trials.by_number[number])
        elif self._wants_more:
            self._propose()
            if self._is_exhausted:  # that changes who is promoted
                self._decide()

    def _promotion(self) -> tuple[int, int] | None:
        ladder = self.plan.ladder
        if ladder is None:
            return None
        rungs, gone = self._standings()
        found = ladder.next_promotion(rungs, gone)
        if found is None and self._is_closing:
            found = self._last_that_fits(ladder, rungs, gone)
        is_idle = not self._going and not self.trials.at("running")
        if found is None and is_idle and not self._wants_more and not self._has_complete:
            found = ladder.last_promotion(rungs, gone)
        return found

    def _last_that_fits(self, ladder: Ladder, rungs: Standings, gone: Gone) -> tuple[int, int] | None:
        """Return the best paused trial that can still be trained to its end, of the highest rung that has one.

        Without any trial that is complete or on its way to the end, the best one goes on even if it may not fit.
        """
        goes_to_end = any(trial.target is None for trial in self.trials.at("running"))
        must_go = not goes_to_end and not self._has_complete
        for rung in reversed(range(len(rungs))):
            for number in ladder.ranking(rungs[rung]):
                if number not in gone[rung] and (must_go or self._seconds_to_end(number) < self.seconds_left()):
                    return number, rung
        return None

    def _seconds_to_end(self, number: int) -> float:
        """Return how long a paused trial would train to its end, by its own pace; it has at least an epoch to go."""
        trial = self.trials.by_number[number]
        left = max(len(self.plan.seeds), self._expected_epochs - trial.epochs)
        return left * trial.seconds / trial.epochs if trial.epochs else math.inf

    @property
    def _has_complete(self) -> bool:
        return any(trial.scores[0] is not None for trial in self.trials.at("completed"))

    def _target_after(self, rung: int) -> int | None:
        """Return the epoch to pause after on the way from a rung; None on the way to the end."""
        epochs = self.plan.ladder.epochs if self.plan.ladder else ()
        return epochs[rung + 1] if rung + 2 < len(epochs) else None

    def _standings(self) -> tuple[Standings, Gone]:
        """Return for each rung below the last the scores of the trials that reached it, and those that left it."""
        below = self.plan.ladder.epochs[:-1] if self.plan.ladder else ()
        scores: list[dict[int, float | None]] = [{} for _ in below]
        gone: list[set[int]] = [set() for _ in below]
        for trial in self.trials.by_number.values():
            if trial.stage not in ("running", "paused", "completed"):
                continue
            reached = {rung.epochs: rung.score for rung in trial.rungs}
            for index, epochs in enumerate(below):
                if trial.stage == "completed" and (reached or trial.target is not None):
                    scores[index][trial.number] = reached.get(epochs, trial.scores[0])
                elif epochs in reached:
                    scores[index][trial.number] = reached[epochs]
                is_here = trial.stage == "paused" and trial.rungs[-1].epochs == epochs
                if trial.number in scores[index] and not is_here:
                    gone[index].add(trial.number)
        return list(scores), list(map(frozenset, gone))

    def _propose(self) -> None:
        """Propose points until one is valid and new, and begin it."""
        for _ in range(_MOST_REFUSED):
            number = len(self.trials.by_number) + 1
            point = self.plan.first if number == 1 else None
            point = point or self._sampler.propose(number, self._known())
            if point is None:
                self._is_exhausted = True
                return
            shown = [list(pair) for pair in shown_values(self.plan.space, point)]
            entry: dict[str, Any] = {"trial": number, "point": dict(point), "values": shown}
            try:
                planned = self._runs.planned(number, point)
            except SpecError as error:
                self.append("rejected", **entry, reason=error.problems[0].what)
                continue
            spec = planned[0].identity.spec
            other = self._by_spec.setdefault(spec, number)
            if other != number:
                self.append("equal", **entry, reason=str(other))
                continue
            values = list(overrides_of(self.plan.space, point))
            is_reference = self.plan.trains_first and point == self.plan.first
            self.append("proposed", **entry, set=values, spec=spec, to=None if is_reference else self._first_rung)
            self._begin(self.trials.by_number[number], planned)
            return
        last = self.trials.by_number[len(self.trials.by_number)]
        raise UsageError(
            f"{_MOST_REFUSED} points in a row are equal to earlier ones, or not valid with the rest of the spec",
            expected="a space in which most points are valid",
            hint=f"the last one: {last.reason}" if last.stage == "rejected" else "the space may have no more points",
        )

    def _known(self) -> list[KnownPoint]:
        """Return what the sampler learns from."""
        return [self._known_point(trial) for trial in self.trials.by_number.values()]

    def _known_point(self, trial: TrialState) -> KnownPoint:
        if trial.stage == "equal":
            return replace(self._known_point(self.trials.by_number[int(trial.reason)]), point=trial.point)
        # A trial that is being promoted counts with what it had when it was paused.
        state: PointState = "paused" if trial.stage == "running" and trial.rungs else trial.stage
        values = trial.scores if trial.stage != "failed" else ()
        if not values or None in values:
            # A score that is undefined, as after a division by zero, is no better than a failure.
            return KnownPoint(trial.point, "failed" if state in ("paused", "completed") else state)
        epochs = trial.rungs[-1].epochs if trial.rungs else 0
        return KnownPoint(trial.point, state, tuple(value for value in values if value is not None), epochs)

    def _begin(self, trial: TrialState, planned: Sequence[Planned] = ()) -> None:
        """Queue the runs of a trial, except those that have ended by themselves on an earlier rung."""
        planned = planned or self._runs.planned(trial.number, trial.point)
        costs = any(each.name in COSTS for each in self.plan.objectives)
        role = Trial(self.plan.name, trial.number, trial.target, costs=costs, parent=self._tracking.parent)
        attempt = _Attempt({seed: Order(each, role) for seed, each in enumerate(planned)})
        for seed, run in enumerate(trial.runs):
            if (complete := self._runs.complete(run)) is not None:
                attempt.done[seed] = complete
        waiting = [seed for seed in attempt.orders if seed not in attempt.done]
        if not waiting:  # somebody has resumed its runs to their end
            self._conclude(trial.number, attempt)
            return
        self._going[trial.number] = attempt
        self._queue.extend((trial.number, seed) for seed in waiting)

    def _checked(self, measured: MeasuredRun) -> MeasuredRun:
        """Check that a run saw the same data as the others, without which no scores can be compared."""
        known = self.trials.fingerprint
        if known and not self._has_own_data and measured.fingerprint != known:
            raise RunError(
                f"the data has changed since the search began: run {measured.run} has other examples",
                expected="the same data for all trials",
                hint="start another search with --name",
            )
        return measured

    @property
    def _has_own_data(self) -> bool:
        """Whether trials may differ in their data, because the space varies it."""
        return any(each.path.partition(".")[0] == "dataset" for each in self.plan.space.all_parameters)

    def _conclude(self, number: int, attempt: _Attempt) -> None:
        """Write down what came of a trial whose runs have all ended."""
        trial = self.trials.by_number[number]
        measured = [attempt.done[seed] for seed in sorted(attempt.done)]
        spent = {
            "trial": number,
            "runs": [each.run for each in measured],
            "trained": sum(each.epochs for each in measured),
            "spent": round(sum(each.seconds for each in measured), 3),
            "data": next((each.fingerprint for each in measured), ""),
        }
        if attempt.failure:
            self.append("ended", how="failed", reason=attempt.failure, **spent)
            self._stop_if_all_fail()
        elif all(each.is_complete for each in measured):
            results = [[each.values[index] for each in measured] for index in range(len(self.plan.objectives))]
            self.append("ended", how="completed", results=results, **spent)
            self._tracking.log_best(self.trials)
        else:
            scores = [each.values[0] for each in measured]
            self.append("rung", epochs=trial.target, scores=scores, **spent)
        self._runs.drop_losers(self.trials, self.out_of_reach())

    def _stop_if_all_fail(self) -> None:
        """Raise an error if the first trials have all failed in the same way: the fault is not in their points."""
        tried = self.trials.at("paused", "completed", "failed")
        reasons = {re.sub(r"[\d.e+-]+", "0", trial.reason) for trial in tried}
        if len(tried) == _ALIKE_FAILURES and len(reasons) == 1 and all(trial.stage == "failed" for trial in tried):
            raise RunError(
                f"the first {_ALIKE_FAILURES} trials all failed: {tried[0].reason}",
                hint=f"dlrun runs show {tried[0].runs[0]}"
                if tried[0].runs
                else "dlrun train CONFIG trains a single run",
            )
