"""Search for the best point of a space: train its trials, name the winner, and score that once on held-out data."""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace

from dlrun.batching.backends.backend import Backend, BackendRequest
from dlrun.batching.backends.choose import check_placement, open_backend
from dlrun.batching.batch import refuse_workers
from dlrun.batching.engine import Engine, EngineOptions
from dlrun.batching.state import BatchListener, BatchStarted, RunWarned, unheard
from dlrun.errors import Interrupted, RunError
from dlrun.experiment.track import prepare_tracker
from dlrun.runs.folder import now
from dlrun.search.checkpoints import CheckpointKeeper
from dlrun.search.folder import SearchFolder, search_folder
from dlrun.search.importance import key_importances
from dlrun.search.ledger import Ledger
from dlrun.search.outcome import SearchOutcome, read_outcome
from dlrun.search.page.process import write_search_page
from dlrun.search.plan import SearchOptions, SearchPlan, check_same_search, head_of, plan_search
from dlrun.search.runs import TrialRuns
from dlrun.search.samplers.make import make_sampler
from dlrun.search.source import TrialSource
from dlrun.search.track import SearchTracking, tracked_search
from dlrun.search.trials import Trials
from dlrun.search.winner import WinnerSource
from dlrun.spec.search.section import SearchSection
from dlrun.system.disk import disk, explained
from dlrun.yaml_tree.text import document_text

Reserve = Callable[[Trials], float]
"""Returns how many of the seconds of a search to leave for what follows it."""


def run_search(
    wanted: SearchOptions, *, listener: BatchListener = unheard, reserve: Reserve = lambda _: 0.0
) -> SearchOutcome:
    """Train the trials of a search that are missing, and score the best of all on held-out data.

    Args:
        wanted: What the command line asks for.
        listener: Receives every change of a run.
        reserve: Returns how many of the seconds of `search.minutes` to leave.

    Returns:
        The trials, and the winner.

    Raises:
        SpecError: The config is wrong; nothing was trained.
        DataError: Its data is missing or has changed.
        UsageError: The config has no search, or the search of this name has begun with other keys.
        RunError: The search is held by another process, the disk is full, or the first trials all failed alike.
        Interrupted: The user stopped the search; the same command goes on with it.
    """
    refuse_workers("search")
    check_placement(wanted.placement, jobs=wanted.jobs)
    plan, section = plan_search(wanted)
    prepare_tracker(plan.base, wanted=True)
    folder = search_folder(plan.name, runs_dir=wanted.runs_dir)
    sampler = make_sampler(section.keys, plan.space, tuple(each.direction for each in plan.objectives))
    with folder.held():
        ledger = Ledger(folder.ledger)
        trials = Trials(ledger.entries)
        note = _begin(folder, plan, section, trials, ledger)
        limits = {"trials": section.keys.trials, "minutes": section.keys.minutes}
        trials.add(
            ledger.append(
                "session", at=now(), command=list(wanted.command), seconds=0.0, engine=str(wanted.placement), **limits
            )
        )
        runs = TrialRuns(plan, CheckpointKeeper(plan, section.keys.keep_checkpoints))
        with _tracked(plan, trials, ledger, listener=listener) as tracking:
            source = TrialSource(trials, ledger, sampler, runs=runs, tracking=tracking)
            limit = _Limit(_end_of(trials, section.keys.minutes), trials, reserve)
            why = _train(source, wanted, limit, listener=listener)
            if why == "interrupted":
                raise _interrupted(source, wanted)
            source.append("closed", why=why)
            outcome = read_outcome(trials, folder.path, notes=tuple(_notes(note, source)))
            outcome = replace(outcome, importances=key_importances(outcome))
            tracking.log_winner(outcome)
            return _with_summary(folder, outcome)


def _tracked(
    plan: SearchPlan, trials: Trials, ledger: Ledger, *, listener: BatchListener
) -> AbstractContextManager[SearchTracking]:
    """Return the context in which the search is logged to the tracker of its spec."""
    return tracked_search(plan.base.spec.tracking, trials, ledger, warn=lambda text: listener(RunWarned(None, text)))


def _end_of(trials: Trials, minutes: float | None) -> float | None:
    """Return when the search has to end by `time.monotonic`; None if it has no limit."""
    return None if minutes is None else time.monotonic() + 60 * minutes - trials.seconds


def _begin(folder: SearchFolder, plan: SearchPlan, section: SearchSection, trials: Trials, ledger: Ledger) -> str:
    """Begin the ledger of a new search, or check that an earlier one goes on; return what has changed meanwhile."""
    head = head_of(plan, section)
    note = check_same_search(trials.head, head) if trials.head else ""
    with explained(f"write {folder.config}"):
        disk.write_atomically(folder.config, _one_file(plan))
    if not trials.head:
        trials.add(ledger.append("search", version=1, started=now(), seconds=0.0, **head))
    return note


def _one_file(plan: SearchPlan) -> bytes:
    """Return the config as one file: as the user wrote it, but without bases and variables."""
    file = plan.base
    is_shared = len(file.files) > 1 or file.variables.variables or file.variables.environment
    return document_text(file.document).encode() if is_shared else file.files[0].content


@dataclass(frozen=True)
class _Limit:
    """The end of a search by `time.monotonic`, None for no end, and what to leave before it."""

    end: float | None
    trials: Trials
    reserve: Reserve

    def moment(self) -> float:
        return math.inf if self.end is None else self.end - self.reserve(self.trials)


def _train(source: TrialSource, wanted: SearchOptions, limit: _Limit, *, listener: BatchListener) -> str:
    """Train trials until there are enough, the time is up, or a signal stops them; return which of these it was."""
    source.seconds_left = lambda: limit.moment() - time.monotonic()
    if wanted.retries:
        source.retry_failed(wanted.retries)
    if source.is_over and WinnerSource(source).is_over:  # a cluster may be gone by now, and is not needed
        listener(BatchStarted((), what="search", headline=source.headline))
    else:
        specs, placement = [source.plan.base.spec], wanted.placement
        request = BackendRequest(
            placement,
            specs,
            (wanted.config,),
            wanted.jobs,
            wanted.runs_dir,
            listener=listener,
            folder=search_folder(source.plan.name, runs_dir=wanted.runs_dir).path,
            is_open=True,
        )
        with open_backend(request) as backend:
            slots = str(backend.slots)
            listener(BatchStarted((), slots, str(backend), what="search", headline=source.headline))
            _train_on(backend, source, wanted, limit, listener=listener)
    if source.signal is not None:
        return "interrupted"
    return "exhausted" if source.is_exhausted else "done" if source.has_all_trials else "out of time"


def _train_on(
    backend: Backend, source: TrialSource, wanted: SearchOptions, limit: _Limit, *, listener: BatchListener
) -> None:
    """Train trials, and then score the winner on held-out data."""
    options = EngineOptions(wanted.runs_dir, wanted.retries, trust_plugins=wanted.trust_plugins)
    engine = Engine(source, options, slots=backend.slots, listener=listener)

    def seconds_left() -> float:
        engine.stop_at(moment := limit.moment())  # what is reserved may have changed
        return moment - time.monotonic()

    source.seconds_left = seconds_left
    with ExitStack() as stack:
        crew = None if engine.is_over else stack.enter_context(backend.crew())
        if crew is not None:
            engine.go_on(crew)
        source.signal = engine.signal
        winner = WinnerSource(source) if engine.signal is None else None
        if winner is not None and not winner.is_over:
            last = Engine(winner, options, slots=backend.slots, listener=listener)
            last.go_on(crew or stack.enter_context(backend.crew()))
            source.signal = last.signal
            source.winner_failure = winner.failure


def _interrupted(source: TrialSource, wanted: SearchOptions) -> Interrupted:
    trials = source.trials
    ended = len(trials.at("completed", "failed"))
    command = shlex.join(wanted.command) or "the same search"
    error = Interrupted(
        f"stopped; {trials.counted} trials have begun, {ended} of them have ended",
        hint=f"{command} goes on with the search; interrupted runs resume at their next step",
    )
    error.exit_code = 128 + (source.signal or 0)
    return error


def _notes(changed: str, source: TrialSource) -> Iterator[str]:
    """Yield what to know about the result."""
    trials = source.trials
    if changed:
        yield changed
    if source.is_exhausted:
        yield f"every point of the space was tried: {trials.counted} trials"
    if refused := len(trials.at("rejected")):
        last = trials.at("rejected")[-1]
        yield f"{refused} points were not valid with the rest of the spec, such as trial {last.number}: {last.reason}"
    if trials.why_closed == "out of time" and (left := trials.at("running", "paused")):
        yield f"the time was up: {len(left)} trials are not trained to their end; more minutes go on with them"
    if source.winner_failure:
        yield f"the best trial could not be scored on held-out data: {source.winner_failure}"
    if not trials.at("completed") and (paused := trials.at("paused")):
        yield f"no trial is trained to its end; dlrun resume {paused[0].runs[0]} would do that with one of them"


def _with_summary(folder: SearchFolder, outcome: SearchOutcome) -> SearchOutcome:
    """Write the outcome as JSON and as a page; a page that cannot be drawn is only worth a note."""
    with explained(f"write {folder.summary}"):
        disk.write_atomically(folder.summary, json.dumps(outcome.plain(), indent=2).encode() + b"\n")
    try:
        write_search_page(outcome, path=folder.report)
    except RunError as error:
        return replace(outcome, notes=(*outcome.notes, f"there is no report: {error.what}"))
    return outcome
